//! Writes files and directories into a tar.

use std::fs::Metadata;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use tbx::error::{Error, ErrorKind, Result, failed};
use tbx::store::{Links, count_read, open_no_link, open_regular};

/// Maximum length of a name in bytes that always fits the header; a longer name is written before
/// it.
const MAX_NAME: usize = 99;

/// A file as it was packed.
pub(super) struct Sum {
    pub(super) sha256: [u8; 32],
    pub(super) metadata: Metadata,
}

/// Writes a directory without its content.
pub(super) fn directory(
    tar: &mut tar::Builder<impl Write>,
    below: &Path,
    metadata: &Metadata,
) -> io::Result<()> {
    append(tar, below, metadata, EntryType::Directory, io::empty())
}

pub(super) fn file(
    tar: &mut tar::Builder<impl Write>,
    below: &Path,
    path: &Path,
    links: Links,
) -> Result<Sum> {
    let failed = |error: io::Error| failed(error, path);
    let (file, metadata) = match links {
        Links::Inside => open_no_link(path),
        Links::All => open_regular(path),
    }
    .map_err(failed)?;
    let len = metadata.len();
    let mut content = Digesting::of(file.take(len));
    append(tar, below, &metadata, EntryType::Regular, &mut content).map_err(failed)?;
    let now = match links {
        Links::Inside => path.symlink_metadata(),
        Links::All => path.metadata(),
    }
    .map_err(failed)?;
    if content.len != len || !is_same(&now, &metadata) {
        return Err(changed(path));
    }
    Ok(Sum { sha256: content.digest(), metadata })
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    below: &Path,
    metadata: &Metadata,
    kind: EntryType,
    content: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_metadata(metadata);
    header.set_entry_type(kind);
    let len = if kind == EntryType::Directory { 0 } else { metadata.len() };
    header.set_size(len);
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let time = format!("{}.{:09}", modified.as_secs(), modified.subsec_nanos());
    let name = tar_name(below, kind == EntryType::Directory);
    let mut extensions = vec![("mtime", time.as_bytes())];
    let plain = name.len() <= MAX_NAME && name.is_ascii();
    if !plain {
        extensions.push(("path", name.as_slice()));
    }
    tar.append_pax_extensions(extensions)?;
    let short = name.get(..name.len().min(MAX_NAME)).unwrap_or_default();
    if let Some(field) = header.as_old_mut().name.get_mut(..short.len()) {
        field.copy_from_slice(short);
    }
    header.set_cksum();
    tar.append(&header, content)
}

/// The path with `/`; a directory's path also ends with `/`.
fn tar_name(below: &Path, is_dir: bool) -> Vec<u8> {
    let parts: Vec<_> = below.iter().map(|part| part.as_encoded_bytes()).collect();
    let mut name = parts.join(&b'/');
    if is_dir {
        name.push(b'/');
    }
    name
}

pub(super) fn is_same(a: &Metadata, b: &Metadata) -> bool {
    a.is_file() && a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

pub(super) fn changed(path: &Path) -> Error {
    failed(
        ErrorKind::Value("it changed while it was being packed; nothing was removed".into()),
        path,
    )
}

/// A reader that computes the digest of the bytes that it returned.
pub(super) struct Digesting<R> {
    inner: R,
    hash: Sha256,
    len: u64,
}

impl<R> Digesting<R> {
    pub(super) fn of(inner: R) -> Self {
        Self { inner, hash: Sha256::new(), len: 0 }
    }

    /// The SHA-256 of these bytes.
    pub(super) fn digest(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        count_read(n);
        self.hash.update(buffer.get(..n).unwrap_or_default());
        self.len = self.len.saturating_add(u64::try_from(n).unwrap_or(0));
        Ok(n)
    }
}
