//! The records of a file.

use super::artifact::{Artifact, UseArtifact};
use super::items::{History, Metric, Stats, Timestamp, Update};
use super::run::{Environment, Run, Telemetry};

/// A record. Kinds that tbx neither reads nor writes have no content here.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Record {
    /// Its number in the file, from 1.
    #[prost(int64, tag = "1")]
    pub num: i64,
    /// Its content.
    #[prost(
        oneof = "Content",
        tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 17, 18, 20, 21, 22, 23, 25, 26, 27"
    )]
    pub content: Option<Content>,
    /// The run that it belongs to.
    #[prost(message, optional, tag = "200")]
    pub info: Option<RecordInfo>,
}

/// The content of a record.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Content {
    /// A row of the history.
    #[prost(message, tag = "2")]
    History(History),
    /// Changes of the summary.
    #[prost(message, tag = "3")]
    Summary(Update),
    /// Console output, in the form of the first versions.
    #[prost(message, tag = "4")]
    Output(Output),
    /// Changes of the configuration.
    #[prost(message, tag = "5")]
    Config(Update),
    /// Files of the run.
    #[prost(message, tag = "6")]
    Files(Files),
    /// Measurements of the machine.
    #[prost(message, tag = "7")]
    Stats(Stats),
    /// An artifact that the run produced.
    #[prost(message, tag = "8")]
    Artifact(Box<Artifact>),
    /// A log directory of TensorBoard.
    #[prost(message, tag = "9")]
    TbRecord(TbRecord),
    /// An alert.
    #[prost(message, tag = "10")]
    Alert(Alert),
    /// Versions of programs.
    #[prost(message, tag = "11")]
    Telemetry(Telemetry),
    /// The definition of a metric.
    #[prost(message, tag = "12")]
    Metric(Metric),
    /// Console output.
    #[prost(message, tag = "13")]
    OutputRaw(Output),
    /// The run.
    #[prost(message, tag = "17")]
    Run(Box<Run>),
    /// The end of the program.
    #[prost(message, tag = "18")]
    Exit(Exit),
    /// Marks the end, in 0.16.
    #[prost(message, tag = "20")]
    Final(Empty),
    /// The first record.
    #[prost(message, tag = "21")]
    Header(Header),
    /// Marks the end, in 0.16.
    #[prost(message, tag = "22")]
    Footer(Empty),
    /// The program will be stopped by its machine, and be started again.
    #[prost(message, tag = "23")]
    Preempting(Empty),
    /// An artifact that the run used.
    #[prost(message, tag = "25")]
    UseArtifact(UseArtifact),
    /// A part of the environment.
    #[prost(message, tag = "26")]
    Environment(Box<Environment>),
    /// Output of a logger.
    #[prost(message, tag = "27")]
    OutputLogger(OutputLogger),
}

/// The run that a record belongs to.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RecordInfo {
    /// The identifier of the run.
    #[prost(string, tag = "1")]
    pub stream_id: String,
}

/// A message without fields.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Empty {}

/// The first record.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Header {
    /// Versions.
    #[prost(message, optional, tag = "1")]
    pub version_info: Option<VersionInfo>,
}

/// The program that wrote the file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionInfo {
    /// Its version, followed by `+` and a commit.
    #[prost(string, tag = "1")]
    pub producer: String,
    /// The oldest version of a server that can read the file.
    #[prost(string, tag = "2")]
    pub min_consumer: String,
}

/// Files of the run.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Files {
    /// The files.
    #[prost(message, repeated, tag = "1")]
    pub files: Vec<FileItem>,
}

/// A file of the run.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FileItem {
    /// Its path in the directory `files`.
    #[prost(string, tag = "1")]
    pub path: String,
    /// When it is uploaded: 0 now, 1 at the end, 2 whenever it changes.
    #[prost(int32, tag = "2")]
    pub policy: i32,
    /// Its use: 0 any, 1 bookkeeping of the package, 2 media, 3 artifacts.
    #[prost(int32, tag = "3")]
    pub r#type: i32,
}

/// Console output.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Output {
    /// 0 is the standard error, 1 the standard output.
    #[prost(int32, tag = "1")]
    pub output_type: i32,
    /// The time.
    #[prost(message, optional, tag = "2")]
    pub timestamp: Option<Timestamp>,
    /// Text: a part of a line, a line, or several lines.
    #[prost(string, tag = "3")]
    pub line: String,
}

/// Output of a logger.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OutputLogger {
    /// Text.
    #[prost(string, tag = "1")]
    pub line: String,
}

/// The end of the program.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Exit {
    /// Its exit code.
    #[prost(int32, tag = "1")]
    pub exit_code: i32,
    /// Seconds that it took.
    #[prost(int32, tag = "2")]
    pub runtime: i32,
    /// Whether the run is not complete.
    #[prost(bool, tag = "3")]
    pub not_complete: bool,
}

/// An alert of the program.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Alert {
    /// Its title.
    #[prost(string, tag = "1")]
    pub title: String,
    /// Its text.
    #[prost(string, tag = "2")]
    pub text: String,
    /// Its level, such as `INFO`.
    #[prost(string, tag = "3")]
    pub level: String,
    /// Milliseconds for which the same alert is not sent again.
    #[prost(int64, tag = "4")]
    pub wait_duration: i64,
}

/// A log directory of TensorBoard that the package followed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TbRecord {
    /// The log directory.
    #[prost(string, tag = "1")]
    pub log_dir: String,
    /// Whether its files are saved.
    #[prost(bool, tag = "2")]
    pub save: bool,
    /// The directory that names of runs begin at.
    #[prost(string, tag = "3")]
    pub root_dir: String,
}
