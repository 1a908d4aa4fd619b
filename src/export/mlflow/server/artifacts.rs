//! Artifacts to a tracking server.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::attachments::Attachment;
use super::Export;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::mlflow::Content;

/// Servers whose artifacts are elsewhere take files up to this size.
const MAX_UPLOAD: u64 = 10_000_000;

impl Export<'_> {
    /// Sends an artifact, unless it is there; how many bytes it has.
    pub(super) fn artifact(&self, i: usize, file: &Attachment) -> Result<Option<u64>> {
        let (id, uri, known) = self
            .remote(i, |remote| {
                let known = remote.synced.artifacts.get(&file.path).cloned();
                (remote.id.clone(), remote.artifact_uri.clone(), known)
            })
            .unwrap_or_default();
        let (digest, size) = digest(&file.content).map_err(|error| local(error, &file.content))?;
        if known.as_ref() == Some(&digest) {
            return Ok(None);
        }
        if let Some(root) = uri.strip_prefix("mlflow-artifacts:") {
            // Also with a host, which is this server.
            let root =
                root.strip_prefix("//").map_or(root, |r| r.split_once('/').map_or("", |r| r.1));
            let path = format!("{}/{}", root.trim_matches('/'), file.path);
            self.client.put_artifact(&path, &file.content)?;
        } else if size <= MAX_UPLOAD {
            self.client.upload_artifact(&id, &file.path, &file.content)?;
        } else if let Some(folder) = self.folder_here(&uri) {
            let to = folder.join(&file.path);
            copy(&file.content, &to).map_err(|error| failed(error, &to))?;
        } else {
            let run = self.plan.runs.get(i).map_or("", |run| run.name.as_str());
            self.warn(format!(
                "run {run:?}: {} has {size} bytes, and the server takes {MAX_UPLOAD} at most, as its \
                 artifacts are at {uri}: left out",
                file.path
            ));
            return Ok(None);
        }
        self.remote(i, |remote| remote.synced.artifacts.insert(file.path.clone(), digest));
        Ok(Some(size))
    }

    /// The folder of a run's artifacts, if it is on this machine.
    fn folder_here(&self, uri: &str) -> Option<PathBuf> {
        let path = Path::new(uri.strip_prefix("file://").unwrap_or(uri));
        let host = self.client.uri().split("://").nth(1)?;
        let is_local =
            ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host.starts_with(name));
        // The server has made the folder of the experiment, at least.
        let is_there = path.is_absolute() && path.ancestors().skip(1).take(2).any(Path::is_dir);
        (is_local && is_there).then(|| path.to_owned())
    }
}

fn digest(content: &Content) -> io::Result<(String, u64)> {
    let (mut reader, size) = content.open()?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let n = reader.read(&mut buffer)?;
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
    }
    Ok((hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), size))
}

fn copy(content: &Content, to: &Path) -> io::Result<()> {
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    io::copy(&mut content.open()?.0, &mut fs::File::create(to)?).map(drop)
}

fn local(error: io::Error, content: &Content) -> Error {
    match content {
        Content::File(_, path) => failed(error, path),
        Content::Bytes(_) => ErrorKind::from(error).into(),
    }
}

fn failed(error: io::Error, path: &Path) -> Error {
    ErrorKind::from(error).at(Location::path(path))
}
