//! Names of runs, projects and directories that the package accepts.

use jiff::Timestamp;
use serde_json::Value;

use crate::meta::RunMeta;
use crate::safe_name;

/// The key of the tracker's facts in the metadata of a run.
pub const WANDB: &str = "wandb";
/// The tag with the name of the group that the run belongs to.
pub const GROUP: &str = "wandb.group";
/// The tag with the type of the run's job.
pub const JOB_TYPE: &str = "wandb.job_type";
/// The tag with the id of the sweep that the run belongs to.
pub const SWEEP: &str = "wandb.sweep";

/// Maximum length of the id of a run (`wandb_settings.py` and the server).
const MAX_ID: usize = 64;
/// Maximum number of characters in the name of a project (`sdk/artifacts/_validators.py`).
const MAX_NAME: usize = 128;
/// Maximum number of characters in a tag. The server refuses longer ones.
pub const MAX_TAG: usize = 64;
/// The project of runs that name none.
const NO_PROJECT: &str = "uncategorized";

/// The id of a run in W&B: the one that it had there, otherwise its own; for a run without an id, a digest of
/// `place`, which tells it from others.
pub fn run_id(meta: &RunMeta, place: &str) -> String {
    let there = meta.other.get(WANDB).and_then(|facts| facts.get("run_id")).and_then(Value::as_str);
    // After an import, the project comes before it.
    let there = there.map(|id| id.rsplit('/').next().unwrap_or(id));
    let known = there.or(meta.id.as_deref());
    match known.filter(|id| is_id(id)) {
        Some(id) => id.to_owned(),
        None => digest(known.unwrap_or(place)),
    }
}

/// An id that depends on all of `text`.
pub fn digest(text: &str) -> String {
    format!("{:016x}", safe_name::hash(text))
}

/// Whether the package and the server accept an id.
fn is_id(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(is_allowed)
}

/// A name that the package accepts for a project, from the name of an experiment.
pub fn project(name: &str) -> String {
    let allowed = |c: char| match c {
        '/' | '\\' | '#' | '?' | '%' | ':' => '-',
        c if c.is_control() => '-',
        c => c,
    };
    let name: String = name.trim().chars().map(allowed).take(MAX_NAME).collect();
    if name.is_empty() { NO_PROJECT.into() } else { name }
}

/// The name of the directory of the run `id`, which started at `start`, in seconds since the Unix epoch. The package
/// finds only directories of this form. The time is in UTC, so that it does not depend on the machine.
pub fn directory(start: f64, id: &str) -> String {
    #[expect(clippy::as_conversions, reason = "what is out of range becomes the nearest")]
    let second = start.max(0.0) as i64;
    let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("offline-run-{}-{id}", time.strftime("%Y%m%d_%H%M%S"))
}

/// The name of the file with the records of the run `id`.
pub fn file(id: &str) -> String {
    format!("run-{id}.wandb")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_kept_where_they_are_accepted() {
        let mut meta = RunMeta::default();
        let plain = run_id(&meta, "logs/a");
        assert!(is_id(&plain) && plain != run_id(&meta, "logs/b"));
        meta.id = Some("0123456789abcdef0123456789abcdef".into());
        assert_eq!(run_id(&meta, ""), "0123456789abcdef0123456789abcdef");
        meta.other.insert(WANDB.into(), json!({ "run_id": "x1_-y" }));
        assert_eq!(run_id(&meta, ""), "x1_-y");
        for hostile in ["../../x", "", "a b", "ü", &"x".repeat(65), "a\0b"] {
            meta.other.insert(WANDB.into(), json!({ "run_id": hostile }));
            assert!(is_id(&run_id(&meta, "")), "{hostile:?}");
        }
    }

    #[test]
    fn directories_and_projects_are_those_that_are_found() {
        assert_eq!(directory(1_700_000_000.9, "a1"), "offline-run-20231114_221320-a1");
        for odd in [f64::NAN, -1.0, f64::INFINITY, 0.0] {
            assert_eq!(directory(odd, "a"), "offline-run-19700101_000000-a", "{odd}");
        }
        assert_eq!(project(" a/b:c\n"), "a-b-c");
        assert_eq!(project(""), NO_PROJECT);
        assert_eq!(project(&"ü".repeat(300)).chars().count(), 128);
    }
}
