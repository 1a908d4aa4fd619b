//! Converts names from logs to file names that are valid on any system and stay inside their
//! directory.
//!
//! Programs may give runs and tags any names. Characters that are not valid in a file name are
//! percent-encoded, so that the name can be restored. [`SafeNames`] also distinguishes names that
//! differ only in case, or that are too long.

use std::collections::HashMap;

/// Maximum length of a name in bytes: file systems allow 255, and a suffix may be added.
const MAX_LEN: usize = 200;
/// Number of bytes of a longer name that are kept before its hash.
const KEPT_LEN: usize = 160;
/// Names that Windows reserves for devices, whatever follows after a dot.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Encodes `name` as a file name: without `/`, `\`, other characters that some system rejects,
/// control characters, or a dot or space at the end. The result is never empty, `.`, `..`, a
/// device, an event file name, or the name of an incomplete file of tbx.
///
/// ```
/// use tbx::safe_name::{decode, encode};
///
/// assert_eq!(encode("loss"), "loss");
/// assert_eq!(encode("../../etc/passwd"), "..%2f..%2fetc%2fpasswd");
/// assert_eq!(decode("..%2f..%2fetc%2fpasswd").as_deref(), Some("../../etc/passwd"));
/// ```
///
/// A name of more than 200 bytes keeps its beginning and gets a hash; [`decode`] returns `None` for
/// it.
pub fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    let last = name.chars().count().saturating_sub(1);
    let is_special = matches!(name, "." | "..") || is_device(name);
    for (i, c) in name.chars().enumerate() {
        let reserved = matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%');
        let at_end = i == last && matches!(c, '.' | ' ');
        let at_start = i == 0 && (is_special || c == ' ');
        if reserved || c.is_control() || at_end || at_start {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                encoded.push_str(&format!("%{byte:02x}"));
            }
        } else {
            encoded.push(c);
        }
    }
    if encoded.is_empty() {
        return "%".into();
    }
    // TensorBoard treats any such file as an event file, and fails on such a directory.
    if encoded.contains("tfevents") {
        encoded = encoded.replace("tfevents", "tfevent%73");
    }
    // Names with this part are those of incomplete files.
    if encoded.contains("tbx~") {
        encoded = encoded.replace("tbx~", "tbx%7e");
    }
    if encoded.len() > MAX_LEN {
        let kept = (0..=KEPT_LEN).rev().find(|at| encoded.is_char_boundary(*at)).unwrap_or(0);
        encoded.truncate(kept);
        encoded.push_str(&format!("%~{:016x}", hash(name)));
    }
    encoded
}

/// The name that [`encode`] encoded as `encoded`; `None` if it cannot be restored.
pub fn decode(encoded: &str) -> Option<String> {
    if encoded == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((byte, more)) = rest.split_first() {
        rest = more;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        let digits = str::from_utf8(digits).ok().filter(|d| !d.starts_with('+'))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = more;
    }
    String::from_utf8(bytes).ok()
}

/// Unique file names in one directory, even on file systems that do not distinguish `a` from `A`.
#[derive(Debug, Clone, Default)]
pub struct SafeNames {
    /// The file name for each key.
    given: HashMap<String, String>,
    /// File names in use, in lower case, and the number for the next name like it.
    taken: HashMap<String, u32>,
}

impl SafeNames {
    /// The file name for `name`: [`encode`]d, with a suffix `%~2`, `%~3` and so on if another name
    /// uses it. The same name always gets the same file name.
    pub fn get(&mut self, name: &str) -> String {
        self.get_for(name, name)
    }

    /// The file name for the object `key` that is called `name`. If several objects have the same
    /// name, each gets its own file name.
    pub fn get_for(&mut self, key: &str, name: &str) -> String {
        if let Some(given) = self.given.get(key) {
            return given.clone();
        }
        let encoded = encode(name);
        let lower = encoded.to_lowercase();
        let mut candidate = encoded.clone();
        let mut number = self.taken.get(&lower).copied().unwrap_or(2);
        while self.taken.contains_key(&candidate.to_lowercase()) {
            candidate = format!("{encoded}%~{number}");
            number = number.saturating_add(1);
        }
        self.taken.insert(candidate.to_lowercase(), 2);
        self.taken.insert(lower, number);
        self.given.insert(key.to_owned(), candidate.clone());
        candidate
    }
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or("").trim_end().to_ascii_lowercase();
    let numbered = |prefix| {
        stem.strip_prefix(prefix).is_some_and(|rest: &str| {
            rest.chars().count() == 1 && rest.chars().all(|c| "123456789¹²³".contains(c))
        })
    };
    DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

/// FNV-1a: the same on every machine and in every release.
#[doc(hidden)]
pub fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const HOSTILE: [&str; 25] = [
        "",
        ".",
        "..",
        "...",
        "../../etc/passwd",
        "/abs",
        "a\0b",
        "a\nb",
        "C:\\Windows",
        "\\\\server\\share",
        "con",
        "CON.txt",
        "com1",
        "COM¹",
        "nul ",
        "trailing.",
        "trailing ",
        " leading",
        "100%",
        "%2f",
        "größe/損失 🎉",
        "%",
        "my.tfevents",
        ".tbx~lock-x",
        "a.tbx~pend.1",
    ];

    #[test]
    fn no_name_leaves_its_folder_and_each_can_be_told_again() {
        let mut all = HashSet::new();
        for name in HOSTILE {
            let encoded = encode(name);
            assert!(!encoded.contains(['/', '\\', '\0', '\n', ':']), "{name:?}: {encoded}");
            assert!(!["", ".", ".."].contains(&encoded.as_str()), "{name:?}");
            assert!(!encoded.ends_with(['.', ' ']), "{name:?}: {encoded}");
            assert!(!is_device(&encoded) && !encoded.contains("tfevents"), "{name:?}: {encoded}");
            assert!(!encoded.contains("tbx~"), "{name:?}: {encoded}");
            assert_eq!(decode(&encoded).as_deref(), Some(name), "{encoded}");
            assert!(all.insert(encoded.clone()), "{name:?}: {encoded}");
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let long = "é".repeat(2500);
        let other = format!("{long}x");
        let (a, b) = (encode(&long), encode(&other));
        assert!(a.len() <= MAX_LEN && b.len() <= MAX_LEN);
        assert_ne!(a, b);
        assert_eq!(decode(&a), None);
    }

    #[test]
    fn names_that_differ_in_case_only_are_kept_apart() {
        let mut names = SafeNames::default();
        assert_eq!(names.get("loss"), "loss");
        assert_eq!(names.get("Loss"), "Loss%~2");
        assert_eq!(names.get("LOSS"), "LOSS%~3");
        assert_eq!(names.get("Loss"), "Loss%~2");
        assert_eq!(names.get_for("another loss", "loss"), "loss%~4");
        assert_eq!(names.get_for("another loss", "loss"), "loss%~4");
        assert_eq!(decode("Loss%~2"), None);
    }

    #[test]
    fn what_nobody_encoded_is_not_decoded() {
        for text in ["%x", "%2", "%+f", "%zz", "a%ff"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
