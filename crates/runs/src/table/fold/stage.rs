//! Names of stages, such as `train` and `validation`.

/// Names of directories that hold a part of their parent's run, and the stage of each. Two names
/// for the same stage do not count as "another stage" for each other.
const STAGES: [(&str, &str); 10] = [
    ("train", "train"),
    ("training", "train"),
    ("train_inner", "train"), // fairseq, between validations
    ("learn", "train"),       // CatBoost
    ("validation", "validation"),
    ("val", "validation"),
    ("valid", "validation"),
    ("eval", "eval"),
    ("evaluation", "eval"),
    ("test", "test"),
];
/// Prefix of the named evaluations of TensorFlow's estimators (`evaluate(name=...)`).
const NAMED_EVAL: &str = "eval_";

/// The stage that a directory of this name holds.
pub(super) fn stage(last: &str) -> Option<&'static str> {
    let known = STAGES.iter().find(|(name, _)| *name == last);
    let named = last.strip_prefix(NAMED_EVAL).filter(|name| !name.is_empty());
    known.map(|(_, stage)| *stage).or(named.map(|_| "eval"))
}
