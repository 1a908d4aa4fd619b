//! The environment of a run, from records or, in earlier versions, from a file.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::file::RunFile;
use tbx::meta::{Environment as EnvironmentMeta, Git, Gpu, RunMeta};
use tbx::store::Root;
use tbx::wandb::run::{Cpu, Environment, GitRepo, Memory, NvidiaGpu, Run};

/// The file with the environment that versions before 0.20 write.
const METADATA: &str = "files/wandb-metadata.json";

/// The bytes of a gigabyte of the package.
const GIGABYTE: f64 = 1_073_741_824.0;

/// Maximum size of that file.
const MAX_METADATA: u64 = 4 << 20;

/// Adds the environment and the code of a run to its metadata. What has no field there goes into `facts`.
pub(super) fn describe(
    root: &Root,
    segments: &[RunFile],
    run: &Run,
    meta: &mut RunMeta,
    facts: &mut Map<String, Value>,
) {
    let recorded = segments.iter().rev().find_map(|file| file.environment.clone());
    let from_file = || segments.iter().rev().find_map(|file| of_file(root, &file.dir));
    let environment = recorded.or_else(from_file).unwrap_or_default();
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut known = EnvironmentMeta::default();
    known.host = text(&environment.host).or_else(|| text(&run.host));
    known.user = text(&environment.username);
    known.os = text(&environment.os);
    known.cpu = environment.cpu.as_ref().and_then(|cpu| text(&cpu.model));
    let cpus = [environment.cpu_count_logical, environment.cpu_count];
    known.cpus = cpus.into_iter().find(|count| *count > 0);
    known.memory = environment.memory.map(|memory| memory.total).filter(|total| *total > 0);
    let python = run.telemetry.as_ref().map(|versions| versions.python_version.as_str());
    let python = python.and_then(text).map(|version| format!("Python {version}"));
    known.language = text(&environment.python).or(python);
    known.directory = text(&environment.root);
    let program = text(&environment.program);
    known.command =
        tbx::redact::command(program.into_iter().chain(environment.args.iter().cloned()));
    known.gpus = environment.gpu_nvidia.iter().map(gpu).collect();
    if known.gpus.is_empty() && !environment.gpu_type.is_empty() {
        let count = usize::try_from(environment.gpu_count.clamp(1, 1024)).unwrap_or(1);
        known.gpus = vec![Gpu::new(environment.gpu_type.as_str()); count];
    }
    if known != EnvironmentMeta::default() {
        meta.environment = Some(known);
    }
    let git = run.git.as_ref().or(environment.git.as_ref());
    if let Some(git) = git.filter(|git| **git != GitRepo::default()) {
        let mut code = Git::default();
        code.commit = text(&git.commit);
        code.remote = text(&git.remote_url).map(|remote| tbx::redact::address(&remote).into());
        meta.git = Some(code);
    }
    let others = others(&environment);
    if !others.is_empty() {
        facts.insert("environment".into(), others.into());
    }
}

fn gpu(gpu: &NvidiaGpu) -> Gpu {
    let mut known = Gpu::new(gpu.name.as_str());
    known.memory = Some(gpu.memory_total).filter(|total| *total > 0);
    for (key, value) in [("uuid", &gpu.uuid), ("architecture", &gpu.architecture)] {
        if !value.is_empty() {
            known.other.insert(key.into(), value.as_str().into());
        }
    }
    if gpu.cuda_cores > 0 {
        known.other.insert("cuda_cores".into(), gpu.cuda_cores.into());
    }
    known
}

/// Facts without a field in the metadata, with the names of the records' fields.
fn others(environment: &Environment) -> Map<String, Value> {
    let mut others = Map::new();
    for (key, value) in [
        ("docker", &environment.docker),
        ("code_path", &environment.code_path),
        ("code_path_local", &environment.code_path_local),
        ("email", &environment.email),
        ("executable", &environment.executable),
        ("colab", &environment.colab),
        ("cuda_version", &environment.cuda_version),
    ] {
        if !value.is_empty() {
            others.insert(key.into(), value.as_str().into());
        }
    }
    if let Some(time) = environment.started_at {
        others.insert("started_at".into(), time.as_seconds().into());
    }
    if environment.cpu_count > 0 {
        others.insert("cpu_count".into(), environment.cpu_count.into());
    }
    let disks = environment.disk.iter();
    let disks: Map<_, _> = disks
        .map(|(path, disk)| (path.clone(), json!({"total": disk.total, "used": disk.used})))
        .collect();
    if !disks.is_empty() {
        others.insert("disk".into(), disks.into());
    }
    let slurm = environment.slurm.iter();
    let slurm: Map<_, _> =
        slurm.map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    if !slurm.is_empty() {
        others.insert("slurm".into(), slurm.into());
    }
    others
}

/// The bytes of a number of gigabytes.
fn to_bytes(gigabytes: f64) -> Option<u64> {
    u64::try_from(super::row::whole((gigabytes * GIGABYTE).round())?).ok()
}

/// The environment in the file that versions before 0.20 write.
fn of_file(root: &Root, dir: &Path) -> Option<Environment> {
    let bytes = root.read(&dir.join(METADATA), MAX_METADATA).ok()?;
    let object: Map<String, Value> = serde_json::from_slice(&bytes).ok()?;
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let count = |key: &str| {
        let count = object.get(key).and_then(Value::as_u64);
        count.and_then(|count| u32::try_from(count).ok()).unwrap_or_default()
    };
    let args = object.get("args").and_then(Value::as_array);
    let args = args.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let git = object.get("git").and_then(Value::as_object).map(|git| {
        let text = |key: &str| git.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        GitRepo { remote_url: text("remote"), commit: text("commit") }
    });
    let memory = object.get("memory").and_then(|memory| memory.get("total"));
    // Gigabytes as a floating-point number, or bytes, also as text.
    let memory = memory.and_then(|total| match total {
        Value::String(total) => total.parse().ok(),
        total => total.as_u64().or_else(|| to_bytes(total.as_f64()?)),
    });
    let model = object.get("cpu").and_then(|cpu| cpu.get("model")).and_then(Value::as_str);
    let first = |keys: [&str; 2]| keys.into_iter().map(text).find(|text| !text.is_empty());
    Some(Environment {
        os: text("os"),
        python: text("python"),
        docker: text("docker"),
        args: args.collect(),
        program: text("program"),
        code_path: text("codePath"),
        code_path_local: text("codePathLocal"),
        git,
        email: text("email"),
        root: text("root"),
        host: text("host"),
        username: text("username"),
        executable: text("executable"),
        colab: text("colab"),
        cpu_count: count("cpu_count"),
        cpu_count_logical: count("cpu_count_logical"),
        gpu_type: first(["gpu", "gpu_type"]).unwrap_or_default(),
        gpu_count: count("gpu_count"),
        memory: memory.map(|total| Memory { total }),
        cpu: model.map(|model| Cpu { model: model.into(), ..Cpu::default() }),
        cuda_version: first(["cuda", "cudaVersion"]).unwrap_or_default(),
        ..Environment::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_command_are_hidden_and_gigabytes_are_bytes() {
        let environment = Environment {
            program: "train.py".into(),
            args: vec!["--password".into(), "hidden".into(), "--lr".into(), "0.1".into()],
            ..Environment::default()
        };
        let mut segment = RunFile::default();
        segment.environment = Some(environment);
        let segments = [segment];
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path(), tbx::store::Links::Inside).unwrap();
        let mut meta = RunMeta::default();
        describe(&root, &segments, &Run::default(), &mut meta, &mut Map::new());
        let command = meta.environment.unwrap().command;
        assert_eq!(command.first().map(String::as_str), Some("train.py"));
        assert!(!command.iter().any(|part| part == "hidden"), "{command:?}");
        assert_eq!((to_bytes(1.5), to_bytes(-1.0)), (Some(3 << 29), None));
        assert_eq!(to_bytes(f64::INFINITY), None);
    }
}
