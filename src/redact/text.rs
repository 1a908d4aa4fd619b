//! Redacts texts of any kind: secrets are recognized by their form, or by the name before them.

use std::borrow::Cow;

use super::{Name, SECRET, shape, span};

/// Headers whose value is the rest of the line.
const HEADERS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
/// Maximum length of the start of a value that is judged.
const MAX_JUDGED: usize = 512;
/// Maximum number of characters before the first colon of an address.
const MAX_USER: usize = 64;
/// Minimum number of characters of a value that is likely a secret.
const MIN_LIKELY: usize = 6;
/// Minimum number of characters of a value in code, without quotes, that is likely a secret.
const MIN_LITERAL: usize = 8;
/// Minimum number of characters after `Bearer`.
const MIN_LOGIN: usize = 6;
/// Punctuation marks after an address that belong to the text.
const BEHIND: [char; 9] = ['\'', ')', ']', '}', ',', ';', '.', ':', '!'];

/// Finds an address at the start of a run of characters. The second argument is whether the run contains an `@`.
/// Returns the length of the address, and its replacement unless it is safe to show.
pub(super) type Address = fn(&str, bool) -> Option<(usize, Option<String>)>;

/// Redacts a text with addresses.
pub(super) fn text(text: &str, address: Address) -> Cow<'_, str> {
    Scan { address: Some(address), ..Scan::of(text) }.finish()
}

/// Redacts source code with addresses.
#[cfg(feature = "track")]
pub(super) fn code(text: &str, address: Address) -> Cow<'_, str> {
    Scan { address: Some(address), is_code: true, ..Scan::of(text) }.finish()
}

/// Redacts a part of an address, which contains no addresses itself.
pub(super) fn inside(part: &str) -> Cow<'_, str> {
    Scan::of(part).finish()
}

/// Whether a character ends a possible address in a text.
fn ends_run(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '`')
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

struct Scan<'t> {
    text: &'t str,
    address: Option<Address>,
    /// Position up to which the text was read.
    at: usize,
    /// Position up to which the text was copied.
    copied: usize,
    shown: String,
    /// The end of the run of characters that was checked last, and whether it contains an `@`.
    run: (usize, bool),
    /// Whether what is not in quotes is mostly an expression of a programming language.
    is_code: bool,
}

/// The separator between a name and its value.
enum Separator {
    /// `"name": X`
    Json,
    /// `name=X`
    Joined,
    /// `name: X`, `name = X`, `--name X`: the value may be a word of a sentence.
    Apart,
    /// `Authorization: X` to the end of the line.
    Header,
    /// Another header, `X-Vault-Token: X`.
    Field,
}

impl<'t> Scan<'t> {
    fn of(text: &'t str) -> Self {
        let (shown, is_code) = (String::new(), false);
        Self { text, address: None, at: 0, copied: 0, shown, run: (0, false), is_code }
    }

    fn finish(mut self) -> Cow<'t, str> {
        let mut before = None;
        while let Some(c) = self.rest(self.at).chars().next() {
            if is_word(c) && !before.is_some_and(is_word) {
                self.word();
            } else {
                self.at += c.len_utf8();
            }
            before = self.text.get(..self.at).and_then(|text| text.chars().next_back());
        }
        if self.copied == 0 {
            return Cow::Borrowed(self.text);
        }
        self.shown.push_str(self.text.get(self.copied..).unwrap_or_default());
        Cow::Owned(self.shown)
    }

    fn rest(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or_default()
    }

    /// Reads to `end`, and replaces everything from `start` on with `with`.
    fn replace(&mut self, start: usize, end: usize, with: &str) {
        self.shown.push_str(self.text.get(self.copied..start).unwrap_or_default());
        self.shown.push_str(with);
        (self.at, self.copied) = (end, end);
    }

    /// Reads the construct that begins with a word here.
    fn word(&mut self) {
        let is_read =
            self.private_key() || self.address() || self.token() || self.login() || self.pair();
        if !is_read {
            let rest = self.rest(self.at);
            self.at += rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        }
    }

    /// `-----BEGIN RSA PRIVATE KEY-----` up to its end, or to the end of the text.
    fn private_key(&mut self) -> bool {
        let rest = self.rest(self.at);
        let kind =
            rest.strip_prefix("-----BEGIN ").and_then(|head| Some(head.split_once("-----")?.0));
        let Some(kind) = kind.filter(|kind| kind.len() < 80 && kind.contains("PRIVATE KEY")) else {
            return false;
        };
        let end = format!("-----END {kind}-----");
        let len = rest.find(&end).map_or(rest.len(), |at| at + end.len());
        self.replace(self.at, self.at + len, SECRET);
        true
    }

    /// `https://user:X@host`, `user:X@host`
    fn address(&mut self) -> bool {
        let rest = self.rest(self.at);
        let is_of_user = |c: &char| is_word(*c) || matches!(c, '.' | '%' | '+' | '~');
        let next = rest.chars().take(MAX_USER).find(|c| !is_of_user(c));
        let Some(address) = self.address.filter(|_| next == Some(':')) else { return false };
        if self.run.0 <= self.at {
            let len = rest.find(ends_run).unwrap_or(rest.len());
            self.run = (self.at + len, rest.get(..len).is_some_and(|run| run.contains('@')));
        }
        let (end, has_at) = self.run;
        let run = self.text.get(self.at..end).unwrap_or_default().trim_end_matches(BEHIND);
        let Some((len, shown)) = address(run, has_at) else { return false };
        match shown {
            None => self.at += len,
            Some(shown) => self.replace(self.at, self.at + len, &shown),
        }
        true
    }

    fn token(&mut self) -> bool {
        let len = shape::token(self.rest(self.at));
        if let Some(len) = len {
            self.replace(self.at, self.at + len, SECRET);
        }
        len.is_some()
    }

    /// `Bearer X`, `Basic X`
    fn login(&mut self) -> bool {
        let rest = self.rest(self.at);
        let is_name = |name: &&str| {
            rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        let Some(name) = ["bearer", "basic"].into_iter().find(is_name) else { return false };
        let behind = rest.get(name.len()..).unwrap_or_default();
        let value = behind.trim_start_matches(' ');
        let len = value.find(|c: char| ends_run(c) || "',;".contains(c)).unwrap_or(value.len());
        // Excludes `basic usage`, `Bearer Authentication`.
        let tail = value.get(1..len).unwrap_or_default();
        let is_word = tail.bytes().all(|byte| byte.is_ascii_lowercase() || b"-.:".contains(&byte));
        if value.len() == behind.len() || len < MIN_LOGIN || is_word {
            return false;
        }
        let start = self.text.len() - value.len();
        self.replace(start, start + len, SECRET);
        true
    }

    /// A name and a value that the name makes a secret: `name=X`, `"name": "X"`, `--name X`.
    fn pair(&mut self) -> bool {
        let rest = self.rest(self.at);
        let (name, behind) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
        let kind = Name::of(name);
        let Some((separator, value)) = (kind > Name::Plain).then(|| value(name, behind)).flatten()
        else {
            return false;
        };
        if value.starts_with(SECRET) {
            return false;
        }
        let start = self.text.len() - value.len();
        if let Some(quote) = ["\\\"", "\"", "'"].into_iter().find(|quote| value.starts_with(quote))
        {
            let inside = value.get(quote.len()..).unwrap_or_default();
            let (inside, behind) = inside.split_at(span::quoted(inside, quote));
            // `"the password of": "me"`
            let is_name =
                behind.strip_prefix(quote).is_some_and(|next| next.trim_start().starts_with(':'));
            let is_json = matches!(separator, Separator::Json);
            let is_hidden = (is_json || !is_name) && kind.hides(inside);
            if is_hidden {
                let start = start + quote.len();
                self.replace(start, start + inside.len(), SECRET);
            }
            return is_hidden;
        }
        let end = match separator {
            Separator::Header if !self.is_code => {
                value.find(['\n', '"', '\'']).unwrap_or(value.len())
            }
            _ if value.starts_with(['{', '[']) => match kind {
                Name::Secret if !self.is_code => span::bracketed(value),
                _ => return false,
            },
            _ => {
                // Avoids reading long values that are not hidden again and again.
                let most =
                    (0..=MAX_JUDGED.min(value.len())).rev().find(|at| value.is_char_boundary(*at));
                let judged = value.get(..most.unwrap_or_default()).unwrap_or_default();
                let judged = judged.get(..span::bare(judged)).unwrap_or_default();
                let is_sure = match (&separator, kind) {
                    (Separator::Json | Separator::Field, _) => true,
                    (Separator::Joined, Name::Secret | Name::Perhaps) => true,
                    (_, Name::Likely) => judged.len() >= MIN_LIKELY && is_no_word(judged),
                    _ => is_no_word(judged),
                };
                if !is_sure || !kind.hides(judged) || (self.is_code && !is_literal(judged)) {
                    return false;
                }
                span::bare(value)
            }
        };
        let with = if matches!(separator, Separator::Json) { "\"(secret)\"" } else { SECRET };
        self.replace(start, start + end, with);
        true
    }
}

/// The separator between `name` and its value, and the text from the value on.
fn value<'t>(name: &str, behind: &'t str) -> Option<(Separator, &'t str)> {
    let quote = ["\\\"", "\"", "'"].into_iter().find(|quote| behind.starts_with(quote));
    let behind = quote.and_then(|quote| behind.strip_prefix(quote)).unwrap_or(behind);
    let sign = behind.trim_start_matches(' ');
    let end = sign.find(|c| !matches!(c, '=' | ':' | '>')).unwrap_or(sign.len());
    let (sign, value) = sign.split_at(end);
    let is_apart = sign.len() + value.len() < behind.len() || value.starts_with(' ');
    let value = value.trim_start_matches(' ');
    let is_header = HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header));
    // `X-Vault-Token`, `PRIVATE-TOKEN`
    let is_field = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.contains('-');
    let separator = match sign {
        "" if quote.is_none() && is_apart && name.starts_with("--") && !value.starts_with('-') => {
            Separator::Apart
        }
        ":" if quote.is_some() => Separator::Json,
        ":" | "=" if is_header => Separator::Header,
        ":" if is_field => Separator::Field,
        ":" | "=" | "==" | "=>" | ":=" if is_apart => Separator::Apart,
        ":" | "=" | "==" | "=>" | ":=" => Separator::Joined,
        _ => return None,
    };
    (!value.is_empty()).then_some((separator, value))
}

/// Whether what is not in quotes is rather a secret than an expression: `hunter2hunter2`, not `config.password()`.
fn is_literal(text: &str) -> bool {
    let text = text.trim_end_matches([',', ';']);
    text.len() >= MIN_LITERAL
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+/=_!$%".contains(&byte))
}

/// Whether a text is not a word of a sentence: it contains digits, symbols or capitals.
fn is_no_word(text: &str) -> bool {
    let tail = text.get(1..).unwrap_or_default();
    tail.bytes().any(|byte| !byte.is_ascii_lowercase() && !b"'-.,".contains(&byte))
}
