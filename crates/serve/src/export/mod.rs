//! A static site: the page with its answers as files.
//!
//! A web server that only sends files cannot answer requests with forms and fields. So the site has a service worker,
//! `worker.js`, which the browser asks in place of the server, and which knows the file of each answer.

mod requests;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use tbx::error::{ErrorKind, Result, failed};
use tbx::replace::Folder;

use self::requests::EMBEDDINGS;
use crate::app::App;
use crate::http::{Answer, Body, Refusal};
use crate::page::{Page, ROOT};
use crate::routes;

/// The scripts of the site.
const SCRIPTS: [(&str, &str); 5] = [
    ("download.js", include_str!("download.js")),
    ("guard.js", include_str!("guard.js")),
    ("hparams.js", include_str!("hparams.js")),
    ("start.js", include_str!("start.js")),
    ("worker.js", include_str!("worker.js")),
];
/// The key of the sessions, which no request asks for: `hparams.js` makes the tables of them.
const SESSIONS: &str = "sessions?";
/// Registers the worker, and then goes to the page.
const INDEX: &str = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>TensorBoard</title>\n\
                     <script src=\"start.js\"></script>\n<p id=\"note\"></p>\n";

/// The result of [`Server::export`](crate::Server::export).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Number of runs.
    pub runs: usize,
    /// Number of answers.
    pub answers: usize,
    /// Number of bytes of all files.
    pub bytes: u64,
}

/// Writes the current state to a new directory.
///
/// # Errors
///
/// [`ErrorKind::Io`]: there is something at `directory`, or it cannot be written; [`ErrorKind::Value`]: a file of the
/// page is damaged.
pub(crate) fn export(app: &App, directory: &Path) -> Result<Exported> {
    let mut site = Site { folder: Folder::create(directory)?, bytes: 0 };
    site.page(&app.page)?;
    let mut index: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut count = 0;
    let mut add = |keys: Vec<String>, answer: std::result::Result<Answer, Refusal>| {
        let answer = match answer {
            Ok(answer) => answer,
            // A value that cannot be read is left out, as by the server.
            Err(Refusal::Unreadable(_) | Refusal::NotFound(_)) => return Ok(None),
            Err(Refusal::Invalid(_)) if keys.iter().any(|key| key.starts_with(EMBEDDINGS)) => {
                return Ok(None);
            }
            Err(refusal) => {
                return Err(failed(ErrorKind::Value(format!("{refusal:?}")), directory));
            }
        };
        site.write(&format!("answers/{count}"), &plain(&answer.body, directory)?)?;
        for key in keys {
            index.insert(key, (count, answer.content_type.clone()));
        }
        count += 1;
        Ok(Some(answer))
    };
    requests::all(app, &mut |asked| add(asked.keys, routes::answer(app, &asked.request)))?;
    add(vec![SESSIONS.to_owned()], routes::sessions(app))?;
    let json = serde_json::to_vec(&index).map_err(std::io::Error::from);
    site.write("answers.json", &json.map_err(|error| failed(error, directory))?)?;
    let runs = app.state.runs().iter().count();
    let Site { folder, bytes } = site;
    folder.finish()?;
    Ok(Exported { runs, answers: count, bytes })
}

/// The content of an answer.
fn plain(body: &Body, path: &Path) -> Result<Bytes> {
    body.plain().map_err(|refusal| failed(ErrorKind::Value(format!("{refusal:?}")), path))
}

struct Site {
    folder: Folder,
    bytes: u64,
}

impl Site {
    /// Writes the files of TensorBoard's page, and those of the site.
    fn page(&mut self, page: &Page) -> Result<()> {
        for name in page.names() {
            let answer = page.answer(name);
            let answer = answer
                .map_err(|refusal| failed(ErrorKind::Value(format!("{refusal:?}")), page.path()))?;
            let body = plain(&answer.body, page.path())?;
            match name {
                "index.html" => {
                    // Before all of TensorBoard's scripts.
                    let guard = br#"<script src="guard.js"></script>"#;
                    let rest = body.get(ROOT.len()..).unwrap_or_default();
                    self.write("page.html", &[ROOT, guard, rest].concat())?;
                }
                // Such a name would leave the directory.
                name if !is_below(name) => continue,
                name => self.write(name, &body)?,
            }
        }
        self.write("index.html", INDEX.as_bytes())?;
        SCRIPTS.iter().try_for_each(|(name, script)| self.write(name, script.as_bytes()))
    }

    fn write(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.folder.path().join(name);
        let io = |error| failed(ErrorKind::from(error), name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io)?;
        }
        fs::write(path, content).map_err(io)?;
        self.bytes += u64::try_from(content.len()).unwrap_or(0);
        Ok(())
    }
}

/// Whether a name in the archive is a path below its root.
fn is_below(name: &str) -> bool {
    let parts = name.split('/');
    !name.contains(['\\', ':']) && parts.into_iter().all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_directory_are_refused() {
        assert!(is_below("a/b.js"));
        for name in ["", "/a", "../a", "a/../b", "a//b", "a/", "c:\\x", "a\\b", "."] {
            assert!(!is_below(name), "{name}");
        }
    }
}
