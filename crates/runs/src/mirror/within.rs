//! A mirror in a thread of the program that trains.

use std::path::Path;
use std::sync::mpsc::Receiver;

use super::{Mirror, MirrorEvent};
use tbx::error::{Error, ErrorKind};
use tbx::logdir::LoadOptions;
use tbx::track::FollowRun;

impl FollowRun for Mirror {
    fn follow_run(&self, logdir: &Path, run: &str, end: &Receiver<()>) {
        let mirror = Self { to: self.to.clone().one_request_at_a_time(), ..self.clone() };
        let (logdir, run) = match &self.logdir {
            None => (logdir.to_owned(), run.to_owned()),
            Some(own) => match name_in(own, &logdir.join(run)) {
                Some(name) => (own.clone(), name),
                None => (logdir.to_owned(), run.to_owned()),
            },
        };
        // Its parts and children are in its directory.
        let inside = format!("{run}{}", std::path::MAIN_SEPARATOR);
        let options = LoadOptions::new()
            .runs(move |name| run == "." || name == run || name.starts_with(&inside));
        // The program's own threads stay for the program.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        let followed = match pool {
            Ok(pool) => mirror.follow(&[logdir], &options, end, Some(&pool)),
            Err(error) => Err(Error::from(ErrorKind::from(std::io::Error::other(error)))),
        };
        if let Err(error) = followed {
            let text = format!("the run is not mirrored any more: {error}");
            self.on_event.call(MirrorEvent::Message(&text));
        }
    }
}

/// The name of the run in `dir` in the log directory `logdir`.
fn name_in(logdir: &Path, dir: &Path) -> Option<String> {
    let [logdir, dir] = [logdir, dir].map(|path| std::path::absolute(path).ok());
    let name = dir?.strip_prefix(logdir?).ok()?.to_string_lossy().into_owned();
    Some(if name.is_empty() { ".".to_owned() } else { name })
}
