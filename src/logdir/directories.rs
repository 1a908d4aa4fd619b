//! Finds files next to logs that may be in any directory of a logdir.

use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::{Error, failed};
use crate::event::{is_event_file, other_file_at};
use crate::meta::{self, ARTIFACTS};
use crate::replace::is_temporary;
use crate::store::{self, Listing};

/// The directories that contain a file with a certain name.
#[derive(Debug, Default)]
pub struct Directories {
    /// Sorted by path.
    pub found: Vec<PathBuf>,
    /// Directories that cannot be read. They may contain more such files.
    pub unreadable: Vec<Error>,
}

impl Directories {
    /// Finds the directories with a file `name`, at and below `logdir`, which may be a URL. Links to directories
    /// are not followed, and artifacts of a run do not count.
    #[doc(hidden)]
    pub fn with(name: &str, logdir: &Path) -> Self {
        let mut all = Self::default();
        match store::is_url(logdir) {
            true => all.list(name, logdir),
            false => all.walk(name, logdir),
        }
        all.found.sort();
        all
    }

    fn list(&mut self, name: &str, url: &Path) {
        let files = match store::list(url, |_| false) {
            Ok(Listing::Files { files, .. }) => files,
            Ok(Listing::File) => Vec::new(),
            Err(error) => {
                self.unreadable.push(failed(error, url));
                Vec::new()
            }
        };
        let directory = |file: &String| match file.rsplit_once('/') {
            Some((directory, found)) => (found == name).then(|| url.join(directory)),
            None => (file == name).then(|| url.to_owned()),
        };
        self.found.extend(files.iter().filter_map(directory));
    }

    fn walk(&mut self, name: &str, logdir: &Path) {
        let mut walk = WalkDir::new(logdir).into_iter();
        while let Some(entry) = walk.next() {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {
                    let found = entry.file_name();
                    let is_kept = found == ARTIFACTS && entry.path().parent().is_some_and(is_run);
                    if entry.depth() > 0 && (is_kept || is_temporary(found)) {
                        walk.skip_current_dir();
                    }
                }
                Ok(entry) if entry.file_name() == name => {
                    self.found.extend(entry.path().parent().map(Path::to_owned));
                }
                Ok(_) => {}
                Err(error) => {
                    let path = error.path().unwrap_or(logdir).to_owned();
                    let cause =
                        error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
                    if cause.kind() != io::ErrorKind::NotFound {
                        self.unreadable.push(failed(cause, path));
                    }
                }
            }
        }
    }
}

/// Returns whether a directory belongs to a run, that is, contains `tbx.json` or an event file.
pub fn is_run(dir: &Path) -> bool {
    let mut files = dir.read_dir().into_iter().flatten().flatten();
    files.any(|file| {
        let name = file.file_name();
        let is_log = || is_event_file(&name) && !matches!(other_file_at(&file.path()), Ok(Some(_)));
        name == meta::FILE || is_log()
    })
}
