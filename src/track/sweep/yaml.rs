//! Sweeps in the YAML of W&B's sweep configurations.
//!
//! Source: <https://docs.wandb.ai/models/sweeps/sweep-config-keys>.

use std::path::Path;

use super::domain::{Domain, Law};
use super::goal::Goal;
use super::math::{MAX_WHOLE, exp};
use super::yaml_values::{count, list, map, number, param, text, wrong};
use super::{Method, Pruner, Sweep};
use crate::error::{ErrorKind, Location, Result};
use crate::meta::Param;
use crate::meta::yaml::{Tree, tree};

/// Largest size of a file.
const MAX_BYTES: u64 = 4 << 20;
/// Number of values of a parameter without a step in a grid. W&B refuses such a parameter there.
const GRID_POINTS: usize = 5;
/// Keys that say where W&B's server keeps the sweep, or how it starts its agents.
const OF_SERVER: [&str; 6] = ["entity", "project", "settings", "controller", "launch", "job"];

/// A sweep as a file defines it, in the format of W&B's sweep configurations.
///
/// ```
/// use tbx::track::SweepFile;
///
/// let file = SweepFile::parse(
///     "
/// program: train.py
/// method: bayes
/// metric: {name: val/loss, goal: minimize}
/// parameters:
///   lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}
///   layers: {min: 1, max: 8}
///   optimizer: {values: [adam, sgd]}
/// early_terminate: {type: hyperband, min_iter: 3}
/// run_cap: 50
/// ",
/// )?;
/// assert_eq!(file.program.as_deref(), Some("train.py"));
/// assert_eq!(file.sweep.metric(), "val/loss");
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
///
/// `bayes` is [`Method::Tpe`]. Beyond W&B's keys, it has `seed`, `when` in a parameter (a map of one earlier parameter
/// to the values with which a trial has this one), and the type `median` of `early_terminate`, with `startup_trials`
/// and `min_iter`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SweepFile {
    /// The sweep.
    pub sweep: Sweep,
    /// The name of the sweep.
    pub name: Option<String>,
    /// The description of the sweep.
    pub description: Option<String>,
    /// The program to run.
    pub program: Option<String>,
    /// The command that runs the program, with macros such as `${args}`; empty for the usual one.
    pub command: Vec<String>,
    /// Keys that have no effect here.
    pub unused: Vec<String>,
}

impl SweepFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: the file cannot be read, or has more than 4 MiB; otherwise the same as for
    /// [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let read = || -> Result<Self, ErrorKind> {
            let bytes = crate::store::read(path, MAX_BYTES)?;
            let text = String::from_utf8(bytes)
                .map_err(|_| ErrorKind::Value("the sweep is not UTF-8".into()))?;
            Self::parse(&text)
        };
        read().map_err(|kind| kind.at(Location::of(path)))
    }

    /// Parses YAML, or JSON, which is YAML.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: it is not YAML, or not such a configuration. [`ErrorKind::Argument`]: the sweep has no
    /// possible trials.
    pub fn parse(yaml: &str) -> Result<Self, ErrorKind> {
        let tree = tree(yaml)?;
        let Tree::Map(keys) = &tree else { return Err(wrong("", "not a map of keys")) };
        let (mut metric, mut method, mut domains, mut pruner) = (None, None, Vec::new(), None);
        let mut file = Self {
            sweep: Sweep::minimize(""),
            name: None,
            description: None,
            program: None,
            command: Vec::new(),
            unused: Vec::new(),
        };
        let (mut trials, mut seed) = (None, None);
        for (key, value) in keys {
            match key.as_str() {
                "method" => method = Some(self::method(value)?),
                "metric" => metric = Some(self::metric(value, &mut file.unused)?),
                "parameters" => parameters("", value, &mut domains)?,
                "early_terminate" => pruner = self::pruner(value, &mut file.unused)?,
                "name" => file.name = Some(text(key, value)?),
                "description" => file.description = Some(text(key, value)?),
                "program" => file.program = Some(text(key, value)?),
                "command" => file.command = list(key, value)?,
                "run_cap" => trials = Some(count(key, value)?),
                "seed" => seed = Some(count(key, value)?),
                key if OF_SERVER.contains(&key) => file.unused.push(key.to_owned()),
                key => return Err(wrong(key, "not a key of a sweep")),
            }
        }
        let method = method.ok_or_else(|| wrong("method", "missing: grid, random or bayes"))?;
        if domains.is_empty() {
            return Err(wrong("parameters", "missing or empty"));
        }
        if metric.is_none() && (method == Method::Tpe || pruner.is_some()) {
            return Err(wrong("metric", "missing: the search needs its name"));
        }
        let (name, goal, target) = metric.unwrap_or_default();
        file.sweep.goal = goal.unwrap_or(Goal::Minimize);
        file.sweep = Sweep {
            metric: name,
            method,
            pruner,
            trials,
            target,
            seed: seed.unwrap_or(0),
            ..file.sweep
        };
        for (name, domain) in domains {
            file.sweep = file.sweep.param(name, domain);
        }
        file.sweep.check()?;
        Ok(file)
    }
}

fn method(value: &Tree) -> Result<Method, ErrorKind> {
    match text("method", value)?.as_str() {
        "grid" => Ok(Method::Grid { points: GRID_POINTS }),
        "random" => Ok(Method::Random),
        "bayes" => Ok(Method::Tpe),
        other => Err(wrong("method", &format!("{other:?}, not grid, random or bayes"))),
    }
}

fn metric(
    value: &Tree,
    unused: &mut Vec<String>,
) -> Result<(String, Option<Goal>, Option<f64>), ErrorKind> {
    let mut metric = (String::new(), None, None);
    for (key, value) in map("metric", value)? {
        match key.as_str() {
            "name" => metric.0 = text("metric.name", value)?,
            "goal" => {
                metric.1 = Some(match text("metric.goal", value)?.as_str() {
                    "minimize" => Goal::Minimize,
                    "maximize" => Goal::Maximize,
                    other => {
                        let what = format!("{other:?}, not minimize or maximize");
                        return Err(wrong("metric.goal", &what));
                    }
                });
            }
            "target" => metric.2 = Some(number("metric.target", value)?),
            // W&B's optimizer, which this is not.
            "impute" | "impute_while_running" => unused.push(format!("metric.{key}")),
            key => return Err(wrong(&format!("metric.{key}"), "not a key of a metric")),
        }
    }
    Ok(metric)
}

/// Reads parameters; nested ones have the names of those around them, with `/` between.
fn parameters(
    around: &str,
    value: &Tree,
    domains: &mut Vec<(String, Domain)>,
) -> Result<(), ErrorKind> {
    for (key, value) in map("parameters", value)? {
        let name = if around.is_empty() { key.clone() } else { format!("{around}/{key}") };
        let keys = map(&format!("parameters.{name}"), value)?;
        match keys.iter().find(|(key, _)| key == "parameters") {
            Some((_, inside)) => parameters(&name, inside, domains)?,
            None => {
                let domain = domain(&name, keys)?;
                domains.push((name, domain));
            }
        }
    }
    Ok(())
}

fn domain(name: &str, keys: &[(String, Tree)]) -> Result<Domain, ErrorKind> {
    let at = |key: &str| format!("parameters.{name}.{key}");
    let get = |key: &str| keys.iter().find(|(other, _)| other == key).map(|(_, value)| value);
    let number = |key: &str| get(key).map(|value| number(&at(key), value)).transpose();
    let needed = |key: &str| number(key)?.ok_or_else(|| wrong(&at(key), "missing"));
    let is_integer = |key: &str| matches!(get(key), Some(Tree::Value(Param::Int(_))));
    const KNOWN: [&str; 11] = [
        "distribution",
        "value",
        "values",
        "probabilities",
        "min",
        "max",
        "mu",
        "sigma",
        "q",
        "when",
        "description",
    ];
    if let Some((key, _)) = keys.iter().find(|(key, _)| !KNOWN.contains(&key.as_str())) {
        return Err(wrong(&at(key), "not a key of a parameter"));
    }
    let distribution = match get("distribution") {
        Some(value) => text(&at("distribution"), value)?,
        None if get("values").is_some() && get("probabilities").is_some() => {
            "categorical_w_probabilities".into()
        }
        None if get("values").is_some() => "categorical".into(),
        None if get("value").is_some() => "constant".into(),
        None if is_integer("min") && is_integer("max") => "int_uniform".into(),
        None if get("min").is_some() && get("max").is_some() => "uniform".into(),
        None => {
            return Err(wrong(&at("distribution"), "missing, and no value, values, min and max"));
        }
    };
    let (law, quantized) = match distribution.strip_prefix("q_") {
        Some(law) => (law, true),
        None => (distribution.as_str(), false),
    };
    let range = || Ok::<_, ErrorKind>((needed("min")?, needed("max")?));
    let normal =
        || Ok::<_, ErrorKind>((number("mu")?.unwrap_or(0.0), number("sigma")?.unwrap_or(1.0)));
    let domain = match law {
        "constant" => {
            let value = get("value").ok_or_else(|| wrong(&at("value"), "missing"))?;
            choice(&at("value"), std::slice::from_ref(value))?
        }
        "categorical" | "categorical_w_probabilities" => {
            let values = get("values").ok_or_else(|| wrong(&at("values"), "missing"))?;
            let Tree::List(values) = values else { return Err(wrong(&at("values"), "not a list")) };
            let domain = choice(&at("values"), values)?;
            match get("probabilities") {
                None => domain,
                Some(Tree::List(weights)) => {
                    let weights =
                        weights.iter().map(|weight| self::number(&at("probabilities"), weight));
                    domain.weights(weights.collect::<Result<Vec<_>, _>>()?)
                }
                Some(_) => return Err(wrong(&at("probabilities"), "not a list")),
            }
        }
        "int_uniform" => {
            let (min, max) = range()?;
            Domain { is_int: true, step: Some(1.0), ..Domain::uniform(min.ceil(), max.floor()) }
        }
        "uniform" => {
            let (min, max) = range()?;
            Domain::uniform(min, max)
        }
        // The range of these two is in natural logarithms.
        "log_uniform" => {
            let (min, max) = range()?;
            Domain::log_uniform(exp(min), exp(max))
        }
        "inv_log_uniform" => {
            let (min, max) = range()?;
            Domain::log_uniform(exp(-max), exp(-min))
        }
        // The logarithm of 1/x is uniform where that of x is.
        "log_uniform_values" | "inv_log_uniform_values" => {
            let (min, max) = range()?;
            Domain::log_uniform(min, max)
        }
        "normal" => {
            let (mean, std) = normal()?;
            Domain::normal(mean, std)
        }
        "log_normal" => {
            let (mean, std) = normal()?;
            Domain::log_normal(mean, std)
        }
        _ => return Err(wrong(&at("distribution"), &format!("{distribution:?} is not known"))),
    };
    let mut domain = domain;
    if quantized {
        let step = number("q")?.unwrap_or(1.0);
        domain.step = Some(step);
        domain.is_int = step.fract() == 0.0 && step.abs() <= MAX_WHOLE;
        if matches!(domain.law, Law::Choice { .. }) || law == "int_uniform" {
            return Err(wrong(&at("distribution"), &format!("{distribution:?} is not known")));
        }
    }
    match get("when") {
        None => Ok(domain),
        Some(Tree::Map(when)) => match when.as_slice() {
            [(other, Tree::List(values))] => {
                Ok(domain.when(other.clone(), values.iter().map(param)))
            }
            [(other, value)] => Ok(domain.when(other.clone(), [param(value)])),
            _ => Err(wrong(&at("when"), "not a map of one parameter to values")),
        },
        Some(_) => Err(wrong(&at("when"), "not a map of one parameter to values")),
    }
}

fn pruner(value: &Tree, unused: &mut Vec<String>) -> Result<Option<Pruner>, ErrorKind> {
    let keys = map("early_terminate", value)?;
    let get = |key: &str| keys.iter().find(|(other, _)| other == key).map(|(_, value)| value);
    let number = |key: &str| {
        get(key).map(|value| count(&format!("early_terminate.{key}"), value)).transpose()
    };
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let kind = get("type").ok_or_else(|| wrong("early_terminate.type", "missing"))?;
    let kind = text("early_terminate.type", kind)?;
    let of_kind: &[&str] = match kind.as_str() {
        "hyperband" => &["min_iter", "max_iter", "s", "eta", "strict"],
        "median" => &["min_iter", "startup_trials"],
        _ => &[],
    };
    let is_known = |key: &str| key == "type" || of_kind.contains(&key);
    match kind.as_str() {
        "hyperband" | "median" | "none"
            if let Some((key, _)) = keys.iter().find(|(key, _)| !is_known(key)) =>
        {
            Err(wrong(&format!("early_terminate.{key}"), &format!("not a key of {kind}")))
        }
        "hyperband" => {
            if get("strict").is_some() {
                unused.push("early_terminate.strict".into());
            }
            let eta = number("eta")?.unwrap_or(3);
            let eta = small(eta);
            match (number("min_iter")?, number("max_iter")?) {
                (Some(_), _) if get("s").is_some() => Err(wrong(
                    "early_terminate.s",
                    "only together with max_iter, and without min_iter",
                )),
                (Some(min), max) => {
                    let max = max.map_or(i64::MAX, whole);
                    Ok(Some(Pruner::hyperband(whole(min), max, eta).brackets(1)))
                }
                (None, Some(max)) => {
                    Ok(Some(Pruner::from_the_end(max, number("s")?.unwrap_or(1), eta)))
                }
                (None, None) => Err(wrong("early_terminate.min_iter", "missing, and no max_iter")),
            }
        }
        "median" => {
            let startup = number("startup_trials")?.unwrap_or(5);
            let warmup = number("min_iter")?.unwrap_or(0);
            let rule = Pruner::median().warmup_steps(whole(warmup));
            Ok(Some(rule.startup_trials(usize::try_from(startup).unwrap_or(usize::MAX))))
        }
        "none" => Ok(None),
        other => Err(wrong("early_terminate.type", &format!("{other:?}, not hyperband or median"))),
    }
}

/// One of `values`. Those that a parameter cannot have are texts, and marked.
fn choice(key: &str, values: &[Tree]) -> Result<Domain, ErrorKind> {
    let is_json = |value: &&Tree| !matches!(value, Tree::Value(_));
    let (json, plain): (Vec<_>, Vec<_>) = values.iter().partition(is_json);
    let json: Vec<String> = json.into_iter().map(|value| param(value).to_string()).collect();
    let is_marked =
        |value: &&Tree| matches!(value, Tree::Value(Param::Text(text)) if json.contains(text));
    if let Some(value) = plain.into_iter().find(is_marked) {
        return Err(wrong(
            key,
            &format!("{:?} is a text and also a list, a map or null", param(value)),
        ));
    }
    Ok(Domain { json, ..Domain::choice(values.iter().map(param)) })
}
