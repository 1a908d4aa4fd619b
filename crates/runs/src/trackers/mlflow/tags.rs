//! Names of tags.
//!
//! MLflow's pages hide tags whose names begin with `mlflow.`. Therefore the names of tags that are
//! internal to tbx begin with `mlflow.tbx.`, and those of tags that people want to see begin with
//! `tbx.`.

use std::collections::BTreeMap;

/// Name of the run.
pub const RUN_NAME: &str = "mlflow.runName";
/// User who ran it.
pub const USER: &str = "mlflow.user";
/// Description in Markdown, of a run or an experiment.
pub const NOTE: &str = "mlflow.note.content";
/// Id of the run that it is a part of.
pub const PARENT: &str = "mlflow.parentRunId";
/// Program.
pub const SOURCE: &str = "mlflow.source.name";
/// `LOCAL` for a program that ran on the machine.
pub const SOURCE_TYPE: &str = "mlflow.source.type";
/// Commit.
pub const COMMIT: &str = "mlflow.source.git.commit";
/// Branch.
pub const BRANCH: &str = "mlflow.source.git.branch";
/// `true` if files differ from the commit.
pub const DIRTY: &str = "mlflow.source.git.dirty";
/// Address of the repository.
pub const REMOTE: &str = "mlflow.source.git.repoURL";
/// Use of a dataset, such as `training`.
pub const CONTEXT: &str = "mlflow.data.context";

/// Role of the run in its parent, such as `fold`.
pub const ROLE: &str = "tbx.role";
/// Tags without values, as a list in JSON.
pub const LABELS: &str = "tbx.labels";
/// Type of the error that ended the run.
pub const ERROR_TYPE: &str = "tbx.error.type";
/// Message of that error.
pub const ERROR: &str = "tbx.error.message";

/// Prefix of the tags that tbx keeps for itself.
const HIDDEN: &str = "mlflow.tbx.";
/// Key by which an export finds a run again.
pub const RUN_KEY: &str = "mlflow.tbx.run_key";
/// Name of the run in its logdir.
pub const RUN: &str = "mlflow.tbx.run";
/// Names that MLflow does not accept, as a JSON object from the name in MLflow to the original one.
/// If they do not fit, they continue in `mlflow.tbx.names.1` and so on.
pub const NAMES: &str = "mlflow.tbx.names";
/// Items of the checklist that the run lacks.
pub const MISSING: &str = "mlflow.tbx.check.missing";
/// Digest of a dataset, if MLflow's field does not accept it.
pub const DIGEST: &str = "mlflow.tbx.digest";
/// Number of a version of a model in the logdir: MLflow assigns its own numbers.
pub const VERSION: &str = "mlflow.tbx.version";
/// SHA-256 of the file of a version of a model.
pub const SHA256: &str = "mlflow.tbx.sha256";
/// Prefix of the tags with facts about the environment.
pub const ENVIRONMENT: &str = "mlflow.tbx.env.";

/// Name in the logdir of an experiment that tbx created: somebody may rename it.
pub const EXPERIMENT: &str = "mlflow.tbx.experiment";
/// Digests of the values that tbx wrote last, for a run, an experiment, a model or a version of
/// one. If they do not fit, they continue in `mlflow.tbx.sent.1` and so on.
pub const SENT: &str = "mlflow.tbx.sent";
/// The claim that decides which of several programs that create a run at the same time keeps it.
pub const CLAIM: &str = "mlflow.tbx.claim";
/// Versions of models that tbx registered for a run: a JSON object from their names in the logdir
/// to their numbers in MLflow.
pub const MODELS: &str = "mlflow.tbx.models";

/// Prefix of all tags of the first releases, whose names were otherwise the same.
const OLD: &str = "tbx.";
/// Key by which the first releases found a run again.
pub(crate) const OLD_RUN_KEY: &str = "tbx.run_key";

/// Current name for a tag of the first releases; `None` if it has the same name or is not a tag of
/// tbx.
pub(crate) fn renamed(name: &str) -> Option<String> {
    let rest = name.strip_prefix(OLD)?;
    let is_numbered = |rest: &str| rest.starts_with("names.") || rest.starts_with("env.");
    let is_known = ["run_key", "run", "names", "check.missing", "digest", "version", "sha256"];
    (is_known.contains(&rest) || is_numbered(rest)).then(|| format!("{HIDDEN}{rest}"))
}

/// `tags` with their current names.
pub(crate) fn modern(tags: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let (old, mut new): (BTreeMap<_, _>, BTreeMap<_, _>) =
        tags.into_iter().partition(|(name, _)| renamed(name).is_some());
    for (name, value) in old {
        if let Some(name) = renamed(&name) {
            new.entry(name).or_insert(value);
        }
    }
    new
}

/// Value of the tag `name`, also under its name in the first releases.
pub(crate) fn find<'t>(tags: &'t BTreeMap<String, String>, name: &str) -> Option<&'t String> {
    let old = name.strip_prefix(HIDDEN).map(|rest| format!("{OLD}{rest}"));
    tags.get(name).or_else(|| tags.get(&old?))
}

/// Whether the tag `name` is internal to tbx.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with(HIDDEN)
}
