//! Stores artifacts of the runs in a database as files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::Database;
use crate::trackers::mlflow::Content;
use crate::trackers::mlflow::tracking::Placed;
use tbx::error::{Result, failed};
use tbx::replace::replace;

/// Name of the artifact directory in the directory of a run.
const ARTIFACTS: &str = "artifacts";

impl Database {
    pub(super) fn copy(
        &self,
        run: &str,
        uri: &str,
        path: &str,
        content: &Content,
    ) -> Result<Placed> {
        let folder = match self.folder(uri) {
            Ok(folder) => folder,
            Err(why) => return Ok(Placed::Refused(why)),
        };
        // The database may contain any location.
        if !folder.ends_with(Path::new(run).join(ARTIFACTS)) {
            return Ok(Placed::Refused(format!("{uri} is not an artifact directory of run {run}")));
        }
        let to = folder.join(path);
        let failed = |error: io::Error| failed(error, &to);
        to.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
        let (mut from, _) = content.open().map_err(failed)?;
        replace(&to, |out| io::copy(&mut from, out).map(drop))?;
        Ok(Placed::Done)
    }

    /// The directory at `uri`, or the reason why there is none.
    fn folder(&self, uri: &str) -> Result<PathBuf, String> {
        if let Some(below) = uri.strip_prefix("mlflow-artifacts:") {
            let Some(root) = &self.artifacts else {
                return Err(format!(
                    "only the server knows the directory of {uri}; set \
                     `MlflowTarget::Database::artifacts` to the \
                     server's --artifacts-destination"
                ));
            };
            // The address may contain a host.
            let below =
                below.strip_prefix("//").map_or(below, |r| r.split_once('/').map_or("", |r| r.1));
            let below = below.trim_matches('/');
            let is_clean = below.split('/').all(|part| !matches!(part, "" | "." | ".."));
            return match is_clean {
                true => Ok(root.join(below)),
                false => Err(format!("{uri} leads out of the artifact root")),
            };
        }
        if let Some(path) = uri.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let path = percent_decode_str(path).decode_utf8_lossy();
            return Ok(PathBuf::from(&*path));
        }
        if uri.contains("://") {
            return Err(format!("tbx cannot write artifacts to {uri}; export to a server instead"));
        }
        // MLflow makes paths absolute; others are relative to the directory of the database.
        Ok(self.path.parent().unwrap_or(Path::new("")).join(uri))
    }
}

/// The artifact location of the experiment `id`, like those of others (their ids and locations).
pub(super) fn location(id: i64, others: &[(i64, String)], database: &Path) -> String {
    let root = others.iter().find_map(|(id, location)| {
        let root = location.trim_end_matches('/').strip_suffix(&id.to_string())?;
        root.ends_with('/').then(|| root.to_owned())
    });
    root.map_or_else(
        || {
            let root = database.parent().unwrap_or(Path::new("")).join("mlruns");
            root.join(id.to_string()).to_string_lossy().into_owned()
        },
        |root| format!("{root}{id}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_of_a_new_experiment_go_where_those_of_others_are() {
        let path = Path::new("/data/mlflow.db");
        let of = |location: &str| [(0, location.to_owned())];
        assert_eq!(location(7, &of("mlflow-artifacts:/0"), path), "mlflow-artifacts:/7");
        assert_eq!(location(7, &of("/srv/mlruns/0"), path), "/srv/mlruns/7");
        assert_eq!(location(7, &of("s3://bucket/0/"), path), "s3://bucket/7");
        assert_eq!(location(7, &of("/srv/special"), path), "/data/mlruns/7");
        assert_eq!(location(7, &[], path), "/data/mlruns/7");
    }
}
