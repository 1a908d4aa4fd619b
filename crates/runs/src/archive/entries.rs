//! Reads an archive entry by entry.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tar::{EntryType, PaxExtensions};

use super::invalid;
use super::paths::Paths;
use tbx::store::{count_read, open_regular};

/// Maximum number of bytes before an entry that describe it: they are kept in memory.
const MAX_EXTENSION: u64 = 1 << 20;
/// Size of the blocks of a tar in bytes.
const BLOCK: u64 = 512;
/// Maximum number of characters of a name in an error message.
const MAX_SHOWN: usize = 200;

/// A file or a directory in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its path below the log directory.
    pub path: PathBuf,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Its size in bytes.
    pub size: u64,
    /// The time of its last change.
    pub modified: SystemTime,
    /// Its permissions, as on Unix.
    pub mode: u32,
}

/// The start of a zstd frame (RFC 8878, section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Whether the file at `path` begins like an archive.
pub(super) fn is_archive(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    open_regular(path)?.0.take(4).read_to_end(&mut start)?;
    Ok(start == ZSTD)
}

/// Passes every entry of the archive at `path`, with its bytes, to `f`. Unpacks at most `max`
/// bytes, whatever the archive contains; memory use grows only with the number of entries.
/// Contradictions in the archive are an error, which may come after some entries were passed.
pub(super) fn each(
    path: &Path,
    max: u64,
    mut f: impl FnMut(&Entry, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = BufReader::new(open_regular(path)?.0);
    if !file.fill_buf()?.starts_with(&ZSTD) {
        return Err(invalid("not an archive of tbx, which is a tar compressed with zstd"));
    }
    let limited = Limited { inner: zstd::Decoder::with_buffer(file)?, left: max, max };
    let mut archive = tar::Archive::new(limited);
    let (mut before, mut paths, mut end) = (Before::default(), Paths::default(), 0);
    // Raw, because the crate itself would read names of any length into memory.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let size = entry.header().entry_size()?;
        end = entry.raw_file_position().saturating_add(size);
        match entry.header().entry_type() {
            EntryType::XHeader => before.pax(&extension(&mut entry)?)?,
            EntryType::GNULongName => before.long_name(extension(&mut entry)?)?,
            EntryType::XGlobalHeader => drop(extension(&mut entry)?),
            kind @ (EntryType::Regular | EntryType::Continuous | EntryType::Directory) => {
                let before = std::mem::take(&mut before);
                let header = entry.header();
                let name = before.path.unwrap_or_else(|| header.path_bytes().into_owned());
                let seconds = Duration::from_secs(header.mtime()?);
                if before.size.is_some_and(|said| said != size) {
                    return Err(said(&name, "has two sizes"));
                }
                let is_dir = kind == EntryType::Directory;
                let Some(path) = clean(&name)?.filter(|_| is_dir || !name.ends_with(b"/")) else {
                    match is_dir {
                        true => continue, // the log directory itself
                        false => {
                            return Err(said(
                                &name,
                                "is a file, but its name is not that of a file",
                            ));
                        }
                    }
                };
                if is_dir && size > 0 {
                    return Err(said(&name, "is a directory, but has content"));
                }
                paths.add(&path, is_dir)?;
                let modified = UNIX_EPOCH.checked_add(before.modified.unwrap_or(seconds));
                let modified = modified.unwrap_or(UNIX_EPOCH);
                let mode = header.mode()? & 0o777;
                f(&Entry { path, is_dir, size, modified, mode }, &mut entry)?;
            }
            EntryType::Symlink | EntryType::Link => {
                return Err(said(&header_name(&entry), "is a link, which tbx does not unpack"));
            }
            _ => {
                let what = "is neither a file nor a directory, and tbx does not unpack it";
                return Err(said(&header_name(&entry), what));
            }
        }
    }
    let mut rest = archive.into_inner();
    // Blocks of zeros mark the end. Without the first of them, the archive was cut off between two
    // entries.
    if rest.max - rest.left <= end.next_multiple_of(BLOCK) || before != Before::default() {
        return Err(invalid("the archive ends too early"));
    }
    // The checksum of the stream comes after the last block.
    let mut buffer = [0; 1 << 13];
    loop {
        let n = rest.read(&mut buffer)?;
        let read = buffer.get(..n).filter(|read| !read.is_empty());
        let Some(read) = read else { return Ok(()) };
        if read.iter().any(|byte| *byte != 0) {
            return Err(invalid("there is data after the end of the archive"));
        }
    }
}

/// An error about the entry of this name.
fn said(name: &[u8], what: &str) -> io::Error {
    let name: String = String::from_utf8_lossy(name).chars().take(MAX_SHOWN).collect();
    invalid(&format!("entry {name:?} {what}"))
}

fn header_name<R: Read>(entry: &tar::Entry<'_, R>) -> Vec<u8> {
    entry.header().path_bytes().into_owned()
}

/// Facts that come before an entry.
#[derive(Default, PartialEq, Eq)]
struct Before {
    path: Option<Vec<u8>>,
    modified: Option<Duration>,
    size: Option<u64>,
    has_pax: bool,
}

impl Before {
    fn pax(&mut self, bytes: &[u8]) -> io::Result<()> {
        if std::mem::replace(&mut self.has_pax, true) {
            return Err(invalid("an entry has two headers"));
        }
        for extension in PaxExtensions::new(bytes) {
            let extension = extension?;
            match extension.key_bytes() {
                b"path" => self.long_name(extension.value_bytes().to_vec())?,
                b"mtime" => self.modified = extension.value().ok().and_then(seconds),
                b"size" => {
                    let size = extension.value().ok().and_then(|size| size.parse().ok());
                    self.size =
                        Some(size.ok_or_else(|| invalid("the size of an entry is not a number"))?);
                }
                // Reading it as a normal file would give different content.
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(invalid("an entry is a sparse file, which tbx does not unpack"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn long_name(&mut self, name: Vec<u8>) -> io::Result<()> {
        match &self.path {
            Some(other) if *other != name => Err(said(&name, "has two names")),
            _ => {
                self.path = Some(name);
                Ok(())
            }
        }
    }
}

/// `1700000000.25`, exactly. Times before 1970 are left out.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    Some(Duration::new(whole.parse().ok()?, digits.parse().ok()?))
}

/// The bytes of an entry that describes the next one.
fn extension(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(MAX_EXTENSION + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_EXTENSION {
        return Err(invalid("the name of an entry is too long"));
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

/// A path that stays inside the directory; `None` for the directory itself.
fn clean(name: &[u8]) -> io::Result<Option<PathBuf>> {
    let path = tar_path(name).filter(|_| !name.contains(&0));
    let path = path.ok_or_else(|| said(name, "is not a valid path on this system"))?;
    let mut kept = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => kept.push(part),
            Component::CurDir => {}
            _ => return Err(said(name, "leads out of the directory; nothing is unpacked")),
        }
    }
    Ok(Some(kept).filter(|path| path.file_name().is_some()))
}

#[cfg(unix)]
fn tar_path(name: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(std::ffi::OsStr::from_bytes(name).into())
}

#[cfg(not(unix))]
fn tar_path(name: &[u8]) -> Option<PathBuf> {
    str::from_utf8(name).ok().map(PathBuf::from)
}

/// A reader that returns an error after this number of bytes.
struct Limited<R> {
    inner: R,
    left: u64,
    max: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        count_read(n);
        let left = self.left.checked_sub(u64::try_from(n).unwrap_or(u64::MAX));
        self.left = left.ok_or_else(|| {
            let max = self.max;
            invalid(&format!(
                "it unpacks to more than {max} bytes; raise the limit if that is intended"
            ))
        })?;
        Ok(n)
    }
}
