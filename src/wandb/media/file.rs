//! Files of values, and the fields that describe them.

use bytes::Bytes;
use serde_json::Value;

use super::{At, Media, MediaFile};
use crate::digest::sha256;
use crate::safe_name;

/// Maximum length in bytes of the part of a path that is made from a key.
const MAX_KEY: usize = 600;
/// Number of digits of the digest in a file name.
const DIGITS: usize = 20;

/// A file of a value with its digest.
pub(super) struct Described {
    pub(super) file: MediaFile,
    sha256: String,
}

impl Described {
    /// The file with this content, below `media/<directory>`.
    pub(super) fn new(at: At<'_>, directory: &str, extension: &str, bytes: Bytes) -> Self {
        let sha256 = sha256(&bytes);
        let digits = sha256.get(..DIGITS).unwrap_or(&sha256);
        let key = place(at.key);
        let path = format!("media/{directory}/{key}_{}_{digits}.{extension}", at.step);
        Self { file: MediaFile { path, bytes }, sha256 }
    }

    /// The fields that every kind of file has.
    pub(super) fn fields(&self, kind: &str) -> Vec<(&'static str, String)> {
        vec![
            ("_type", quoted(kind)),
            ("sha256", quoted(&self.sha256)),
            ("size", self.file.bytes.len().to_string()),
            ("path", quoted(&self.file.path)),
        ]
    }

    /// A value that consists of this file.
    pub(super) fn into_media(self, kind: &str) -> Media {
        Media { fields: self.fields(kind), files: vec![self.file], ..Media::default() }
    }
}

/// A text in JSON.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The path for a key: `/` in it separates directories, as in the package.
fn place(key: &str) -> String {
    let parts: Vec<_> = key.split('/').map(safe_name::encode).collect();
    let path = parts.join("/");
    // Too many or too long names make a path that no system accepts.
    if path.len() > MAX_KEY { safe_name::encode(key) } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leads_out_of_the_folder() {
        let path = |key: &str| {
            let at = At { key, step: -7 };
            Described::new(at, "images", "png", Bytes::from_static(b"x")).file.path
        };
        assert_eq!(path("a/b"), "media/images/a/b_-7_2d711642b726b0440162.png");
        for key in ["..", "../../x", "/etc/passwd", "", "con", "a\0b", "a//b", "c:\\x", "."] {
            let path = path(key);
            let parts: Vec<_> = path.split('/').collect();
            assert!(parts.len() <= 6 && path.starts_with("media/images/"), "{key:?}: {path}");
            let is_plain = |part: &&str| !matches!(*part, "" | "." | "..") && !part.contains('\\');
            assert!(parts.iter().all(is_plain), "{key:?}: {path}");
        }
        let long = "x/".repeat(3000);
        assert!(path(&long).len() < 300 && path(&"y".repeat(5000)).len() < 300);
    }
}
