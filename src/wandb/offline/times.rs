//! Wall times of values. A row of W&B has one time, but each value of a log has its own: those that differ from the time
//! of their row are in a file of the run, so that an import has them again.
//!
//! ```text
//! {"step":5,"times":[["loss",1700000000.25]]}
//! ```

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};

use serde::{Deserialize, Serialize};

use super::{FILES, KeyId, OfflineRun};
use crate::error::{Result, failed};
use crate::replace::disk;
use crate::wandb::record::{Content, FileItem, Files};

/// The path of the file in the directory of files.
pub const WALL_TIMES: &str = "tbx/wall_times.jsonl";

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line<'a> {
    /// The step in the log.
    pub step: i64,
    /// Keys, and the wall times of their values in seconds since the Unix epoch.
    #[serde(borrow)]
    pub times: Vec<(Cow<'a, str>, f64)>,
}

/// The file, and the times of the current row.
#[derive(Debug, Default)]
pub(super) struct Times {
    file: Option<BufWriter<File>>,
    row: Vec<(KeyId, f64)>,
}

impl OfflineRun {
    /// Says the wall time of a value of the current row, in seconds since the Unix epoch.
    #[inline]
    pub fn wall_time(&mut self, key: KeyId, wall_time: f64) {
        if wall_time.is_finite() && wall_time.to_bits() != self.at.1.to_bits() {
            // The values of a chart are in its table.
            let table = self.keys.get(key.0).and_then(|known| known.table);
            self.times.row.push((table.unwrap_or(key), wall_time));
        }
    }

    /// Writes the line of the current row, if it needs one.
    pub(super) fn write_times(&mut self) -> Result<()> {
        if self.times.row.is_empty() {
            return Ok(());
        }
        let path = self.dir.join(FILES).join(WALL_TIMES);
        if self.times.file.is_none() {
            let dir = path.parent().map_or(Ok(()), disk::create_dir_all);
            let file = dir.and_then(|()| disk::create_new(&path));
            self.times.file = Some(BufWriter::new(file.map_err(|error| failed(error, &path))?));
            let file = FileItem { path: WALL_TIMES.into(), policy: 0, r#type: 0 };
            self.put(Content::Files(Files { files: vec![file] }))?;
        }
        let Times { file, row } = &mut self.times;
        let Some(file) = file else { return Ok(()) };
        let name = |key: KeyId| Cow::from(self.keys.get(key.0).map_or("", |known| &known.name));
        let times = row.iter().map(|(key, time)| (name(*key), *time)).collect();
        let written = serde_json::to_writer(&mut *file, &Line { step: self.at.0, times });
        row.clear();
        let written = written.map_err(std::io::Error::from).and_then(|()| file.write_all(b"\n"));
        written.map_err(|error| failed(error, &path))
    }

    /// Passes the lines to the operating system.
    pub(super) fn flush_times(&mut self) -> Result<()> {
        let flushed = self.times.file.as_mut().map_or(Ok(()), Write::flush);
        flushed.map_err(|error| failed(error, self.dir.join(FILES).join(WALL_TIMES)))
    }
}
