//! Datasets in files: their digests, also those that DVC and Git LFS note.

use std::path::{Path, PathBuf};

use super::Dataset;
use crate::error::{ErrorKind, Result, failed};
use crate::store;
use crate::tree::Tree;
use crate::yaml::{Document, Value, View};

/// The extension of the files in which DVC notes the digests of data.
const DVC: &str = "dvc";
/// Maximum size in bytes of such a file.
const MAX_DVC: u64 = 1 << 20;

impl Dataset {
    /// The dataset in the file or the directory at `path`, under the name of the file. Reads all of it, several files
    /// at a time.
    ///
    /// The digest of a file is its SHA-256 in hex. The digest of a directory is the SHA-256 of the lines that
    /// `sha256sum` prints for all of its files, sorted by path. `source` is the absolute path; `other` has `size` in
    /// bytes and the number of `files`.
    ///
    /// - A pointer of Git LFS counts as the file to which it points. So the digest is the same before and after
    ///   `git lfs pull`.
    /// - If DVC tracks the data (`data.dvc` next to `data`), `other` has the digest that the `.dvc` file notes as
    ///   `dvc_md5`. It is not compared with the data, which may have changed since `dvc add`. If their size or number of
    ///   files has, `other` has `dvc_is_stale` with the value true instead.
    /// - For a `.dvc` file, and for data that is not there although its `.dvc` file is, the digest is the one of DVC.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("train.csv");
    /// use tbx::meta::Dataset;
    /// use tbx::track::ActiveRun;
    ///
    /// std::fs::write(&path, "abc")?;
    /// let data = Dataset::of(&path)?;
    /// assert_eq!(data.name, "train.csv");
    /// assert!(data.digest.starts_with("ba7816bf"));
    /// let run = ActiveRun::options().dataset(data).create(dir.path().join("run"))?;
    /// # run.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: a file cannot be read, is not a regular file, or is a link out of the directory or to a
    /// directory. [`ErrorKind::Value`]: a name is not UTF-8, there are more than a million files, or a `.dvc` file is
    /// not one.
    pub fn of(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.extension().is_some_and(|extension| extension == DVC) {
            return Self::of_dvc(path);
        }
        let beside = beside(path);
        let is_tracked = beside.is_file();
        if is_tracked && !path.exists() {
            return Self::of_dvc(&beside);
        }
        let tree = Tree::read(path)?.without_pointers();
        let source = absolute(path);
        let name = Path::new(&source).file_name().unwrap_or_default().to_string_lossy();
        let mut data = Self::new(name, tree.digest());
        data.source = Some(source);
        data.other.insert("size".into(), tree.size().into());
        if tree.is_folder() {
            data.other.insert("files".into(), tree.files().len().into());
        }
        if is_tracked {
            let Dvc { md5, size, files } = read_dvc(&beside)?;
            let count = u64::try_from(tree.files().len()).unwrap_or(u64::MAX);
            let is_stale = size.is_some_and(|size| size != tree.size())
                || files.is_some_and(|files| files != count);
            match is_stale {
                true => data.other.insert("dvc_is_stale".into(), true.into()),
                false => data.other.insert("dvc_md5".into(), md5.into()),
            };
        }
        Ok(data)
    }

    /// The dataset that the `.dvc` file at `file` describes.
    fn of_dvc(file: &Path) -> Result<Self> {
        let Dvc { md5, size, files } = read_dvc(file)?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let mut data = Self { source: Some(absolute(file)), ..Self::new(name, md5) };
        data.other.extend(size.map(|size| ("size".into(), size.into())));
        data.other.extend(files.map(|files| ("files".into(), files.into())));
        Ok(data)
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// The `.dvc` file of the data at `path`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{DVC}"));
    path.with_file_name(name)
}

/// The notes of DVC about data.
struct Dvc {
    /// The MD5 of a file, or of the list of files in a directory; the latter ends in `.dir`.
    md5: String,
    size: Option<u64>,
    files: Option<u64>,
}

/// Reads a `.dvc` file (<https://dvc.org/doc/user-guide/project-structure/dvc-files>).
fn read_dvc(path: &Path) -> Result<Dvc> {
    let read = || {
        let bytes = store::read(path, MAX_DVC)?;
        let none = |what: &str| ErrorKind::Value(format!("not a file of DVC: {what}"));
        let text = str::from_utf8(&bytes).map_err(|_| none("it is not UTF-8"))?;
        parse_dvc(text)?.ok_or_else(|| none("it has no md5 in outs"))
    };
    read().map_err(|kind: ErrorKind| failed(kind, path))
}

fn parse_dvc(text: &str) -> Result<Option<Dvc>, ErrorKind> {
    let document = Document::parse(text)?;
    let Some(outs) = document.value().map(|value| get(value, "outs")).transpose()?.flatten() else {
        return Ok(None);
    };
    let View::List(mut outs) = outs.view()? else { return Ok(None) };
    let Some(out) = outs.next() else { return Ok(None) };
    let Some(md5) = scalar(out, "md5")? else { return Ok(None) };
    let number = |name| Ok::<_, ErrorKind>(scalar(out, name)?.and_then(|text| text.parse().ok()));
    Ok(Some(Dvc { md5, size: number("size")?, files: number("nfiles")? }))
}

/// The value of a key of a map.
fn get<'d, 't>(value: Value<'d, 't>, name: &str) -> Result<Option<Value<'d, 't>>, ErrorKind> {
    let View::Map(mut map) = value.view()? else { return Ok(None) };
    while let Some((key, value)) = map.next_pair() {
        if let View::Scalar(key) = key.view()?
            && key.text == name
        {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn scalar(value: Value<'_, '_>, name: &str) -> Result<Option<String>, ErrorKind> {
    let Some(value) = get(value, name)? else { return Ok(None) };
    let View::Scalar(scalar) = value.view()? else { return Ok(None) };
    Ok(Some(scalar.text.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The file that `dvc add data` of DVC 3.55 writes.
    const OF_FOLDER: &str = "outs:\n- md5: 9f3bd8d9cfe2d6e8b3a1b2d1b5f0f5aa.dir\n  size: 14\n  \
                             nfiles: 2\n  hash: md5\n  path: data\n";

    #[test]
    fn data_that_dvc_tracks_has_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let (data, pointer) = (dir.path().join("data"), dir.path().join("data.dvc"));
        fs::write(&pointer, OF_FOLDER).unwrap();
        let md5 = "9f3bd8d9cfe2d6e8b3a1b2d1b5f0f5aa.dir";
        for path in [&data, &pointer] {
            let found = Dataset::of(path).unwrap();
            assert_eq!((found.name.as_str(), found.digest.as_str()), ("data", md5));
            assert_eq!((&found.other["size"], &found.other["files"]), (&14.into(), &2.into()));
            assert_eq!(found.source.as_deref(), pointer.to_str());
        }
        fs::create_dir(&data).unwrap();
        fs::write(data.join("a"), "abc").unwrap();
        fs::write(data.join("b"), "12345678901").unwrap();
        let found = Dataset::of(&data).unwrap();
        assert_eq!((found.digest.len(), found.other["dvc_md5"].as_str()), (64, Some(md5)));
        assert_eq!(found.other["files"], 2);
        // Changed since `dvc add`.
        for content in ["", "1"] {
            fs::write(data.join("b"), content).unwrap();
            let found = Dataset::of(&data).unwrap();
            assert_eq!(found.other["dvc_is_stale"], true);
            assert!(!found.other.contains_key("dvc_md5"));
        }
    }

    #[test]
    fn what_is_no_dvc_file_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.csv.dvc");
        for text in ["", "outs: 1", "outs: []", "outs:\n- size: 1\n", "{", "\u{0}", "- md5: a"] {
            fs::write(&path, text).unwrap();
            let said = Dataset::of(&path).unwrap_err().to_string();
            assert!(said.contains("data.csv.dvc"), "{text}: {said}");
        }
        Dataset::of(dir.path().join("nothing")).unwrap_err();
        fs::write(&path, "outs:\n- md5: ab\n  path: data.csv\n").unwrap();
        assert_eq!(Dataset::of(&path).unwrap().name, "data.csv");
        assert_eq!(Dataset::of(dir.path().join("data.csv")).unwrap().name, "data.csv");
    }
}
