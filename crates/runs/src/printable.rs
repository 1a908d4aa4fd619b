//! Text from logs on a terminal, which control characters must not reach.
//!
//! A name in a log can contain escape sequences, which set the colors, the title and the clipboard
//! of a terminal, and characters that reverse the order of the letters next to them.

use std::io::{self, Write};

/// Whether `c` affects a terminal or the text around it, instead of being shown.
pub fn is_active(c: char) -> bool {
    // Unicode's Bidi_Control, and the separators of lines and paragraphs.
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}')
}

/// The format of text that is written to a terminal, which decides how active characters are
/// escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Comma-separated values: `\u{1b}`, and `\n` for a line end inside quotes.
    Csv,
    /// JSON: `\u001b`, which means the same.
    Json,
}

/// `text` with its active characters escaped.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// A stream of lines to a terminal: active characters are escaped, except line ends. Bytes that are
/// not UTF-8 are replaced.
#[derive(Debug)]
pub struct ForTerminal<W> {
    inner: W,
    escape: Escape,
    /// The start of a character whose remaining bytes have not arrived yet.
    cut: Vec<u8>,
    /// Whether the text so far ends inside quotes.
    is_quoted: bool,
}

impl<W: Write> ForTerminal<W> {
    pub fn new(inner: W, escape: Escape) -> Self {
        Self { inner, escape, cut: Vec::new(), is_quoted: false }
    }

    fn escaped(&mut self, text: &str, out: &mut String) {
        for c in text.chars() {
            self.is_quoted ^= c == '"' && self.escape == Escape::Csv;
            if !is_active(c) || (c == '\n' && !self.is_quoted) {
                out.push(c);
            } else if self.escape == Escape::Csv {
                out.extend(c.escape_default());
            } else {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units);
                units.iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
        }
    }
}

impl<W: Write> Write for ForTerminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.cut);
        all.extend_from_slice(bytes);
        let mut out = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.escaped(chunk.valid(), &mut out);
            // The last bytes, at most three, may be an incomplete character.
            if chunks.peek().is_none() && is_cut(chunk.invalid()) {
                self.cut = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                out.push('\u{fffd}');
            }
        }
        self.inner.write_all(out.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whether `bytes` are an incomplete character.
fn is_cut(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str =
        "a\u{1b}[2J\u{7}\u{9b}31m\u{202e}\u{2066}\u{200f}\u{2028}\u{61c}\u{7f}é損\0";

    #[test]
    fn no_active_character_comes_through() {
        let shown = printable(NASTY);
        assert!(!shown.chars().any(is_active));
        assert_eq!(
            shown,
            "a\\u{1b}[2J\\u{7}\\u{9b}31m\\u{202e}\\u{2066}\\u{200f}\\u{2028}\\u{61c}\\u{7f}é損\\u{0}"
        );
        assert_eq!(printable("a\nb\tc"), "a\\nb\\tc");
    }

    #[test]
    fn a_stream_is_the_same_however_it_is_cut() {
        let bytes = format!("{NASTY}\n\t\"\n\"{NASTY}\u{1f600}").into_bytes();
        for size in 1..bytes.len() {
            let mut out = ForTerminal::new(Vec::new(), Escape::Csv);
            bytes.chunks(size).for_each(|chunk| out.write_all(chunk).unwrap());
            let out = String::from_utf8(out.inner).unwrap();
            let escaped = printable(NASTY);
            assert_eq!(out, format!("{escaped}\n\\t\"\\n\"{escaped}\u{1f600}"), "{size}");
        }
    }

    #[test]
    fn json_stays_json_and_means_the_same() {
        let line = serde_json::to_string(NASTY).unwrap();
        let mut out = ForTerminal::new(Vec::new(), Escape::Json);
        out.write_all(line.as_bytes()).unwrap();
        let out = String::from_utf8(out.inner).unwrap();
        assert!(!out.chars().any(is_active), "{out}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), NASTY);
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        let mut out = ForTerminal::new(Vec::new(), Escape::Csv);
        out.write_all(b"a\xffb\xc3").unwrap();
        out.write_all(b"(").unwrap();
        assert_eq!(String::from_utf8(out.inner).unwrap(), "a\u{fffd}b\u{fffd}(");
    }
}
