//! The command line and the environment of a trial's program.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use tbx::error::{Error, ErrorKind, Location, Result};
use tbx::meta::Param;
use tbx::replace;
use tbx::track::{ActiveTrial, Sweep, SweepFile};

/// Variables that say which trial it is.
const SWEEP_DIR: &str = "TBX_SWEEP_DIR";
const TRIAL: &str = "TBX_TRIAL";
const TRIAL_DIR: &str = "TBX_TRIAL_DIR";
const ATTEMPT: &str = "TBX_TRIAL_ATTEMPT";
/// The parameters as JSON, and the prefix of the variables that have one each.
const PARAMS: &str = "TBX_PARAMS";
const PARAM: &str = "TBX_PARAM_";
/// The file of the macro `${args_json_file}`.
const JSON_FILE: &str = "params.json";

/// Words of a command, with macros.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    words: Vec<String>,
    program: Option<String>,
    /// Whether the words are those of the file, which mean what they mean for `wandb agent`: nothing is appended,
    /// macros that it does not have are left out, and a variable that is not set becomes its name.
    is_of_file: bool,
}

impl Template {
    /// The command of a worker: from the command line, or else from the file, as `wandb agent` has it.
    pub(super) fn new(given: &[String], file: Option<&SweepFile>, appends: bool) -> Result<Self> {
        let program = file.and_then(|file| file.program.clone());
        let of_file = file.map(|file| file.command.as_slice()).unwrap_or_default();
        let mut words = given.to_vec();
        let is_of_file = words.is_empty() && !of_file.is_empty();
        if is_of_file {
            words = of_file.to_vec();
        } else if words.is_empty() && program.is_some() {
            words = ["${env}", "${interpreter}", "${program}"].map(str::to_owned).to_vec();
        }
        if words.is_empty() {
            let what =
                "no program: give it after --, as in tbx sweep run sweep.yaml -- python train.py";
            return Err(Error::argument(what));
        }
        let has_args = words.iter().any(|word| word.starts_with("${args"));
        if appends && !has_args && !is_of_file {
            words.push("${args}".into());
        }
        Ok(Self { words, program, is_of_file })
    }

    /// The words for a trial.
    pub(super) fn words(&self, sweep: &Sweep, trial: &ActiveTrial) -> Result<Vec<String>> {
        let dir = absolute(trial.dir())?;
        let values = Values::of(sweep, &trial.trial().params);
        if self.words.iter().any(|word| word == "${args_json_file}") {
            let path = dir.join(JSON_FILE);
            let json = values.json();
            replace::replace(&path, |out| std::io::Write::write_all(out, json.as_bytes()))?;
        }
        self.filled(&values, &dir)
    }

    fn filled(&self, values: &Values<'_>, dir: &Path) -> Result<Vec<String>> {
        let pairs: Vec<(String, &Param, String)> = values
            .0
            .iter()
            .map(|(name, value, json)| (name.replace('/', "."), *value, text(value, json)))
            .collect();
        let each = |prefix: &str| -> Vec<String> {
            pairs.iter().map(|(name, _, text)| format!("{prefix}{name}={text}")).collect()
        };
        let mut filled = Vec::new();
        for word in &self.words {
            match word.as_str() {
                "${env}" => filled.push("/usr/bin/env".to_owned()),
                "${interpreter}" => filled.push("python".into()),
                "${program}" => filled.push(self.program.clone().ok_or_else(|| {
                    Error::argument("${program} has no value: the sweep names no program")
                })?),
                "${args}" => filled.extend(each("--")),
                "${args_no_hyphens}" => filled.extend(each("")),
                "${args_append_hydra}" => filled.extend(each("+")),
                "${args_override_hydra}" => filled.extend(each("++")),
                "${args_no_equals}" => {
                    let words =
                        |(name, _, text): &(String, _, String)| [format!("--{name}"), text.clone()];
                    filled.extend(pairs.iter().flat_map(words));
                }
                "${args_no_boolean_flags}" => {
                    filled.extend(pairs.iter().filter_map(|(name, value, text)| match value {
                        Param::Bool(false) => None,
                        Param::Bool(true) => Some(format!("--{name}")),
                        _ => Some(format!("--{name}={text}")),
                    }));
                }
                "${args_json}" => filled.push(values.json()),
                "${args_json_file}" => filled.push(dir.join(JSON_FILE).display().to_string()),
                word => {
                    let word = inside(word, dir, self.is_of_file)?;
                    let is_macro = word.starts_with("${") && word.ends_with('}');
                    filled.extend(Some(word).filter(|_| !(self.is_of_file && is_macro)));
                }
            }
        }
        Ok(filled)
    }
}

/// Fills in macros that may be a part of a word: the trial's directory, and environment variables.
fn inside(word: &str, dir: &Path, is_of_file: bool) -> Result<String> {
    let mut filled = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            filled.push_str("${");
            rest = after;
            continue;
        };
        match (name, name.strip_prefix("envvar:")) {
            ("trial_dir", _) => filled.push_str(&dir.display().to_string()),
            (_, Some(variable)) => match env::var(variable) {
                Ok(value) => filled.push_str(&value),
                Err(_) if is_of_file => filled.push_str(variable),
                Err(_) => {
                    let what = format!("{word:?}: the environment variable {variable} is not set");
                    return Err(Error::argument(what));
                }
            },
            // For a shell that the program starts.
            _ => filled.push_str(&format!("${{{name}}}")),
        }
        rest = behind;
    }
    Ok(filled + rest)
}

/// The environment variables of a trial.
pub(super) fn variables(
    sweep: &Sweep,
    trial: &ActiveTrial,
    dir: &Path,
) -> Result<Vec<(String, String)>> {
    let values = Values::of(sweep, &trial.trial().params);
    let path = |path: &Path| absolute(path).map(|path| path.display().to_string());
    let mut variables = vec![
        (SWEEP_DIR.to_owned(), path(dir)?),
        (TRIAL.into(), trial.trial().name.clone()),
        (TRIAL_DIR.into(), path(trial.dir())?),
        (ATTEMPT.into(), trial.attempt().to_string()),
        (PARAMS.into(), values.json()),
    ];
    variables
        .extend(values.0.iter().map(|(name, value, json)| (variable(name), text(value, json))));
    Ok(variables)
}

/// Whether an environment variable has a parameter of a trial.
pub(super) fn is_of_trial(variable: &OsStr) -> bool {
    variable.as_encoded_bytes().starts_with(PARAM.as_bytes())
}

/// Returns an error if two parameters have the same variable.
pub(super) fn check_variables<'n>(names: impl Iterator<Item = &'n str>) -> Result<()> {
    let mut known = BTreeMap::new();
    for name in names {
        let variable = variable(name);
        if let Some(other) = known.insert(variable.clone(), name) {
            let what = format!(
                "the parameters {other:?} and {name:?} both have the variable {variable}: rename one"
            );
            return Err(Error::argument(what));
        }
    }
    Ok(())
}

fn variable(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    PARAM.chars().chain(name.chars().map(letter)).collect()
}

/// The parameters of a trial, each also as JSON.
struct Values<'t>(Vec<(&'t str, &'t Param, Value)>);

impl<'t> Values<'t> {
    fn of(sweep: &Sweep, params: &'t BTreeMap<String, Param>) -> Self {
        let of = |(name, value): (&'t String, &'t Param)| {
            (name.as_str(), value, sweep.json(name, value))
        };
        Self(params.iter().map(of).collect())
    }

    fn json(&self) -> String {
        let all: serde_json::Map<_, _> =
            self.0.iter().map(|(name, _, json)| ((*name).to_owned(), json.clone())).collect();
        Value::from(all).to_string()
    }
}

/// The text of a value in Python, as W&B passes it: a list is `[64, 32]`.
fn text(value: &Param, json: &Value) -> String {
    match json {
        Value::Null | Value::Array(_) | Value::Object(_) => python(json),
        _ => value.to_string(),
    }
}

/// The text that Python prints for a value.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(value) => Param::Bool(*value).to_string(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => int.to_string(),
            (None, Some(float)) => Param::Number(float).to_string(),
            (None, None) => number.to_string(),
        },
        Value::String(text) => {
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            let mut quoted = String::from(quote);
            for letter in text.chars() {
                match letter {
                    '\n' => quoted.push_str("\\n"),
                    '\t' => quoted.push_str("\\t"),
                    '\r' => quoted.push_str("\\r"),
                    '\\' => quoted.push_str("\\\\"),
                    letter if letter == quote => quoted.extend(['\\', letter]),
                    letter => quoted.push(letter),
                }
            }
            quoted.push(quote);
            quoted
        }
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(python).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(pairs) => {
            let pair = |(key, value): (&String, &Value)| {
                format!("{}: {}", python(&Value::from(key.as_str())), python(value))
            };
            format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|error| ErrorKind::from(error).at(Location::of(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(words: &[&str], appends: bool) -> Vec<String> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let params = [
            ("flag".to_owned(), true.into()),
            ("lr".into(), Param::Number(1e-5)),
            ("model/width".into(), 8.into()),
            ("off".into(), false.into()),
        ];
        let template = Template::new(&words, None, appends).unwrap();
        let (sweep, params) = (Sweep::minimize(""), params.into());
        template.filled(&Values::of(&sweep, &params), Path::new("/sweep/trial-0000")).unwrap()
    }

    #[test]
    fn the_command_of_a_file_is_that_of_wandb() {
        let filled = |command: &str, params: &[(&str, Param)]| {
            let yaml = format!(
                "method: grid\nprogram: train.py\nparameters: {{x: {{values: [[64, 'a'], null, 1]}}}}\n{command}"
            );
            let file = SweepFile::parse(&yaml).unwrap();
            let params = params.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            let params: BTreeMap<_, _> = params.collect();
            let template = Template::new(&[], Some(&file), true).unwrap();
            template.filled(&Values::of(&file.sweep, &params), Path::new("/t")).unwrap().join(" ")
        };
        let one = [("x", Param::Int(1))];
        assert_eq!(filled("", &one), "/usr/bin/env python train.py --x=1");
        assert_eq!(filled("command: [python3, '${program}']", &one), "python3 train.py");
        let command =
            "command: ['${none}', 'a${none}', '${envvar:TBX_NO_SUCH}', '${trial_dir}', '${args}']";
        assert_eq!(filled(command, &one), "a${none} TBX_NO_SUCH /t --x=1");
        let list = [("x", Param::from("[64,\"a\"]"))];
        assert_eq!(filled("", &list), "/usr/bin/env python train.py --x=[64, 'a']");
        assert_eq!(filled("command: ['${args_json}']", &list), r#"{"x":[64,"a"]}"#);
        let none = [("x", Param::from("None"))];
        assert_eq!(filled("command: ['${args}', '${args_json}']", &none), r#"--x=None {"x":null}"#);
    }

    #[test]
    fn values_are_printed_as_python_does() {
        let json =
            serde_json::json!({"a": [1, 2.5, 1e-5, null, true], "b'": "it's", "c": "\"'\\\n"});
        assert_eq!(
            python(&json),
            r#"{'a': [1, 2.5, 1e-05, None, True], "b'": "it's", 'c': '"\'\\\n'}"#
        );
        assert!(is_of_trial("TBX_PARAM_X".as_ref()) && !is_of_trial("TBX_THREADS".as_ref()));
    }

    #[test]
    fn macros_are_those_of_wandb() {
        let args = ["--flag=True", "--lr=1e-05", "--model.width=8", "--off=False"];
        assert_eq!(filled(&["train"], true), [&["train"][..], &args].concat());
        assert_eq!(filled(&["train"], false), ["train"]);
        assert_eq!(filled(&["${args}", "-x"], true), [&args[..], &["-x"]].concat());
        assert_eq!(filled(&["${args_no_hyphens}"], true)[2], "model.width=8");
        assert_eq!(filled(&["${args_override_hydra}"], true)[0], "++flag=True");
        assert_eq!(filled(&["${args_no_equals}"], true)[..4], ["--flag", "True", "--lr", "1e-05"]);
        assert_eq!(
            filled(&["${args_no_boolean_flags}"], true),
            ["--flag", "--lr=1e-05", "--model.width=8"]
        );
        let json = r#"{"flag":true,"lr":0.00001,"model/width":8,"off":false}"#;
        assert_eq!(filled(&["${args_json}"], true), [json]);
        let words = ["${env}", "${interpreter}", "a=${trial_dir}/x", "${HOME} ${ ${x", "$1"];
        let found = filled(&words, false);
        let expected = ["/usr/bin/env", "python", "a=/sweep/trial-0000/x", "${HOME} ${ ${x", "$1"];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_cannot_be_filled_in_is_an_error() {
        let said = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let template = Template::new(&words, None, true);
            template
                .and_then(|t| t.filled(&Values(Vec::new()), Path::new("/")))
                .unwrap_err()
                .to_string()
        };
        assert!(said(&[]).contains("no program"));
        assert!(said(&["${program}"]).contains("names no program"));
        assert!(said(&["a${envvar:TBX_NO_SUCH_VARIABLE}"]).contains("TBX_NO_SUCH_VARIABLE"));
        check_variables(["a.b", "c"].into_iter()).unwrap();
        assert!(check_variables(["a.b", "a/b"].into_iter()).is_err());
        assert_eq!(variable("model/lr-x"), "TBX_PARAM_MODEL_LR_X");
    }
}
