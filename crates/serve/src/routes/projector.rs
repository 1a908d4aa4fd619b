//! The dashboard Projector. Its files and its data are not in the event log: the page's part comes from the package
//! `tensorboard`, and the embeddings are files in the directory of a run, which its `projector_config.pbtxt` names.

use std::path::Path;

use serde::Serialize;
use tbx::pb::projector::{EmbeddingInfo, SpriteMetadata};
use tbx::{Embedding, SavedEmbedding, store};

use crate::app::App;
use crate::http::{Answer, Refusal, Request};
use crate::state::Run;

/// Name of the dashboard, and of its tab.
pub(super) const NAME: &str = "projector";
/// The script that draws the dashboard. The page asks for a document in a frame, [`entry`], that loads it.
pub(super) const MODULE: &str = "/data/plugin/projector/index.js";
/// The script of that document.
const SCRIPT: &str = "import(\"./index.js\").then((module) => void module.render());";
/// The SHA-256 of that, for the policy of the document.
const SCRIPT_DIGEST: &str = " 'sha256-njqVT4N+lXFdrs0iNhTuEBGG0Lr0jCiEUEuqF4c3e7g='";
/// Maximum size of a file of an embedding in bytes.
const MAX_FILE: u64 = 512 << 20;

/// Whether there is something to show, and the page to show it.
pub(super) fn is_active(app: &App) -> bool {
    app.page.has_projector() && !runs_with_embeddings(app).is_empty()
}

fn runs_with_embeddings(app: &App) -> Vec<String> {
    app.embedded.runs(|| {
        let runs = app.state.runs();
        // A configuration that cannot be read has no embeddings, as in TensorBoard. `tbx inspect` reports it.
        let has_some = |run: &Run| {
            let found = directory(run).map(SavedEmbedding::of_run);
            found.is_some_and(|found| found.is_ok_and(|all| !all.is_empty()))
        };
        runs.iter().filter(|(_, run)| has_some(run)).map(|(name, _)| name.to_owned()).collect()
    })
}

/// The directory of the event files of a run on this machine.
fn directory(run: &Run) -> Option<&Path> {
    let directory = run.files().last()?.path.parent()?;
    (!store::is_url(directory)).then_some(directory)
}

/// The embeddings of the run that the request names.
fn embeddings(app: &App, request: &Request) -> Result<Vec<SavedEmbedding>, Refusal> {
    let run = request.need("run")?;
    let unknown = || Refusal::Invalid(format!("Unknown run: {run:?}"));
    let place = {
        let runs = app.state.runs();
        runs.get(run).and_then(directory).ok_or_else(unknown)?.to_owned()
    };
    let found = SavedEmbedding::of_run(place).map_err(|error| unreadable(&error))?;
    if found.is_empty() { Err(unknown()) } else { Ok(found) }
}

/// The embedding that the request names.
fn embedding(app: &App, request: &Request) -> Result<SavedEmbedding, Refusal> {
    let name = request.need("name")?;
    let is_asked = |saved: &SavedEmbedding| is_name(shown_name(saved.info()), name);
    let found = embeddings(app, request)?.into_iter().find(is_asked);
    found.ok_or_else(|| Refusal::Invalid(format!("there is no embedding {name:?}")))
}

fn unreadable(error: &tbx::Error) -> Refusal {
    Refusal::Invalid(error.to_string())
}

/// The name of an embedding, without the `:0` at the end of TensorFlow's names. One without a name has its file's.
fn shown_name(info: &EmbeddingInfo) -> &str {
    let file = info.tensor_path.rsplit('/').next().unwrap_or_default();
    let name = if info.tensor_name.is_empty() { file } else { &info.tensor_name };
    name.strip_suffix(":0").unwrap_or(name)
}

/// Whether a name in a request is that of an embedding: with `:0` or without.
fn is_name(shown: &str, asked: &str) -> bool {
    asked == shown || !shown.contains(':') && asked.strip_suffix(":0") == Some(shown)
}

/// The document in the frame.
pub(super) fn entry(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let name = request.need("name")?;
    if name != NAME || !app.page.has_projector() {
        return Err(Refusal::NotFound(format!("there is no dashboard {name:?} of this kind")));
    }
    let html = format!(
        "<!doctype html>\n<head><base href=\"plugin/{NAME}/\" /></head>\n<body><script \
         type=\"module\">{SCRIPT}</script></body>\n"
    );
    Ok(Answer::page(html, SCRIPT_DIGEST))
}

/// A file of the projector's page.
pub(super) fn file(app: &App, request: &Request) -> Result<Answer, Refusal> {
    app.page.projector(request.path.rsplit('/').next().unwrap_or_default())
}

pub(super) fn runs(app: &App, _: &Request) -> Result<Answer, Refusal> {
    Answer::json(&runs_with_embeddings(app))
}

/// The configuration of a run, in the form of protobuf's JSON.
#[derive(Serialize)]
struct Config<'a> {
    embeddings: Vec<Shown<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    tensor_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata_path: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    bookmarks_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tensor_shape: Option<[u64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sprite: Option<ShownSprite<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tensor_path: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownSprite<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    image_path: &'a str,
    #[serde(skip_serializing_if = "<[u32]>::is_empty")]
    single_image_dim: &'a [u32],
}

impl<'a> Shown<'a> {
    fn of(saved: &'a SavedEmbedding) -> Self {
        let info = saved.info();
        let sprite = |sprite: &'a SpriteMetadata| ShownSprite {
            image_path: &sprite.image_path,
            single_image_dim: &sprite.single_image_dim,
        };
        Self {
            tensor_name: shown_name(info),
            metadata_path: &info.metadata_path,
            bookmarks_path: &info.bookmarks_path,
            tensor_shape: saved.shape(),
            sprite: info.sprite.as_ref().map(sprite),
            tensor_path: &info.tensor_path,
        }
    }
}

pub(super) fn info(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let saved = embeddings(app, request)?;
    Answer::json(&Config { embeddings: saved.iter().map(Shown::of).collect() })
}

/// The numbers of an embedding: little-endian float32, row by row.
pub(super) fn tensor(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let saved = embedding(app, request)?;
    let count = rows(request)?;
    let info = saved.info();
    // Points without labels and images are shown, too, so neither is read.
    let tensors = content(&saved, &info.tensor_path)?;
    let embedding = Embedding::from_files(info, &tensors, None, None)
        .map_err(|kind| Refusal::Invalid(format!("{}: {kind}", info.tensor_path)))?;
    let numbers = embedding.points().take(count).flatten();
    let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
    Ok(Answer::bytes("application/octet-stream", bytes))
}

/// The labels of an embedding: a line per point, after a header if there are several columns.
pub(super) fn metadata(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let saved = embedding(app, request)?;
    let bytes = content(&saved, &saved.info().metadata_path)?;
    let text = String::from_utf8_lossy(&bytes);
    let has_header = text.lines().next().is_some_and(|line| line.contains('\t'));
    let count = rows(request)?.saturating_add(usize::from(has_header));
    let lines: String = text.split_inclusive('\n').take(count).collect();
    Ok(Answer::text("text/plain; charset=utf-8", lines))
}

pub(super) fn bookmarks(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let saved = embedding(app, request)?;
    let bytes = content(&saved, &saved.info().bookmarks_path)?;
    Ok(Answer::bytes("application/json", bytes))
}

pub(super) fn sprite_image(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let saved = embedding(app, request)?;
    let sprite = saved.info().sprite.as_ref().map_or("", |sprite| &sprite.image_path);
    let bytes = content(&saved, sprite)?;
    // Only images, so that no file of a log is a document of this server.
    let kind = match bytes.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, ..] => "image/jpeg",
        [b'G', b'I', b'F', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        _ => return Err(Refusal::Invalid(format!("{sprite:?} is not an image"))),
    };
    Ok(Answer::bytes(kind, bytes))
}

/// The content of a file that the configuration names.
fn content(saved: &SavedEmbedding, name: &str) -> Result<Vec<u8>, Refusal> {
    if name.is_empty() {
        let what = format!("embedding {:?} has no such file", saved.name());
        return Err(Refusal::Invalid(what));
    }
    let (file, len) = saved.open(name).map_err(|error| unreadable(&error))?;
    if len > MAX_FILE {
        return Err(Refusal::Invalid(format!("{name} has {len} bytes, more than {MAX_FILE}")));
    }
    store::read_range(&file, 0..len).map_err(|error| Refusal::Invalid(format!("{name}: {error}")))
}

/// The number of points that are asked for.
fn rows(request: &Request) -> Result<usize, Refusal> {
    let Some(rows) = request.get("num_rows").filter(|rows| !rows.is_empty()) else {
        return Ok(usize::MAX);
    };
    let wrong = || Refusal::Invalid(format!("num_rows is {rows:?}, not a number above 0"));
    rows.parse().ok().filter(|rows| *rows > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_policy_has_the_digest_of_the_script() {
        let base64 = SCRIPT_DIGEST.strip_prefix(" 'sha256-").unwrap().strip_suffix('\'').unwrap();
        let digest = tbx::digest::hex(STANDARD.decode(base64).unwrap());
        assert_eq!(digest, tbx::digest::sha256(SCRIPT));
    }

    #[test]
    fn a_name_may_have_the_end_of_a_name_of_tensorflow() {
        for (shown, asked, expected) in [
            ("a", "a", true),
            ("a", "a:0", true),
            ("a:00003", "a:00003", true),
            ("a:00003", "a:00003:0", false),
            ("a", "b:0", false),
            ("a", "a:1", false),
        ] {
            assert_eq!(is_name(shown, asked), expected, "{shown} {asked}");
        }
    }

    #[test]
    fn names_are_those_of_the_page() {
        for (name, path, shown) in
            [("a:0", "x.tsv", "a"), ("a:00003", "x.tsv", "a:00003"), ("", "d/x.tsv", "x.tsv")]
        {
            let (tensor_name, tensor_path) = (name.into(), path.into());
            let info = EmbeddingInfo { tensor_name, tensor_path, ..EmbeddingInfo::default() };
            assert_eq!(shown_name(&info), shown);
        }
    }
}
