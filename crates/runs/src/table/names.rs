//! Rules for the names of metrics, parameters and experiments.

/// Characters that occur in names in logs but that MLflow rejects
/// (`mlflow/utils/validation.py`, `_VALID_PARAM_AND_METRIC_NAMES`).
const REFUSED: &str = "()[]@%+=,#\\\t";

/// Short names, and those that programs agree on. Only names that mean nothing else: `rec` may be recall or
/// reconstruction, `reg` regularization or regression, `temp` a temperature or temporary.
const SHORT: [(&str, &str); 5] = [
    ("acc", "accuracy"),
    ("bs", "batch_size"),
    ("f1", "f1_score"),
    ("lr", "learning_rate"),
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

/// The name with a whole name instead of a short one; `None` if it has none. A name is short only if it is a part of a
/// path or its last word: `lr` in `opt/base_lr`, but neither in `lrelu` nor in `lr_scheduler`.
fn whole(name: &str) -> Option<String> {
    let mut has_short = false;
    let parts: Vec<_> = name
        .split('/')
        .map(|part| {
            let (before, last) = match part.rfind(['_', '-', '.']) {
                Some(at) => part.split_at(at.saturating_add(1)),
                None => ("", part),
            };
            let long = SHORT.iter().find(|(short, _)| last.eq_ignore_ascii_case(short));
            has_short |= long.is_some();
            long.map_or_else(|| part.to_owned(), |(_, long)| format!("{before}{long}"))
        })
        .collect();
    has_short.then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_words_have_whole_ones() {
        for (name, better) in [
            ("lr", Some("learning_rate")),
            ("opt/base_lr", Some("opt/base_learning_rate")),
            ("val/F1", Some("val/f1_score")),
            ("train/top1-acc", Some("train/top1-accuracy")),
            ("optimizer.lr", Some("optimizer.learning_rate")),
            ("é/lr", Some("é/learning_rate")),
            ("lr/group0", Some("learning_rate/group0")),
            ("", None),
        ] {
            assert_eq!(whole(name).as_deref(), better, "{name}");
        }
    }

    /// Names of metrics and parameters in the examples of Lightning, Transformers, Keras, Detectron2, timm, fairseq and
    /// others.
    #[test]
    fn names_of_real_projects_are_left_alone() {
        let names = "rec_loss reg_loss kl_loss reconstruction/rec reg opt temp temperature mom prec ep \
                     lr_scheduler lr_scheduler_type lrelu_slope f1_score macro_f1_score accuracy acc_steps \
                     accumulate_grad_batches batch_size per_device_train_batch_size weight_decay \
                     warmup_steps sched_type loss_rpn_cls loss_box_reg total_loss grad_norm eval_loss \
                     train/loss val/rec@5 epoch global_step adam_beta1 adam_epsilon beta1 dropout hidden_dim \
                     num_layers seed bsz tokens_per_sec optical_flow wds_shards wd_count f1tenth \
                     rec_threshold data/acceleration bsd lr_mult_factor";
        let names: Vec<_> = names.split_whitespace().collect();
        assert!(names.len() >= 40);
        for name in names {
            assert_eq!(whole(name), None, "{name}");
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
