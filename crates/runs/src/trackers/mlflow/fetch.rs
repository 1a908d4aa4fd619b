//! Fetches the files of a version of a registered model from a tracking server.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::calls::{list, part, text};
use super::{Client, ListedFile};
use crate::registry::{Stage, VersionName};
use tbx::error::{Error, ErrorKind, Result, failed};
use tbx::replace::{Folder, disk};
use tbx::safe_name;

/// The start of the address of a logged model.
const LOGGED: &str = "models:/";
/// The part of an address before the path of an artifact.
const ARTIFACTS: &str = "/artifacts/";

/// A version of a model that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchedModel {
    /// The number of the version.
    pub version: String,
    /// Number of files.
    pub files: usize,
    /// The size of all files in bytes.
    pub bytes: u64,
}

/// Where the files of a version are.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// The logged model with this id (MLflow 3).
    Model(String),
    /// In a directory, or at a path, among the artifacts of a run.
    Run { id: String, path: String },
}

impl Client {
    /// Copies the files of a version of a registered model, such as `models:/classifier/3`,
    /// `models:/classifier/production` or `models:/classifier@champion`, to `to`, a new or empty directory. The
    /// directory appears when it is complete.
    ///
    /// ```no_run
    /// use std::path::Path;
    /// use tbx_runs::trackers::mlflow::{Client, ClientSettings};
    ///
    /// let client = Client::new(ClientSettings::from_env(Some("http://127.0.0.1:5000"))?)?;
    /// let fetched = client.fetch_model(&"models:/classifier@champion".parse()?, Path::new("model"))?;
    /// println!("version {}, {} files", fetched.version, fetched.files);
    /// # Ok::<(), tbx::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the server has no such version; [`ErrorKind::Value`]: the version has no files on the
    /// server, or a file has another size than the server said; [`ErrorKind::Io`], [`ErrorKind::Server`].
    pub fn fetch_model(&self, name: &VersionName, to: &Path) -> Result<FetchedModel> {
        let found = self.model_version(name)?;
        let source = Source::of(&found).ok_or_else(|| {
            let what = format!(
                "the files of {name} are at {:?}, which the server does not send",
                tbx::redact::address(&text(&found, "source"))
            );
            ErrorKind::Value(what)
        })?;
        let files = self.files_of(&source)?;
        if files.is_empty() {
            return Err(Error::from(ErrorKind::Value(format!(
                "{name} has no files on the server"
            ))));
        }
        let folder = Folder::create(to)?;
        let (count, mut bytes) = (files.len(), 0u64);
        for (below, file) in files {
            let place = folder.file(&local(&below)?);
            bytes = bytes.saturating_add(self.save(&source, &file, &place)?);
        }
        folder.finish()?;
        Ok(FetchedModel { version: text(&found, "version"), files: count, bytes })
    }

    /// The server's answer about a version.
    fn model_version(&self, name: &VersionName) -> Result<Value> {
        let none = || Error::argument(format!("{} has no {name}", self.uri()));
        let (model, version) = (name.model.as_str(), name.version.as_str());
        if let Some(number) = name.number() {
            let number = number.to_string();
            let query = [("name", model), ("version", number.as_str())];
            let found = self.find("/model-versions/get", &query)?.ok_or_else(none)?;
            return Ok(part(&found, "model_version").clone());
        }
        let stage = version.parse::<Stage>().ok().filter(|_| !name.is_alias);
        if stage.is_none() && (name.is_alias || version != "latest") {
            let query = [("name", model), ("alias", version)];
            let found = self.find("/registered-models/alias", &query);
            return match found {
                Ok(Some(found)) => Ok(part(&found, "model_version").clone()),
                Ok(None) => Err(none()),
                // Servers call an alias that does not exist an invalid parameter.
                Err(error) if is_invalid(&error) => Err(none()),
                Err(error) => Err(error),
            };
        }
        let stages: Vec<_> = stage.iter().map(|stage| stage.name()).collect();
        let body = json!({ "name": model, "stages": stages });
        let found = match self.try_post("/registered-models/get-latest-versions", &body)? {
            Ok(found) => found,
            Err(refused) if refused.code == "RESOURCE_DOES_NOT_EXIST" => return Err(none()),
            Err(refused) => {
                return Err(self.refused("/registered-models/get-latest-versions", refused));
            }
        };
        let number = |version: &&Value| text(version, "version").parse::<u64>().ok();
        list(&found, "model_versions").max_by_key(number).cloned().ok_or_else(none)
    }

    /// The files of a version: the path of each below the model, and as the server lists it.
    fn files_of(&self, source: &Source) -> Result<Vec<(String, ListedFile)>> {
        Ok(match source {
            Source::Model(id) => {
                let files = self.model_files(id)?.into_iter();
                files.map(|file| (file.path.clone(), file)).collect()
            }
            Source::Run { id, path } => {
                let below = |file: ListedFile| {
                    let rest = match file.path.strip_prefix(path.as_str())? {
                        "" => file.path.rsplit('/').next()?,
                        rest if path.is_empty() => rest,
                        rest => rest.strip_prefix('/')?,
                    };
                    Some((rest.to_owned(), file.clone()))
                };
                self.artifacts(id)?.into_iter().filter_map(below).collect()
            }
        })
    }

    /// Writes a file. Returns its size.
    fn save(&self, source: &Source, file: &ListedFile, to: &Path) -> Result<u64> {
        let created = to.parent().map_or(Ok(()), disk::create_dir_all);
        let created = created.and_then(|()| disk::create_new(to));
        let created = created.map_err(|error| failed(error, to))?;
        let size = match source {
            Source::Model(id) => copy(self.model_file(id, &file.path, file.size)?, created),
            Source::Run { id, .. } => copy(self.artifact(id, &file.path, file.size)?, created),
        };
        let size = size.map_err(|error| failed(error, to))?;
        match file.size.filter(|listed| *listed != size) {
            Some(listed) => {
                let what =
                    format!("{:?} has {listed} bytes, but the server sent {size}", file.path);
                Err(Error::from(ErrorKind::Value(what)))
            }
            None => Ok(size),
        }
    }
}

/// Whether the server does not accept a parameter.
fn is_invalid(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Server { code, .. } if code == "INVALID_PARAMETER_VALUE")
}

fn copy(mut from: impl io::Read, to: File) -> io::Result<u64> {
    let mut to = BufWriter::new(to);
    let size = io::copy(&mut from, &mut to)?;
    to.flush()?;
    to.get_ref().sync_data()?;
    Ok(size)
}

/// The path here of a file that the server lists.
fn local(path: &str) -> Result<PathBuf> {
    let parts: Vec<_> = path.split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        let what = format!("the server lists {path:?}, which is not the name of a file");
        return Err(Error::from(ErrorKind::Value(what)));
    }
    Ok(parts.into_iter().map(safe_name::encode).collect())
}

impl Source {
    /// Where the files of a version are; `None` if only other programs can read them.
    fn of(version: &Value) -> Option<Self> {
        let (source, run) = (text(version, "source"), text(version, "run_id"));
        let id = text(version, "model_id");
        if !id.is_empty() {
            return Some(Self::Model(id));
        }
        if let Some(id) = source.strip_prefix(LOGGED) {
            return (!id.contains('/')).then(|| Self::Model(id.to_owned()));
        }
        if let Some(rest) = source.strip_prefix("runs:/") {
            let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
            return Some(Self::Run { id: id.into(), path: path.trim_end_matches('/').into() });
        }
        let marked = format!("/{run}{ARTIFACTS}");
        let (_, path) = source.split_once(&marked).filter(|_| !run.is_empty())?;
        Some(Self::Run { id: run, path: path.trim_end_matches('/').into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_version_are_where_its_source_says() {
        let run = |path: &str| Some(Source::Run { id: "r1".into(), path: path.into() });
        for (source, model, expected) in [
            ("runs:/r1/model", "", run("model")),
            ("mlflow-artifacts:/0/r1/artifacts/a/model/", "", run("a/model")),
            ("/srv/mlruns/0/r1/artifacts/model", "", run("model")),
            ("s3://bucket/0/r1/artifacts/model", "m-1", Some(Source::Model("m-1".into()))),
            ("models:/m-2", "", Some(Source::Model("m-2".into()))),
            ("models:/other/3", "", None),
            ("s3://bucket/model", "", None),
        ] {
            let version = json!({ "source": source, "run_id": "r1", "model_id": model });
            assert_eq!(Source::of(&version), expected, "{source}");
        }
        assert_eq!(Source::of(&json!({ "source": "//artifacts/x" })), None);
    }

    #[test]
    fn a_server_cannot_name_files_elsewhere() {
        for path in ["../a", "/a", "a//b", "a/..", ".", ""] {
            assert!(local(path).is_err(), "{path}");
        }
        assert_eq!(local("a/b.bin").unwrap(), Path::new("a/b.bin"));
        assert_eq!(local("a\\..\\b").unwrap(), Path::new("a%5c..%5cb"));
    }
}
