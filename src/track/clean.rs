//! Removes secrets from code before it is logged.

use std::borrow::Cow;

use crate::redact::{self, SECRET};

/// Names of files that have secrets. One `*` matches anything.
pub(super) const SECRET_FILES: [&str; 26] = [
    ".env",
    ".env.*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.ppk",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
    "credentials",
    "credentials.*",
    "secrets.*",
    "service-account*.json",
];
/// Extensions of source code, where what is not in quotes is mostly an expression.
const CODE: [&str; 21] = [
    "c", "cc", "cpp", "cu", "cuh", "go", "h", "hpp", "java", "jl", "js", "kt", "lua", "metal",
    "proto", "py", "r", "rs", "swift", "ts", "wgsl",
];
/// Maximum number of files with hidden secrets that are named.
const MAX_NAMED: usize = 100;

/// Whether the file at this path has secrets, by its name.
pub(super) fn is_secret_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    SECRET_FILES.iter().any(|pattern| match pattern.split_once('*') {
        None => name == *pattern,
        Some((start, end)) => name
            .strip_prefix(start)
            .is_some_and(|rest| rest.len() >= end.len() && rest.ends_with(end)),
    })
}

/// The content of a file without secrets, and whether it had any. What is not UTF-8 is not changed.
pub(super) fn file(path: &str, content: Vec<u8>) -> (Vec<u8>, bool) {
    let cleaned = match str::from_utf8(&content).map(|text| hide(path, text)) {
        Ok(Cow::Owned(cleaned)) => cleaned.into_bytes(),
        Ok(Cow::Borrowed(_)) | Err(_) => return (content, false),
    };
    (cleaned, true)
}

fn hide<'t>(path: &str, text: &'t str) -> Cow<'t, str> {
    let is_code = path.rsplit_once('.').is_some_and(|(_, extension)| {
        CODE.iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    if is_code { redact::code(text) } else { redact::text(text) }
}

/// A patch without secrets, and notes about the files that had some. It has the same lines, but does not apply where
/// a line that is removed or unchanged had a secret. Binary content is not changed.
pub(super) fn patch(patch: &[u8]) -> (Vec<u8>, Vec<String>) {
    let mut cleaned = Vec::with_capacity(patch.len());
    let (mut path, mut is_binary, mut is_key) = (String::new(), false, false);
    let mut hidden: Vec<String> = Vec::new();
    for line in patch.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        if let Some(names) = text.strip_prefix("diff --git ") {
            // The last part is enough to know the kind of the file.
            path = names
                .trim_end()
                .trim_end_matches('"')
                .rsplit(" b/")
                .next()
                .unwrap_or_default()
                .to_owned();
            (is_binary, is_key) = (false, false);
        }
        is_binary |= text.starts_with("GIT binary patch");
        let is_content = !is_binary && text.starts_with(['+', '-', ' ']);
        let (mark, content) = match is_content {
            true => text.split_at_checked(1).unwrap_or_default(),
            false => ("", &*text),
        };
        if !is_content {
            is_key = false; // another hunk
            cleaned.extend_from_slice(line);
            continue;
        }
        let end = if content.ends_with('\n') { "\n" } else { "" };
        let has_key = content.contains("PRIVATE KEY-----");
        let (begins, ends) =
            (has_key && content.contains("-----BEGIN"), has_key && content.contains("-----END"));
        let without = match is_key || begins {
            true => Cow::Owned(format!("{SECRET}{end}")),
            false => hide(&path, content),
        };
        is_key = (is_key || begins) && !ends;
        match without {
            Cow::Borrowed(_) => cleaned.extend_from_slice(line),
            Cow::Owned(without) => {
                cleaned.extend_from_slice(format!("{mark}{without}").as_bytes());
                if hidden.len() < MAX_NAMED && hidden.last() != Some(&path) {
                    hidden.push(path.clone());
                }
            }
        }
    }
    (cleaned, hidden.into_iter().map(|path| format!("a secret in {path} is hidden")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_secrets_have_their_names() {
        for name in [".env", "a/.ENV.local", "prod.env", "k/server.pem", "id_rsa", "secrets.toml"] {
            assert!(is_secret_file(name), "{name}");
        }
        for name in ["src/env.rs", "environment", "keys.rs", "id_rsa.rs", "secret.rs", "a.keys"] {
            assert!(!is_secret_file(name), "{name}");
        }
    }

    #[test]
    fn code_stays_and_secrets_go() {
        for line in [
            "let token = tokens.next()?;",
            "    password: String,",
            "fn hides(secret: &str, key: Key) -> bool {",
            "let api_key = std::env::var(\"API_KEY\")?;",
            "if self.password == other.password && token != TOKEN_1 {",
        ] {
            assert_eq!(hide("a.rs", line), line);
        }
        for line in [
            "let password = \"HUNTER7\";",
            "const TOKEN: &str = \"ghp_HUNTER7abcdefgh\";",
            "connect(\"postgres://me:HUNTER7@host/db\")",
            "// api_key=HUNTER7abcdef",
        ] {
            assert!(!hide("a.rs", line).contains("HUNTER7"), "{}", hide("a.rs", line));
        }
        assert!(!hide("a.yaml", "password: HUNTER7").contains("HUNTER7"));
    }

    #[test]
    fn a_patch_keeps_its_lines_and_its_binary_content() {
        let before = "diff --git a/config.toml b/config.toml\n--- a/config.toml\n+++ b/config.toml\n\
                      @@ -1,2 +1,5 @@\n size = 3\n-old\n+api_key = \"HUNTER7\"\n\
                      +-----BEGIN RSA PRIVATE KEY-----\n+HUNTER7\n+-----END RSA PRIVATE KEY-----\n\
                      diff --git a/x.bin b/x.bin\nGIT binary patch\nliteral 3\npassword=HUNTER8x\n\n";
        let (after, hidden) = patch(before.as_bytes());
        let after = String::from_utf8(after).unwrap();
        assert!(!after.contains("HUNTER7") && after.contains("password=HUNTER8x"), "{after}");
        assert_eq!(after.lines().count(), before.lines().count());
        assert_eq!(hidden, ["a secret in config.toml is hidden"]);
        let plain = b"diff --git a/a.rs b/a.rs\n@@ -1 +1 @@\n-let a = 1;\n+let \xff = 2;\n";
        assert_eq!(patch(plain), (plain.to_vec(), Vec::new()));
    }
}
