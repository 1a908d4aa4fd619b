//! Rules for the names of metrics, parameters and experiments.

/// Characters that occur in names in logs but that MLflow rejects
/// (`mlflow/utils/validation.py`, `_VALID_PARAM_AND_METRIC_NAMES`).
const REFUSED: &str = "()[]@%+=,#\\\t";

/// Short words, and the names that programs agree on.
const SHORT: [(&str, &str); 13] = [
    ("acc", "accuracy"),
    ("bs", "batch_size"),
    ("ep", "epoch"),
    ("f1", "f1_score"),
    ("lr", "learning_rate"),
    ("mom", "momentum"),
    ("opt", "optimizer"),
    ("prec", "precision"),
    ("rec", "recall"),
    ("reg", "regularization"),
    ("sched", "scheduler"),
    ("temp", "temperature"),
    ("wd", "weight_decay"),
];

/// Prefixes of stages, and those that other runs have.
const STAGES: [(&str, &str); 6] = [
    ("dev", "val"),
    ("testing", "test"),
    ("training", "train"),
    ("tst", "test"),
    ("valid", "val"),
    ("validation", "val"),
];

/// A problem with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NameLint {
    /// A metric without a prefix for its stage or group.
    NoPrefix,
    /// A character that MLflow rejects.
    Refused,
    /// A short word for which others write the whole name.
    Short,
    /// A prefix for a stage for which others write `train`, `val` or `test`.
    Stage,
    /// An experiment that is not named after its project and its model.
    Experiment,
}

impl NameLint {
    /// Every rule.
    pub const ALL: [Self; 5] =
        [Self::NoPrefix, Self::Refused, Self::Short, Self::Stage, Self::Experiment];

    /// The name of the rule, by which a configuration silences it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoPrefix => "no_prefix",
            Self::Refused => "refused_character",
            Self::Short => "short_name",
            Self::Stage => "stage_prefix",
            Self::Experiment => "experiment_name",
        }
    }

    /// Description of the problem.
    pub const fn about(self) -> &'static str {
        match self {
            Self::NoPrefix => "no stage before it, such as train/",
            Self::Refused => "a character that MLflow rejects: any of ( ) [ ] @ % + = , # \\",
            Self::Short => "a short name",
            Self::Stage => "a stage that others call train, val or test",
            Self::Experiment => "an experiment without its project and model: project-model",
        }
    }
}

/// A name that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedFinding {
    /// The name.
    pub name: String,
    /// The rule.
    pub lint: NameLint,
    /// The name that others use, where there is one.
    pub better: Option<String>,
}

impl NamedFinding {
    fn new(name: &str, lint: NameLint) -> Self {
        Self { name: name.to_owned(), lint, better: None }
    }
}

/// Checks the name of a metric.
pub(super) fn of_metric(name: &str) -> Vec<NamedFinding> {
    let mut found = Vec::new();
    match name.split_once('/') {
        None => found.push(NamedFinding::new(name, NameLint::NoPrefix)),
        Some((stage, rest)) => {
            let better = STAGES.iter().find(|(known, _)| stage.eq_ignore_ascii_case(known));
            found.extend(better.map(|(_, better)| NamedFinding {
                better: Some(format!("{better}/{rest}")),
                ..NamedFinding::new(name, NameLint::Stage)
            }));
        }
    }
    found.extend(of_param(name));
    found
}

/// Checks the name of a parameter.
pub(super) fn of_param(name: &str) -> Vec<NamedFinding> {
    let mut found = Vec::new();
    if name.contains(|c| REFUSED.contains(c)) {
        found.push(NamedFinding::new(name, NameLint::Refused));
    }
    // Measurements of the machine have names of others.
    if !name.starts_with("system/") {
        let better = whole(name);
        let finding = NamedFinding::new(name, NameLint::Short);
        found.extend(better.map(|better| NamedFinding { better: Some(better), ..finding }));
    }
    found
}

/// Checks the name of an experiment.
pub(super) fn of_experiment(name: &str) -> Option<NamedFinding> {
    let parts: Vec<_> = name.split('-').collect();
    let is_named = parts.len() > 1 && parts.iter().all(|part| !part.is_empty());
    (!is_named).then(|| NamedFinding::new(name, NameLint::Experiment))
}

/// The name with whole words instead of short ones; `None` if it has none. A word is short only where the parts of
/// the name separate it: `lr` in `opt/base_lr`, not in `lrelu`, and not `f1` in `f1_score`.
fn whole(name: &str) -> Option<String> {
    let mut better = String::with_capacity(name.len());
    let (mut rest, mut is_start) = (name, true);
    'name: while let Some(c) = rest.chars().next() {
        if is_start {
            for (short, long) in SHORT {
                let is_long =
                    rest.get(..long.len()).is_some_and(|it| it.eq_ignore_ascii_case(long));
                let end = rest.get(short.len()..).unwrap_or("x").chars().next();
                let is_word = end.is_none_or(|c| !c.is_alphanumeric());
                let is_short =
                    rest.get(..short.len()).is_some_and(|it| it.eq_ignore_ascii_case(short));
                if is_short && is_word && !is_long {
                    better.push_str(long);
                    rest = rest.get(short.len()..).unwrap_or_default();
                    is_start = false;
                    continue 'name;
                }
                if is_long {
                    better.push_str(long);
                    rest = rest.get(long.len()..).unwrap_or_default();
                    is_start = false;
                    continue 'name;
                }
            }
        }
        is_start = !c.is_alphanumeric();
        better.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    (!better.eq_ignore_ascii_case(name)).then_some(better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_words_have_whole_ones() {
        for (name, better) in [
            ("lr", Some("learning_rate")),
            ("opt/base_lr", Some("optimizer/base_learning_rate")),
            ("val/F1", Some("val/f1_score")),
            ("train/acc.top1", Some("train/accuracy.top1")),
            ("f1_score", None),
            ("val/f1_score_lr", Some("val/f1_score_learning_rate")),
            ("lrelu", None),
            ("accuracy", None),
            ("batch_size", None),
            ("é/lr", Some("é/learning_rate")),
            ("optical", None),
            ("temperature", None),
            ("", None),
        ] {
            assert_eq!(whole(name).as_deref(), better, "{name}");
        }
    }

    #[test]
    fn metrics_and_experiments_have_their_rules() {
        let rules = |found: Vec<NamedFinding>| {
            found.into_iter().map(|it| (it.lint, it.better)).collect::<Vec<_>>()
        };
        assert_eq!(rules(of_metric("loss")), [(NameLint::NoPrefix, None)]);
        let better = Some("val/loss".to_owned());
        assert_eq!(rules(of_metric("validation/loss")), [(NameLint::Stage, better)]);
        assert_eq!(rules(of_metric("val/loss")), []);
        assert_eq!(rules(of_metric("system/temp")), []);
        assert_eq!(rules(of_param("f(x)")), [(NameLint::Refused, None)]);
        for (name, is_fine) in
            [("churn-forest", true), ("churn", false), ("-churn", false), ("a b-c", true)]
        {
            assert_eq!(of_experiment(name).is_none(), is_fine, "{name}");
        }
    }
}
