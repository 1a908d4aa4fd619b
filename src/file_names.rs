//! Names of files next to event files.

/// Metadata of a run.
pub const RUN: &str = "tbx.json";
/// Metadata of an experiment.
pub const EXPERIMENT: &str = "tbx.experiment.json";
/// Registered models of a log directory.
pub const REGISTRY: &str = "tbx.registry.json";
/// Versions of artifacts of a log directory.
pub const VERSIONS: &str = "tbx.artifacts.json";
/// Hyperparameters, as Lightning writes them.
pub const HPARAMS: &str = "hparams.yaml";
/// The embeddings of a run, for TensorBoard's projector.
pub const PROJECTOR: &str = "projector_config.pbtxt";
/// How the program of a sweep's trial ended, until its worker has recorded it.
pub const EXIT: &str = "tbx.exit.json";
/// The reports of a trial of a sweep.
pub const REPORTS: &str = "tbx.reports";
