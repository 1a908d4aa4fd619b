//! Parses protobuf's text format, as far as needed to locate the parts of a message.
//!
//! Source: protobuf.dev, "Text Format Language Specification". Field names are not checked, and
//! numbers and words are kept as text. Their interpretation is left to the caller.

use std::ops::Range;

/// Maximum nesting depth of messages, as in protobuf's own parsers.
const MAX_DEPTH: u32 = 100;

/// The reason why a text is not in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    /// Byte offset of the unexpected text, from 0.
    pub(super) offset: usize,
    pub(super) expected: &'static str,
}

/// `name: value`, in the order of the text.
#[derive(Debug, PartialEq)]
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    /// One value, unless it is a list in brackets.
    pub(super) values: Vec<Value<'a>>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Value<'a> {
    pub(super) content: Content<'a>,
    /// Byte range of the value; for a message, including its braces.
    pub(super) span: Range<usize>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Content<'a> {
    Message(Vec<Field<'a>>),
    /// The bytes that the string literals represent.
    Text(Vec<u8>),
    /// A number or a name.
    Word(&'a [u8]),
}

/// Parses `text` as the fields of a message.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Field<'_>>, Malformed> {
    let mut parser = Parser { text, at: 0 };
    let fields = parser.fields(MAX_DEPTH)?;
    match parser.peek() {
        None => Ok(fields),
        Some(_) => Err(parser.malformed("a field")),
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    /// The next byte that is neither whitespace nor part of a comment. It is not consumed.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c' => self.at += 1,
                b'#' => {
                    let rest = self.text.get(self.at..)?;
                    let comment = rest.iter().position(|byte| *byte == b'\n');
                    self.at += comment.unwrap_or(rest.len());
                }
                byte => return Some(*byte),
            }
        }
    }

    /// Consumes `byte` if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed { offset: self.at, expected }
    }

    fn fields(&mut self, depth: u32) -> Result<Vec<Field<'a>>, Malformed> {
        let mut fields = Vec::new();
        while let Some(byte) = self.peek() {
            if matches!(byte, b'}' | b'>') {
                break;
            }
            fields.push(self.field(depth)?);
            let _ = self.take(b',') || self.take(b';');
        }
        Ok(fields)
    }

    fn field(&mut self, depth: u32) -> Result<Field<'a>, Malformed> {
        // `[package.extension]` and `[type.googleapis.com/name]` are names, too.
        let name = match self.take(b'[') {
            true => {
                let name = self.word(b"/%~")?;
                if !self.take(b']') {
                    return Err(self.malformed("]"));
                }
                name
            }
            false => self.word(b"")?,
        };
        let colon = self.take(b':');
        let values = match self.peek() {
            Some(b'[') => self.list(depth)?,
            Some(b'{' | b'<') => vec![self.value(depth)?],
            _ if colon => vec![self.value(depth)?],
            _ => return Err(self.malformed("a colon")),
        };
        Ok(Field { name, values })
    }

    fn list(&mut self, depth: u32) -> Result<Vec<Value<'a>>, Malformed> {
        let mut values = Vec::new();
        self.take(b'[');
        if self.take(b']') {
            return Ok(values);
        }
        loop {
            values.push(self.value(depth)?);
            if self.take(b']') {
                return Ok(values);
            }
            if !self.take(b',') {
                return Err(self.malformed("a comma"));
            }
        }
    }

    fn value(&mut self, depth: u32) -> Result<Value<'a>, Malformed> {
        let opening = self.peek();
        let start = self.at;
        let content = match opening {
            Some(open @ (b'{' | b'<')) => {
                self.take(open);
                let depth = depth.checked_sub(1).ok_or(self.malformed("fewer messages inside"))?;
                let fields = self.fields(depth)?;
                if !self.take(if open == b'{' { b'}' } else { b'>' }) {
                    return Err(self.malformed("the end of a message"));
                }
                Content::Message(fields)
            }
            Some(b'"' | b'\'') => {
                let mut text = Vec::new();
                let mut end = start;
                while let Some(quote @ (b'"' | b'\'')) = self.peek() {
                    self.at += 1;
                    self.literal(quote, &mut text)?;
                    end = self.at;
                }
                return Ok(Value { content: Content::Text(text), span: start..end });
            }
            _ => {
                // A minus sign may be separated from its number.
                self.take(b'-');
                self.word(b"+")?;
                Content::Word(self.text.get(start..self.at).unwrap_or(&[]))
            }
        };
        Ok(Value { content, span: start..self.at })
    }

    fn word(&mut self, more: &[u8]) -> Result<&'a [u8], Malformed> {
        self.peek();
        let rest = self.text.get(self.at..).unwrap_or(&[]);
        let is_word = |byte: &u8| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'.' | b'-')
                || more.contains(byte)
        };
        let len = rest.iter().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        let word = rest.get(..len).filter(|word| !word.is_empty());
        let word = word.ok_or(self.malformed("a name or a value"))?;
        self.at += len;
        Ok(word)
    }

    /// Consumes the rest of a string literal.
    fn literal(&mut self, quote: u8, text: &mut Vec<u8>) -> Result<(), Malformed> {
        loop {
            match self.next() {
                Some(byte) if byte == quote => return Ok(()),
                Some(b'\\') => self.escape(text)?,
                None | Some(b'\n') => return Err(self.malformed("the end of a string")),
                Some(byte) => text.push(byte),
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// Consumes an escape sequence after its backslash.
    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), Malformed> {
        let byte = match self.next() {
            Some(b'a') => b'\x07',
            Some(b'b') => b'\x08',
            Some(b'f') => b'\x0c',
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => b'\x0b',
            Some(byte @ (b'?' | b'\\' | b'\'' | b'"')) => byte,
            Some(b'0'..=b'7') => {
                self.at -= 1;
                low_byte(self.digits(8, 3)?)
            }
            Some(b'x' | b'X') => low_byte(self.digits(16, 2)?),
            Some(kind @ (b'u' | b'U')) => {
                let number = self.digits(16, if kind == b'u' { 4 } else { 8 })?;
                let c = char::from_u32(number).ok_or(self.malformed("a character"))?;
                text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            None | Some(b'\n') => return Err(self.malformed("an escaped character")),
            // As in Python's parser; others reject it.
            Some(byte) => {
                text.push(b'\\');
                byte
            }
        };
        text.push(byte);
        Ok(())
    }

    /// Parses the next digits as a number, at most `most` of them.
    fn digits(&mut self, radix: u32, most: usize) -> Result<u32, Malformed> {
        let (start, mut number) = (self.at, 0u32);
        while self.at - start < most {
            let digit = self.text.get(self.at).and_then(|byte| char::from(*byte).to_digit(radix));
            let Some(digit) = digit else { break };
            number = number.wrapping_mul(radix).wrapping_add(digit);
            self.at += 1;
        }
        if self.at == start { Err(self.malformed("a digit")) } else { Ok(number) }
    }
}

fn low_byte(number: u32) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}

/// Formats `text` as an ASCII literal; all other bytes are escaped.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::from('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => literal.extend(['\\', char::from(byte)]),
            b' '..=b'~' => literal.push(char::from(byte)),
            _ => literal.push_str(&format!("\\{byte:03o}")),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the only value of the only field.
    fn text(source: &str) -> Vec<u8> {
        let fields = parse(source.as_bytes()).unwrap();
        match &fields[..] {
            [Field { name: b"x", values }] => match &values[..] {
                [Value { content: Content::Text(text), .. }] => text.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Each as parsed by `google.protobuf.text_format` 7.36.
    #[test]
    fn strings_are_read_with_every_escape() {
        for (source, expected) in [
            (r#"x: "a""#, "a"),
            (
                r#"x: 'a"' "b'"  # and
                'c'"#,
                "a\"b'c",
            ),
            (r#"x: "\x41\101\u00e9\n\"\\\'\?""#, "AAé\n\"\\'?"),
            (r#"x:"{}<>[]#,;""#, "{}<>[]#,;"),
            (r#"x: "\U0001f389é""#, "🎉é"),
            (r#"x: "\1012""#, "A2"),
            (r#"x: "\q\\""#, "\\q\\"),
            (r#"x: """#, ""),
        ] {
            assert_eq!(text(source), expected.as_bytes(), "{source}");
        }
        for any in ["", "a b", "\"\\\n\t\0\u{7f}é🎉{", "\\101"] {
            let literal = literal(any);
            assert!(literal.is_ascii());
            assert_eq!(text(&format!("x: {literal}")), any.as_bytes());
        }
    }

    #[test]
    fn messages_and_lists_have_their_spans() {
        let source =
            b"a { b: 1 } # {\nc: <d: \"}\">, e [{ }, <f: -1.5e+3>]; g: inf [h.i/j]: [1, 0x2]";
        let fields = parse(source).unwrap();
        let names: Vec<_> =
            fields.iter().map(|field| str::from_utf8(field.name).unwrap()).collect();
        assert_eq!(names, ["a", "c", "e", "g", "h.i/j"]);
        let spans = fields.iter().flat_map(|field| &field.values);
        let spans: Vec<_> =
            spans.map(|v| str::from_utf8(&source[v.span.clone()]).unwrap()).collect();
        assert_eq!(spans, ["{ b: 1 }", "<d: \"}\">", "{ }", "<f: -1.5e+3>", "inf", "1", "0x2"]);
        for nothing in ["", " # only a comment", "\n#"] {
            assert_eq!(parse(nothing.as_bytes()), Ok(vec![]));
        }
    }

    #[test]
    fn what_is_not_in_the_format_is_refused_with_its_place() {
        for (source, offset) in [
            ("a", 1),
            ("a: ", 3),
            ("a {", 3),
            ("a }", 2),
            ("}", 0),
            ("a { > ", 4),
            ("a: \"b", 5),
            ("a: \"b\n\"", 6),
            ("a: \"\\xg\"", 6),
            ("a: \"\\ud800\"", 10),
            ("a: [1 2]", 6),
            ("a: [1", 5),
            ("[a: 1", 2),
            ("\u{feff}a: 1", 0),
            ("= 1", 0),
        ] {
            let malformed = parse(source.as_bytes()).unwrap_err();
            assert_eq!(malformed.offset, offset, "{source:?}: {malformed:?}");
        }
        let deep = |depth| "a{".repeat(depth) + &"}".repeat(depth);
        assert!(parse(deep(100).as_bytes()).is_ok());
        assert!(parse(deep(101).as_bytes()).is_err());
        assert!(parse("a{".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let source = br#"a { b: "\x41" 'c' } # d
            e: [<f: 1>, {g: -2}], [h.i]: "\101""#;
        for end in 0..source.len() {
            let _ = parse(&source[..end]);
        }
        for at in 0..source.len() {
            for byte in *b"{}<>[]\"'\\#:, \xff\0" {
                let mut changed = source.to_vec();
                changed[at] = byte;
                let _ = parse(&changed);
            }
        }
    }
}
