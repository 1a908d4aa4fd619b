//! Wall times that differ from those of their rows, in a run that tbx wrote.

use std::collections::BTreeMap;
use std::path::Path;

use tbx::error::{Effect, ErrorKind, Issue, Location, Report};
use tbx::store::{Root, is_missing};
use tbx::wandb::offline::{FILES, Line, WALL_TIMES};

/// Maximum size in bytes of the file.
const MAX_BYTES: u64 = 256 << 20;

/// Wall times by key, sorted by step.
#[derive(Debug, Default)]
pub(super) struct WallTimes(BTreeMap<String, Vec<(i64, f64)>>);

impl WallTimes {
    /// The wall times of the run in the directory `dir`. A run may have none.
    pub(super) fn read(root: &Root, dir: &Path, report: &mut Report) -> Self {
        let path = dir.join(FILES).join(WALL_TIMES);
        let mut times = Self::default();
        let mut issue = |kind: ErrorKind| {
            report.issues.push(Issue::new(kind, Location::of(path.as_path()), Effect::Kept));
        };
        match root.read(&path, MAX_BYTES) {
            Err(error) if is_missing(&error, &path) => {}
            Err(error) => issue(error.into()),
            Ok(bytes) => {
                for (i, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
                    if line.is_empty() {
                        continue;
                    }
                    if let Err(error) = times.add(line) {
                        // The last line of a program that was killed.
                        let what = format!(
                            "line {}: {error}; its values have the time of their row",
                            i + 1
                        );
                        issue(ErrorKind::Value(what));
                        break;
                    }
                }
            }
        }
        times.0.values_mut().for_each(|all| all.sort_by_key(|(step, _)| *step));
        times
    }

    fn add(&mut self, line: &[u8]) -> serde_json::Result<()> {
        let line: Line<'_> = serde_json::from_slice(line)?;
        for (key, time) in line.times {
            match self.0.get_mut(&*key) {
                Some(all) => all.push((line.step, time)),
                None => drop(self.0.insert(key.into_owned(), vec![(line.step, time)])),
            }
        }
        Ok(())
    }

    /// The wall time of the value of a key at a step, if it differs from the time of the row.
    pub(super) fn of<'t>(&'t self, key: &str) -> impl Fn(i64) -> Option<f64> + use<'t> {
        let all = self.0.get(key).map(Vec::as_slice).unwrap_or_default();
        move |step| {
            let after = all.partition_point(|(other, _)| *other <= step);
            let (found, time) = all.get(after.checked_sub(1)?)?;
            (*found == step).then_some(*time)
        }
    }
}
