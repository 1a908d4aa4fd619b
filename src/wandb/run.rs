//! A run and its environment.

use std::collections::BTreeMap;

use super::items::{Timestamp, Update};

/// A run. Each change of its name, tags or notes is another record with all fields but the summary.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Run {
    /// Its identifier.
    #[prost(string, tag = "1")]
    pub run_id: String,
    /// The user or the team; usually empty in files.
    #[prost(string, tag = "2")]
    pub entity: String,
    /// The project.
    #[prost(string, tag = "3")]
    pub project: String,
    /// The configuration at the start.
    #[prost(message, optional, tag = "4")]
    pub config: Option<Update>,
    /// The summary at the start.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Update>,
    /// The group.
    #[prost(string, tag = "6")]
    pub run_group: String,
    /// The job type, such as `train`.
    #[prost(string, tag = "7")]
    pub job_type: String,
    /// The name for people.
    #[prost(string, tag = "8")]
    pub display_name: String,
    /// Notes in Markdown.
    #[prost(string, tag = "9")]
    pub notes: String,
    /// Tags.
    #[prost(string, repeated, tag = "10")]
    pub tags: Vec<String>,
    /// The sweep that started the run.
    #[prost(string, tag = "12")]
    pub sweep_id: String,
    /// The machine's name.
    #[prost(string, tag = "13")]
    pub host: String,
    /// The first step of this file.
    #[prost(int64, tag = "14")]
    pub starting_step: i64,
    /// The start time.
    #[prost(message, optional, tag = "17")]
    pub start_time: Option<Timestamp>,
    /// Whether the run continues an earlier one of the same identifier.
    #[prost(bool, tag = "18")]
    pub resumed: bool,
    /// Versions.
    #[prost(message, optional, tag = "19")]
    pub telemetry: Option<Telemetry>,
    /// Seconds that the run had taken before this file.
    #[prost(int32, tag = "20")]
    pub runtime: i32,
    /// The code.
    #[prost(message, optional, tag = "21")]
    pub git: Option<GitRepo>,
    /// Whether the run is a fork.
    #[prost(bool, tag = "22")]
    pub forked: bool,
    /// Where the run leaves another one, or goes back in itself.
    #[prost(message, optional, tag = "23")]
    pub branch_point: Option<BranchPoint>,
    /// Whether the program asked to resume a run, if there is one. New in 0.31.
    #[prost(bool, tag = "24")]
    pub resume: bool,
}

/// The code according to git.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GitRepo {
    /// The URL of the remote.
    #[prost(string, tag = "1")]
    pub remote_url: String,
    /// The commit.
    #[prost(string, tag = "2")]
    pub commit: String,
}

/// A point of a run.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BranchPoint {
    /// The identifier of the run.
    #[prost(string, tag = "1")]
    pub run: String,
    /// The value of the metric there.
    #[prost(double, tag = "2")]
    pub value: f64,
    /// The metric: `_step`.
    #[prost(string, tag = "3")]
    pub metric: String,
}

/// Versions of programs.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Telemetry {
    /// Python's version.
    #[prost(string, tag = "4")]
    pub python_version: String,
    /// The version of the package.
    #[prost(string, tag = "5")]
    pub cli_version: String,
    /// The system, such as `linux-x86_64`.
    #[prost(string, tag = "13")]
    pub platform: String,
}

/// The environment. Several records have parts of it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Environment {
    /// The operating system and its version.
    #[prost(string, tag = "1")]
    pub os: String,
    /// The implementation and the version of Python.
    #[prost(string, tag = "2")]
    pub python: String,
    /// The start time.
    #[prost(message, optional, tag = "3")]
    pub started_at: Option<Timestamp>,
    /// The image of the container.
    #[prost(string, tag = "4")]
    pub docker: String,
    /// Arguments of the program.
    #[prost(string, repeated, tag = "5")]
    pub args: Vec<String>,
    /// The program.
    #[prost(string, tag = "6")]
    pub program: String,
    /// The program's path in its repository.
    #[prost(string, tag = "7")]
    pub code_path: String,
    /// The program's path in the working directory.
    #[prost(string, tag = "8")]
    pub code_path_local: String,
    /// The code.
    #[prost(message, optional, tag = "9")]
    pub git: Option<GitRepo>,
    /// The user's mail address.
    #[prost(string, tag = "10")]
    pub email: String,
    /// The working directory.
    #[prost(string, tag = "11")]
    pub root: String,
    /// The machine's name.
    #[prost(string, tag = "12")]
    pub host: String,
    /// The user's name.
    #[prost(string, tag = "13")]
    pub username: String,
    /// The path of Python.
    #[prost(string, tag = "14")]
    pub executable: String,
    /// The address of the notebook in Colab.
    #[prost(string, tag = "15")]
    pub colab: String,
    /// Number of processor cores.
    #[prost(uint32, tag = "16")]
    pub cpu_count: u32,
    /// Number of logical processors.
    #[prost(uint32, tag = "17")]
    pub cpu_count_logical: u32,
    /// The model of the GPUs.
    #[prost(string, tag = "18")]
    pub gpu_type: String,
    /// Number of GPUs.
    #[prost(uint32, tag = "19")]
    pub gpu_count: u32,
    /// Disks by mount point.
    #[prost(btree_map = "string, message", tag = "20")]
    pub disk: BTreeMap<String, Disk>,
    /// The main memory.
    #[prost(message, optional, tag = "21")]
    pub memory: Option<Memory>,
    /// The processor.
    #[prost(message, optional, tag = "22")]
    pub cpu: Option<Cpu>,
    /// NVIDIA's GPUs.
    #[prost(message, repeated, tag = "24")]
    pub gpu_nvidia: Vec<NvidiaGpu>,
    /// The version of CUDA.
    #[prost(string, tag = "25")]
    pub cuda_version: String,
    /// Variables of the scheduler Slurm.
    #[prost(btree_map = "string, string", tag = "27")]
    pub slurm: BTreeMap<String, String>,
    /// Identifies the process that wrote it.
    #[prost(string, tag = "199")]
    pub writer_id: String,
}

/// A disk.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Disk {
    /// Its size in bytes.
    #[prost(uint64, tag = "1")]
    pub total: u64,
    /// The number of bytes that are used.
    #[prost(uint64, tag = "2")]
    pub used: u64,
}

/// The main memory.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Memory {
    /// Its size in bytes.
    #[prost(uint64, tag = "1")]
    pub total: u64,
}

/// The processor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cpu {
    /// Number of cores.
    #[prost(uint32, tag = "1")]
    pub count: u32,
    /// Number of logical processors.
    #[prost(uint32, tag = "2")]
    pub count_logical: u32,
    /// Its model.
    #[prost(string, tag = "3")]
    pub model: String,
}

/// A GPU of NVIDIA.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NvidiaGpu {
    /// Its model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its memory in bytes.
    #[prost(uint64, tag = "2")]
    pub memory_total: u64,
    /// Number of cores.
    #[prost(uint32, tag = "3")]
    pub cuda_cores: u32,
    /// Its architecture.
    #[prost(string, tag = "4")]
    pub architecture: String,
    /// Its identifier.
    #[prost(string, tag = "5")]
    pub uuid: String,
}
