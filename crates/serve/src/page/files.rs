//! The files of the page, still compressed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use flate2::Crc;
use tbx::error::{ErrorKind, Result, failed};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use crate::http::{Answer, Body, Refusal};

/// Maximum size of the archive in bytes; that of TensorBoard 2.21 has 4.4 MB.
const MAX_ARCHIVE: u64 = 64 << 20;
/// Maximum number of files in the archive.
const MAX_FILES: usize = 10_000;
/// Maximum size of one of its files in bytes.
const MAX_FILE: u64 = 256 << 20;
/// Where the projector is in the package, next to the archive.
pub(super) const PROJECTOR: &str = "plugins/projector/tf_projector_plugin";
/// Its files.
pub(super) const PROJECTOR_FILES: &[&str] =
    &["index.js", "projector_binary.html", "projector_binary.js"];
/// Says where the page is: where it was loaded from.
pub(crate) const ROOT: &[u8] = br#"<!doctype html><meta name="tb-relative-root" content="./">"#;

/// The script that reloads the data of the page, and its name, which is none of TensorBoard's.
const REFRESH: (&str, &str) = ("tbx-refresh.js", include_str!("refresh.js"));
/// Minimum time between two reloads.
const MIN_REFRESH: Duration = Duration::from_secs(1);

/// TensorBoard's page: the files in the archive `webfiles.zip` of the Python package `tensorboard`.
pub struct Page {
    files: BTreeMap<String, PageFile>,
    /// The files of the projector, which are not in the archive; none if they are not next to it.
    projector: BTreeMap<&'static str, PageFile>,
    version: String,
    path: PathBuf,
    refresh: Option<Duration>,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({} files of {})", self.files.len(), self.path.display())
    }
}

/// One file, as gzip.
struct PageFile {
    gzip: Bytes,
    etag: String,
}

impl Page {
    /// Reads the archive at `path`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]; [`ErrorKind::Value`]: it is not an archive with the page.
    pub fn open(path: &Path) -> Result<Self> {
        let wrong = |what: String| failed(ErrorKind::Value(what), path);
        let io = |error| failed(ErrorKind::from(error), path);
        let file = File::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        file.take(MAX_ARCHIVE + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() > usize::try_from(MAX_ARCHIVE).unwrap_or(usize::MAX) {
            return Err(wrong(format!("an archive of more than {MAX_ARCHIVE} bytes")));
        }
        let not_zip =
            |error: ZipError| wrong(format!("not a zip archive with TensorBoard's page: {error}"));
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(not_zip)?;
        if archive.len() > MAX_FILES {
            return Err(wrong(format!("an archive of more than {MAX_FILES} files")));
        }
        let mut files = BTreeMap::new();
        for index in 0..archive.len() {
            let mut entry = archive.by_index_raw(index).map_err(not_zip)?;
            if entry.is_dir() || entry.size() > MAX_FILE {
                continue;
            }
            let name = entry.name().map_err(not_zip)?.into_owned();
            let (crc, size) = (entry.crc32(), entry.size());
            let method = entry.compression();
            let mut content = Vec::new();
            entry.by_ref().take(MAX_ARCHIVE).read_to_end(&mut content).map_err(io)?;
            let deflated = match method {
                CompressionMethod::Deflated => content,
                CompressionMethod::Stored => stored(&content),
                other => return Err(wrong(format!("the file {name:?} is compressed by {other}"))),
            };
            let etag = format!("\"{crc:08x}-{size}\"");
            files.insert(name, PageFile { gzip: gzip(&deflated, crc, size), etag });
        }
        if !files.contains_key("index.html") || !files.contains_key("index.js") {
            return Err(wrong("no index.html and index.js: not TensorBoard's page".to_owned()));
        }
        let version = version_beside(path).unwrap_or_default();
        let projector = projector_beside(path).unwrap_or_default();
        Ok(Self { files, projector, version, path: path.to_owned(), refresh: None })
    }

    /// Makes the page load new data again and again while it is visible, with `period` between two loads, at least a
    /// second. Default: as its settings say, which is never or every 30 seconds or more rarely.
    #[must_use]
    pub fn refresh(self, period: Duration) -> Self {
        Self { refresh: Some(period.max(MIN_REFRESH)), ..self }
    }

    /// The version of TensorBoard that the page is of; empty if it is not known.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The archive.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the page has the files of the projector.
    pub(crate) fn has_projector(&self) -> bool {
        !self.projector.is_empty()
    }

    /// A file of the projector.
    pub(crate) fn projector(&self, name: &str) -> Result<Answer, Refusal> {
        let missing = || Refusal::NotFound("Not found".to_owned());
        let file = self.projector.get(name).ok_or_else(missing)?;
        let body = Body::Gzip(file.gzip.clone());
        match content_type(name) {
            html if html.starts_with("text/html") => Ok(Answer::page(body.plain()?, "")),
            other => {
                let answer = Answer::bytes(other, Bytes::new());
                Ok(Answer { body, etag: Some(file.etag.clone()), ..answer })
            }
        }
    }

    /// The names of all files.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The file of a path in an address.
    pub(crate) fn answer(&self, path: &str) -> Result<Answer, Refusal> {
        let name = path.trim_start_matches('/');
        if name.is_empty() || name == "index.html" {
            let mut page = ROOT.to_vec();
            if let Some(period) = self.refresh {
                let (file, period) = (REFRESH.0, period.as_secs_f64());
                page.extend(
                    format!(r#"<script src="{file}" data-period="{period}"></script>"#)
                        .into_bytes(),
                );
            }
            let missing = || Refusal::NotFound("Not found".to_owned());
            let file = self.files.get("index.html").ok_or_else(missing)?;
            page.extend(Body::Gzip(file.gzip.clone()).plain()?);
            return Ok(Answer::page(page, ""));
        }
        if name == REFRESH.0 && self.refresh.is_some() {
            return Ok(Answer::bytes(content_type(name), Bytes::from_static(REFRESH.1.as_bytes())));
        }
        let missing = || Refusal::NotFound("Not found".to_owned());
        let file = self.files.get(name).ok_or_else(missing)?;
        let answer = Answer::bytes(content_type(name), Bytes::new());
        let body = Body::Gzip(file.gzip.clone());
        Ok(Answer { body, etag: Some(file.etag.clone()), ..answer })
    }
}

/// The files of the projector in the package that the archive is in, or in the cache.
fn projector_beside(archive: &Path) -> Option<BTreeMap<&'static str, PageFile>> {
    let directory = archive.parent()?.join(PROJECTOR);
    PROJECTOR_FILES
        .iter()
        .map(|name| {
            let mut content = Vec::new();
            let file = File::open(directory.join(name)).ok()?;
            file.take(MAX_ARCHIVE).read_to_end(&mut content).ok()?;
            let mut crc = Crc::new();
            crc.update(&content);
            let size = u64::try_from(content.len()).ok()?;
            let etag = format!("\"{:08x}-{size}\"", crc.sum());
            Some((*name, PageFile { gzip: gzip(&stored(&content), crc.sum(), size), etag }))
        })
        .collect()
}

/// Deflated bytes as gzip: both contain the same, between a header and a checksum.
fn gzip(deflated: &[u8], crc: u32, size: u64) -> Bytes {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    gzip.extend_from_slice(deflated);
    gzip.extend(crc.to_le_bytes());
    gzip.extend(u32::try_from(size & 0xffff_ffff).unwrap_or(0).to_le_bytes());
    gzip.into()
}

/// Bytes as deflated ones that are not compressed: blocks with a length and its complement.
fn stored(content: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(content.len() + 64);
    let mut blocks = content.chunks(usize::from(u16::MAX)).peekable();
    if blocks.peek().is_none() {
        deflated.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let len = u16::try_from(block.len()).unwrap_or(u16::MAX);
        deflated.push(u8::from(blocks.peek().is_none()));
        deflated.extend(len.to_le_bytes());
        deflated.extend((!len).to_le_bytes());
        deflated.extend_from_slice(block);
    }
    deflated
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or("") {
        "css" => "text/css; charset=utf-8",
        "gif" => "image/gif",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "js" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml; charset=utf-8",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// The version in the name of the directory `tensorboard-VERSION.dist-info` next to the package.
fn version_beside(archive: &Path) -> Option<String> {
    let packages = archive.parent()?.parent()?;
    let names = std::fs::read_dir(packages).ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        Some(name.strip_prefix("tensorboard-")?.strip_suffix(".dist-info")?.to_owned())
    });
    names.max()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    fn archive(method: CompressionMethod, names: &[&str]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut zip = ZipWriter::new(file.reopen().unwrap());
        for name in names {
            zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            zip.write_all(name.repeat(20_000).as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        file
    }

    #[test]
    fn files_are_served_as_they_are_in_the_archive() {
        for method in [CompressionMethod::Deflated, CompressionMethod::Stored] {
            let file = archive(method, &["index.html", "index.js", "a/b.css"]);
            let page = Page::open(file.path()).unwrap();
            for name in ["index.js", "a/b.css"] {
                let answer = page.answer(&format!("/{name}")).unwrap();
                // It is unpacked only for clients that do not accept gzip.
                assert!(matches!(answer.body, Body::Gzip(_)));
                assert_eq!(answer.body.plain().unwrap(), name.repeat(20_000));
            }
            let index = page.answer("/").unwrap();
            let body = index.body.plain().unwrap();
            assert!(body.starts_with(ROOT) && body.ends_with(b"index.html"));
            assert!(index.policy.is_some());
            for outside in ["/../index.js", "/a/../index.js", "//etc/passwd", "/a"] {
                assert!(page.answer(outside).is_err(), "{outside}");
            }
        }
    }

    #[test]
    fn the_page_is_refreshed_on_request() {
        let file = archive(CompressionMethod::Deflated, &["index.html", "index.js"]);
        let plain = |page: &Page, name| {
            let body = page.answer(name).ok()?.body.plain().unwrap();
            Some(String::from_utf8(body.to_vec()).unwrap())
        };
        let page = Page::open(file.path()).unwrap();
        assert!(!plain(&page, "/").unwrap().contains("<script"));
        assert_eq!(plain(&page, "/tbx-refresh.js"), None);
        for (millis, secs) in [(50, "1"), (1000, "1"), (2500, "2.5")] {
            let page = Page::open(file.path()).unwrap().refresh(Duration::from_millis(millis));
            let script = format!(r#"<script src="tbx-refresh.js" data-period="{secs}"></script>"#);
            assert!(plain(&page, "/").unwrap().contains(&script), "{millis}");
            assert!(plain(&page, "/tbx-refresh.js").unwrap().contains("setInterval"));
        }
    }

    #[test]
    fn another_file_is_refused() {
        let file = archive(CompressionMethod::Deflated, &["index.html"]);
        assert!(Page::open(file.path()).unwrap_err().to_string().contains("index.js"));
        std::fs::write(file.path(), "no archive").unwrap();
        assert!(Page::open(file.path()).unwrap_err().to_string().contains("zip"));
        assert!(Page::open(Path::new("/nowhere/webfiles.zip")).is_err());
    }
}
