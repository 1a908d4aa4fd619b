//! Sends artifacts that are not in MLflow yet.

use std::io;

use super::super::attachments::{self, Attachment};
use super::Export;
use crate::trackers::mlflow::{Content, Placed};
use tbx::digest;
use tbx::error::{Error, ErrorKind, Result, failed};

impl Export<'_> {
    /// Sends an artifact, unless it is already in MLflow. Returns its size in bytes.
    pub(super) fn artifact(&self, i: usize, file: &Attachment) -> Result<Option<u64>> {
        let (id, uri, known) = self
            .remote(i, |remote| {
                let known = remote.synced.artifacts.get(&file.path).cloned();
                (remote.id.clone(), remote.artifact_uri.clone(), known)
            })
            .unwrap_or_default();
        if let Some(issue) = attachments::unreadable(&file.content) {
            self.note(|notes| notes.left.push(issue));
            return Ok(None);
        }
        let digest = file.content.open().and_then(|(mut reader, _)| digest::read(&mut reader));
        let (size, digest) = digest.map_err(|error| local(error, &file.content))?;
        if known.as_ref() == Some(&digest) {
            return Ok(None);
        }
        match self.store.put(&id, &uri, &file.path, &file.content, size)? {
            Placed::Done => {}
            Placed::Refused(why) => {
                let run = self.plan.runs.get(i).map_or("", |run| run.name.as_str());
                self.warn(format!("run {run:?}: artifact {:?} is not exported: {why}", file.path));
                return Ok(None);
            }
        }
        self.remote(i, |remote| remote.synced.artifacts.insert(file.path.clone(), digest));
        Ok(Some(size))
    }
}

fn local(error: io::Error, content: &Content) -> Error {
    match content {
        Content::File(_, path) => failed(error, path),
        Content::Bytes(_) => ErrorKind::from(error).into(),
    }
}
