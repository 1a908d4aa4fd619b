//! `tbx.json` in the directory of a run.

use std::io;
use std::path::Path;

use super::RunMeta;
use crate::error::{ErrorKind, Location, Result};
use crate::replace;
use crate::store::{self, Links};

/// The file name. It must not contain `tfevents`: TensorBoard reads files with such names.
pub const FILE: &str = crate::file_names::RUN;

/// Maximum size in bytes; large data belongs in artifacts.
const MAX_BYTES: u64 = 16 << 20;
/// Number of these bytes that are left for the end of a run.
#[cfg(feature = "track")]
const ROOM: u64 = 256 << 10;

impl RunMeta {
    /// The metadata of the run in `dir`; none if it has no `tbx.json`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the file is not run metadata; [`ErrorKind::Io`]: it cannot be read, is
    /// not a regular file, or is a link that leads out of `dir`.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        Self::read_in(dir, Links::Inside)
    }

    /// Like [`read`](Self::read), with these links followed.
    #[doc(hidden)]
    pub fn read_in(dir: &Path, links: Links) -> Result<Option<Self>> {
        read(dir, FILE, links, Self::from_json)
    }

    /// Writes `tbx.json` in `dir` atomically: readers find either the new file or the old one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`], and [`ErrorKind::Argument`] as for [`to_json`](Self::to_json). [`ErrorKind::Value`]: it is
    /// longer than 16 MiB, so that it could not be read again.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(FILE);
        let json = self.to_json().map_err(|kind| kind.at(Location::of(path.as_path())))?;
        if u64::try_from(json.len()).is_ok_and(|len| len > MAX_BYTES) {
            let what = format!("it would have {} bytes, the limit is {MAX_BYTES}", json.len());
            return Err(ErrorKind::Value(what).at(Location::of(path)));
        }
        replace::replace(&path, |out| io::Write::write_all(out, json.as_bytes()))
    }

    /// Applies `change` to the metadata in `tbx.json` in `dir`, which is empty if the file does not
    /// exist, and writes the result. Programs that do this at the same time wait for each other, so
    /// that no change is lost.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::meta::RunMeta;
    ///
    /// RunMeta::update(dir.path(), |meta| {
    ///     meta.tags.insert("reviewed".into(), "yes".into());
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`read`](Self::read) and [`write`](Self::write).
    pub fn update(dir: &Path, change: impl FnOnce(&mut Self)) -> Result<()> {
        replace::edit(&dir.join(FILE), |old| {
            let mut meta = if old.is_empty() { Self::default() } else { Self::from_json(old)? };
            change(&mut meta);
            Ok(meta.to_json()?.into_bytes())
        })
    }

    /// Like [`update`](Self::update), for a change that may make the file so long that a later one, such as the end of
    /// the run, would have no room. Then nothing changes, as if `change` had failed.
    #[cfg(feature = "track")]
    pub(crate) fn grow(
        dir: &Path,
        change: impl FnOnce(&mut Self) -> Result<(), ErrorKind>,
    ) -> Result<()> {
        replace::edit(&dir.join(FILE), |old| {
            let mut meta = if old.is_empty() { Self::default() } else { Self::from_json(old)? };
            change(&mut meta)?;
            let json = meta.to_json()?.into_bytes();
            let max = MAX_BYTES.saturating_sub(ROOM);
            if u64::try_from(json.len()).is_ok_and(|len| len > max) {
                return Err(ErrorKind::Value(format!("it would have more than {max} bytes")));
            }
            Ok(json)
        })
    }

    /// Like [`update`](Self::update), but does nothing if there is no `tbx.json`.
    #[cfg(feature = "track")]
    pub(crate) fn update_existing(dir: &Path, change: impl FnOnce(&mut Self)) -> Result<()> {
        replace::edit(&dir.join(FILE), |old| {
            if old.is_empty() {
                return Ok(Vec::new());
            }
            let mut meta = Self::from_json(old)?;
            change(&mut meta);
            Ok(meta.to_json()?.into_bytes())
        })
    }
}

/// Parses the file `name` in `dir` with `parse`; none if the file does not exist.
pub(super) fn read<T>(
    dir: &Path,
    name: &str,
    links: Links,
    parse: impl FnOnce(&[u8]) -> Result<T, ErrorKind>,
) -> Result<Option<T>> {
    let path = dir.join(name);
    let read = || {
        let json = store::read_optional(dir, &path, MAX_BYTES, links)?;
        json.map(|json| parse(&json)).transpose()
    };
    read().map_err(|kind: ErrorKind| kind.at(Location::of(path.as_path())))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::meta::{Param, Status};

    fn parsed(value: &Value) -> Result<RunMeta, ErrorKind> {
        RunMeta::from_json(value.to_string().as_bytes())
    }

    /// Other versions of the program write the same file.
    #[test]
    fn keys_that_are_not_known_stay() {
        let value = json!({
            "schema": "tbx.run/1",
            "id": "0123456789abcdef0123456789abcdef",
            "status": "RUNNING",
            "start_time": 1_700_000_000.25,
            "later": {"a": [1, null]},
            "params": {"lr": 0.1, "n": 3, "deep": true, "name": "x", "bad": "NaN", "low": "-Infinity"},
            "git": {"commit": "ab", "signed": true},
            "env": {"gpus": [{"name": "H100", "slots": 2}], "cpus": 2},
            "datasets": [{"name": "d", "digest": "1", "rows": 7}],
            "artifacts": [{"path": "model.pt", "size": 3, "sha256": "00", "owner": "me"}],
            "summary": {"accuracy": {"value": "Infinity", "statistic": "max", "why": "?"}},
            "error": {"type": "panic", "message": "no", "line": 3},
            "process": {"pid": 1, "host": "h", "heartbeat": 1.5, "interval": 2.5, "cgroup": "c"},
        });
        let meta = parsed(&value).unwrap();
        assert_eq!(meta.params["low"], Param::Number(f64::NEG_INFINITY));
        assert_eq!(meta.other["later"], json!({"a": [1, null]}));
        let again: Value = serde_json::from_str(&meta.to_json().unwrap()).unwrap();
        assert_eq!(again, value);
    }

    #[test]
    fn lists_and_objects_are_text() {
        let value =
            json!({"schema": "tbx.run/1", "params": {"a": [1, "b"], "c": {"d": null}, "e": null}});
        let params = parsed(&value).unwrap().params;
        assert_eq!(params["a"], r#"[1,"b"]"#.into());
        assert_eq!(params["c"], r#"{"d":null}"#.into());
        assert_eq!(params["e"], "null".into());
    }

    #[test]
    fn what_is_no_metadata_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(RunMeta::read(dir.path()).unwrap(), None);
        for (json, why) in [
            ("", "EOF"),
            ("[]", "not the metadata"),
            ("{}", "schema is \"\""),
            (r#"{"schema": "other/1"}"#, "schema is \"other/1\""),
            (r#"{"schema": "tbx.run/1", "status": "DONE"}"#, "DONE"),
            (r#"{"schema": "tbx.run/1", "params": 1}"#, "line 1 column"),
        ] {
            std::fs::write(dir.path().join(FILE), json).unwrap();
            let error = RunMeta::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(FILE), "{error}");
            if !json.is_empty() {
                RunMeta::update(dir.path(), |_| {}).unwrap_err();
            }
            assert_eq!(std::fs::read_to_string(dir.path().join(FILE)).unwrap(), json);
        }
    }

    #[test]
    fn a_run_that_is_silent_was_killed() {
        let mut meta = RunMeta { status: Some(Status::Running), ..RunMeta::default() };
        assert_eq!(meta.status_at(1e9), Some(Status::Running));
        let process =
            super::super::Process { heartbeat: 100.0, interval: 10.0, ..Default::default() };
        meta.process = Some(process);
        assert_eq!(meta.status_at(139.0), Some(Status::Running));
        assert_eq!(meta.status_at(141.0), Some(Status::Killed));
        meta.status = Some(Status::Finished);
        assert_eq!(meta.status_at(1e9), Some(Status::Finished));
    }

    #[test]
    fn changes_of_many_are_all_there() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4u32 {
                let dir = dir.path();
                scope.spawn(move || {
                    for i in 0..10 {
                        let add = |meta: &mut RunMeta| {
                            meta.params.insert(format!("{thread}/{i}"), thread.into());
                        };
                        RunMeta::update(dir, add).unwrap();
                    }
                });
            }
        });
        assert_eq!(RunMeta::read(dir.path()).unwrap().unwrap().params.len(), 40);
    }
}
