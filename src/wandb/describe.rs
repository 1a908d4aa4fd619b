//! The records that describe a run, from its metadata.

use serde_json::{Map, Value, json};

use super::encode::{Items, Key};
use super::identity::{GROUP, JOB_TYPE, MAX_TAG, SWEEP};
use super::items::{Item, Timestamp, Update};
use super::run::{Cpu, Environment, GitRepo, Memory, NvidiaGpu, Run};
use crate::meta::{Param, RunMeta, Status};

/// The key of the tags with values in the configuration.
pub const TAGS: &str = "tbx/tags";
/// The key of the datasets in the configuration.
const DATASETS: &str = "tbx/datasets";

/// The names of a run in W&B.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project: String,
    /// Its display name.
    pub name: String,
    /// Its group, unless the metadata names one.
    pub group: Option<String>,
}

/// The run itself.
pub fn run(meta: &RunMeta, names: &Names, start: f64) -> Run {
    let tag = |name: &str| meta.tags.get(name).cloned();
    Run {
        run_id: names.id.clone(),
        project: names.project.clone(),
        config: Some(Update { update: config(meta), remove: Vec::new() }),
        run_group: tag(GROUP).or_else(|| names.group.clone()).unwrap_or_default(),
        job_type: tag(JOB_TYPE).or_else(|| meta.role.clone()).unwrap_or_default(),
        display_name: names.name.clone(),
        notes: meta.description.clone().unwrap_or_default(),
        tags: meta.labels.iter().filter(|label| is_tag(label)).cloned().collect(),
        sweep_id: tag(SWEEP).unwrap_or_default(),
        host: meta.environment.as_ref().and_then(|e| e.host.clone()).unwrap_or_default(),
        start_time: Some(timestamp(start)),
        git: git(meta),
        ..Run::default()
    }
}

/// Whether W&B accepts a label as a tag.
pub fn is_tag(label: &str) -> bool {
    (1..=MAX_TAG).contains(&label.chars().count())
}

/// Seconds since the Unix epoch as a message.
pub fn timestamp(seconds: f64) -> Timestamp {
    let seconds = if seconds.is_finite() { seconds } else { 0.0 };
    #[expect(clippy::as_conversions, reason = "what is out of range becomes the nearest")]
    let (whole, nanos) = (seconds.floor() as i64, ((seconds - seconds.floor()) * 1e9) as i32);
    Timestamp { seconds: whole, nanos: nanos.clamp(0, 999_999_999) }
}

/// Parameters, seeds, datasets and tags with values.
fn config(meta: &RunMeta) -> Vec<Item> {
    let mut all: Map<String, Value> = Map::new();
    for (name, seed) in &meta.seeds {
        all.insert(format!("seed/{name}"), (*seed).into());
    }
    let of_wandb = [GROUP, JOB_TYPE, SWEEP];
    let tags = meta.tags.iter().filter(|(name, _)| !of_wandb.contains(&name.as_str()));
    let tags: Map<_, _> = tags.map(|(name, value)| (name.clone(), json!(value))).collect();
    if !tags.is_empty() {
        all.insert(TAGS.into(), tags.into());
    }
    if !meta.datasets.is_empty() {
        all.insert(DATASETS.into(), serde_json::to_value(&meta.datasets).unwrap_or_default());
    }
    all.extend(meta.params.iter().map(|(name, value)| (name.clone(), param(value))));
    let item = |(name, value): (String, Value)| Item {
        nested_key: vec![name],
        value_json: value.to_string(),
        ..Item::default()
    };
    all.into_iter().map(item).collect()
}

/// A parameter in JSON. The package writes bare NaN and infinities, but a server gets them as null, so they are
/// texts.
fn param(value: &Param) -> Value {
    match value {
        Param::Bool(value) => json!(value),
        Param::Int(value) => json!(value),
        Param::Number(value) if value.is_finite() => json!(value),
        Param::Number(value) if value.is_nan() => json!("NaN"),
        Param::Number(value) => json!(if *value > 0.0 { "Infinity" } else { "-Infinity" }),
        Param::Text(text) => json!(text),
    }
}

fn git(meta: &RunMeta) -> Option<GitRepo> {
    let git = meta.git.as_ref()?;
    let commit = git.commit.clone().unwrap_or_default();
    let remote = git.remote.as_deref().map(|remote| crate::redact::address(remote).into_owned());
    Some(GitRepo { remote_url: remote.unwrap_or_default(), commit })
}

/// The machine and the command line; `None` if nothing is known. Environment variables stay in the metadata.
pub fn environment(meta: &RunMeta, start: f64) -> Option<Environment> {
    let known = meta.environment.as_ref()?;
    let (program, args) =
        known.command.split_first().map_or((None, &[][..]), |(p, a)| (Some(p), a));
    let is_python = |language: &&String| language.to_ascii_lowercase().contains("python");
    let gpu = |gpu: &crate::meta::Gpu| NvidiaGpu {
        name: gpu.name.clone(),
        memory_total: gpu.memory.unwrap_or_default(),
        ..NvidiaGpu::default()
    };
    let cpu = |model: &String| Cpu {
        count_logical: known.cpus.unwrap_or_default(),
        model: model.clone(),
        ..Cpu::default()
    };
    Some(Environment {
        os: known.os.clone().unwrap_or_default(),
        python: known.language.as_ref().filter(is_python).cloned().unwrap_or_default(),
        started_at: Some(timestamp(start)),
        args: args.to_vec(),
        program: program.cloned().unwrap_or_default(),
        executable: program.cloned().unwrap_or_default(),
        git: git(meta),
        root: known.directory.clone().unwrap_or_default(),
        host: known.host.clone().unwrap_or_default(),
        username: known.user.clone().unwrap_or_default(),
        cpu_count_logical: known.cpus.unwrap_or_default(),
        gpu_type: known.gpus.first().map(|gpu| gpu.name.clone()).unwrap_or_default(),
        gpu_count: u32::try_from(known.gpus.len()).unwrap_or(u32::MAX),
        memory: known.memory.map(|total| Memory { total }),
        cpu: known.cpu.as_ref().map(cpu),
        gpu_nvidia: known.gpus.iter().map(gpu).collect(),
        writer_id: meta.id.clone().unwrap_or_default(),
        ..Environment::default()
    })
}

/// The exit code for a status; `None` for a run that has not ended. 255 is what the package records for a run that
/// somebody interrupted.
pub fn exit_code(status: Status) -> Option<i32> {
    match status {
        Status::Finished => Some(0),
        Status::Failed => Some(1),
        Status::Killed | Status::Pruned => Some(255),
        Status::Running | Status::Scheduled => None,
    }
}

/// The lines of the console for the error that ended the run.
pub fn error_text(meta: &RunMeta) -> Option<String> {
    let failure = meta.failure.as_ref()?;
    let traceback = failure.traceback.as_deref().unwrap_or_default().trim_end();
    let line = format!("{}: {}", failure.kind, failure.message);
    // A traceback of Python ends with the line, others do not have it.
    if traceback.ends_with(line.trim_end()) {
        return Some(format!("{traceback}\n"));
    }
    let separator = if traceback.is_empty() { "" } else { "\n" };
    Some(format!("{traceback}{separator}{line}\n"))
}

/// Numbers that summarize the run, which the rows may not have: by name and statistic.
pub fn summary(meta: &RunMeta, items: &mut Items) {
    for (name, summary) in &meta.summary {
        let key = match summary.statistic.as_deref() {
            None | Some("last") => Key::of(&[name]),
            Some(statistic) if is_of(name, statistic, '/') => Key::of(&[name]),
            // As W&B's own define_metric has it: no last value then.
            Some(statistic) if is_of(name, statistic, '.') => {
                Key::of(&[name.get(..name.len() - statistic.len() - 1).unwrap_or(name), statistic])
            }
            // The rows may have the name, too, and one key cannot have a number and items below it. W&B shows both forms
            // in the same way.
            Some(statistic) => Key::of(&[&format!("{name}.{statistic}")]),
        };
        let mut text = Vec::new();
        super::encode::number(summary.value, &mut text);
        items.put(&key, &text);
    }
}

/// Whether the last part of a name is the statistic.
fn is_of(name: &str, statistic: &str, separator: char) -> bool {
    name.strip_suffix(statistic).is_some_and(|outer| outer.len() > 1 && outer.ends_with(separator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::{Failure, Git, Summary};

    #[test]
    fn a_name_that_says_its_statistic_says_it_once() {
        let mut meta = RunMeta::default();
        for (name, statistic) in
            [("a/mean", "mean"), ("b.min", "min"), ("c", "max"), ("d", "last"), ("/mean", "mean")]
        {
            let mut number = Summary::new(1.0);
            number.statistic = Some(statistic.into());
            meta.summary.insert(name.into(), number);
        }
        let mut found = Items::default();
        summary(&meta, &mut found);
        let mut expected = Items::default();
        for key in [&["/mean.mean"][..], &["a/mean"], &["b", "min"], &["c.max"], &["d"]] {
            expected.put(&Key::of(key), b"1.0");
        }
        assert_eq!(found.bytes(), expected.bytes());
    }

    #[test]
    fn times_before_the_epoch_have_positive_nanoseconds() {
        for seconds in [-1.25, -0.75, 0.0, 1.5] {
            let time = timestamp(seconds);
            assert!((time.as_seconds() - seconds).abs() < 1e-6, "{seconds}");
        }
    }

    #[test]
    fn the_line_of_an_error_is_there_once() {
        let mut failure = Failure::new("ValueError", "boom");
        failure.traceback =
            Some("Traceback (most recent call last):\n  ...\nValueError: boom\n".into());
        let mut meta = RunMeta { failure: Some(failure), ..RunMeta::default() };
        assert_eq!(error_text(&meta).unwrap().matches("ValueError: boom").count(), 1);
        meta.failure = Some(Failure::new("ValueError", "boom"));
        assert_eq!(error_text(&meta).unwrap(), "ValueError: boom\n");
    }

    #[test]
    fn the_address_of_the_code_has_no_password() {
        let remote = Some("https://user:secret@host/x.git".into());
        let git = Git { remote, ..Git::default() };
        let meta = RunMeta { git: Some(git), ..RunMeta::default() };
        let run = run(&meta, &Names::default(), 0.0);
        assert!(!run.git.unwrap().remote_url.contains("secret"));
    }
}
