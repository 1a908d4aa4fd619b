//! A mirror in a thread of the program that trains.

use std::path::Path;
use std::sync::mpsc::Receiver;

use super::{Mirror, MirrorEvent, Place};
use tbx::error::{Error, ErrorKind};
use tbx::logdir::LoadOptions;
use tbx::track::FollowRun;

impl FollowRun for Mirror {
    fn follow_run(&self, logdir: &Path, run: &str, end: &Receiver<()>) {
        let mirror = Self { to: self.to.clone().in_program(), ..self.clone() };
        let (logdir, run) = match &self.logdir {
            None => (logdir.to_owned(), run.to_owned()),
            Some(own) => match name_in(own, &logdir.join(run)) {
                Some(name) => (own.clone(), name),
                None => {
                    let text = format!(
                        "{} is not above the run in {}, which is mirrored from the directory above it",
                        own.display(),
                        logdir.join(run).display()
                    );
                    self.on_event.call(MirrorEvent::Message(&text));
                    (logdir.to_owned(), run.to_owned())
                }
            },
        };
        let logdirs = [logdir];
        // Its parts and children are in its directory.
        let place = Place { logdirs: &logdirs, part: Some(&run) };
        let options = LoadOptions::new();
        // The program's own threads stay for the program.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        let followed = match pool {
            Ok(pool) => mirror.follow(&place, &options, end, Some(&pool)),
            Err(error) => Err(Error::from(ErrorKind::from(std::io::Error::other(error)))),
        };
        if let Err(error) = followed {
            let text = format!("the run is not mirrored any more: {error}");
            self.on_event.call(MirrorEvent::Message(&text));
        }
    }

    fn is_late(&self, run: &str) {
        let text = format!(
            "the end of run {run:?} may not be in the tracker; `tbx mirror` or `tbx export` sends it"
        );
        self.on_event.call(MirrorEvent::Message(&text));
    }
}

/// The name of the run in `dir` in the log directory `logdir`.
fn name_in(logdir: &Path, dir: &Path) -> Option<String> {
    let [logdir, dir] = [logdir, dir].map(|path| path.canonicalize().ok());
    let name = dir?.strip_prefix(logdir?).ok()?.to_string_lossy().into_owned();
    Some(if name.is_empty() { ".".to_owned() } else { name })
}
