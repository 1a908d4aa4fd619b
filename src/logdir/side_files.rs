//! Finds problems in the files next to the event files of a run.

use std::path::Path;

use super::embeddings::{SavedEmbedding, in_directory};
use crate::error::{Effect, Error, Issue, Location};
#[cfg(feature = "meta")]
use crate::meta::{RunMeta, yaml};
use crate::store::{Links, is_url};

/// Reports the parts of `tbx.json`, `hparams.yaml` and the projector's configuration that cannot be read, in the
/// directory of the run `name`, and the files listed in the configuration that do not exist.
#[doc(hidden)]
pub fn issues(name: &str, dir: &Path, links: Links) -> Vec<Issue> {
    look(name, dir, links).0
}

/// Like [`issues`]. Also returns the embeddings of the run.
#[doc(hidden)]
pub fn look(name: &str, dir: &Path, links: Links) -> (Vec<Issue>, Vec<SavedEmbedding>) {
    let (mut issues, mut embeddings) = (Vec::new(), Vec::new());
    let mut note = |error: Error| {
        let location = Location { run: Some(name.to_owned()), ..error.location().clone() };
        let (kind, effect) = (error.into_kind(), Effect::SkippedFile);
        issues.push(Issue { location, kind, effect });
    };
    #[cfg(feature = "meta")]
    {
        RunMeta::read_in(dir, links).err().map(&mut note);
        yaml::read(dir, links).err().map(&mut note);
    }
    if !is_url(dir) {
        for read in in_directory(dir, links) {
            match read {
                Ok(saved) => {
                    saved.iter().for_each(|saved| missing(saved, &mut note));
                    embeddings.extend(saved);
                }
                Err(error) => note(error),
            }
        }
    }
    (issues, embeddings)
}

fn missing(saved: &SavedEmbedding, note: &mut impl FnMut(Error)) {
    for (_, name) in saved.files() {
        saved.open(name).err().map(&mut *note);
    }
}
