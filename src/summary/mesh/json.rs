//! Checks whether a text is JSON. TensorBoard's mesh dashboard stops at a text that is not.

/// Maximum nesting depth of arrays and objects.
const MAX_DEPTH: u32 = 100;

/// Returns what is wrong with `text` if it is not a JSON object (RFC 8259).
pub(super) fn check_object(text: &str) -> Result<(), String> {
    let mut parser = Parser { rest: text.as_bytes() };
    let parsed = match parser.after_space() {
        Some(b'{') => parser.value(MAX_DEPTH).filter(|()| parser.after_space().is_none()),
        _ => None,
    };
    let at = text.len() - parser.rest.len();
    parsed.ok_or_else(|| format!("it is not a JSON object, from byte {at} on"))
}

struct Parser<'a> {
    rest: &'a [u8],
}

/// Each method consumes part of the text and returns `None` if that part is missing.
impl Parser<'_> {
    /// Skips whitespace, if any, and returns the byte after it.
    fn after_space(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    fn literal(&mut self, literal: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal.as_bytes())?;
        Some(())
    }

    fn value(&mut self, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match self.after_space()? {
            b'{' => self.list("{", "}", |parser| {
                parser.after_space();
                parser.string()?;
                parser.after_space();
                parser.literal(":")?;
                parser.value(depth)
            }),
            b'[' => self.list("[", "]", |parser| parser.value(depth)),
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.number(),
        }
    }

    /// Consumes any number of elements, separated by commas, with `element`.
    fn list(
        &mut self,
        open: &str,
        close: &str,
        element: impl Fn(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.literal(open)?;
        self.after_space();
        if self.literal(close).is_some() {
            return Some(());
        }
        loop {
            element(self)?;
            self.after_space();
            if self.literal(close).is_some() {
                return Some(());
            }
            self.literal(",")?;
        }
    }

    fn string(&mut self) -> Option<()> {
        self.literal("\"")?;
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = match byte {
                b'"' => rest,
                b'\\' => match rest {
                    [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => rest,
                    [b'u', a, b, c, d, rest @ ..]
                        if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) =>
                    {
                        rest
                    }
                    _ => return None,
                },
                0..0x20 => return None,
                _ => rest,
            };
            if *byte == b'"' {
                return Some(());
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.literal("-");
        if self.literal("0").is_none() {
            self.digits()?;
        }
        if self.literal(".").is_some() {
            self.digits()?;
        }
        if self.literal("e").or_else(|| self.literal("E")).is_some() {
            let _ = self.literal("+").or_else(|| self.literal("-"));
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = self.rest.get(count..)?;
        (count > 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::check_object;
    use serde_json::Value;

    #[test]
    fn it_takes_what_serde_json_takes_for_an_object() {
        let deep = format!("{}{}", "{\"a\":".repeat(90), "1".to_owned() + &"}".repeat(90));
        let mut taken = 0;
        for text in [
            "{}",
            " {\r\n\t} ",
            r#"{"camera": {"cls": "PerspectiveCamera", "fov": 75}}"#,
            r#"{"a": [1, -0, 0.5, 1e5, 1E+5, -1.25e-3], "b": [true, false, null, []], "": {}}"#,
            r#"{"é\u00e9\n\"\\\/": "🎉"}"#,
            &deep,
            "",
            " ",
            "null",
            "[]",
            "{} {}",
            "{}x",
            "{",
            "}",
            "{]",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a": 1,}"#,
            r#"{"a": 1 "b": 2}"#,
            r#"{a: 1}"#,
            r#"{'a': 1}"#,
            r#"{"a": 01}"#,
            r#"{"a": 1.}"#,
            r#"{"a": .5}"#,
            r#"{"a": +1}"#,
            r#"{"a": 1e}"#,
            r#"{"a": --1}"#,
            r#"{"a": NaN}"#,
            r#"{"a": nul}"#,
            r#"{"a": truee}"#,
            r#"{"a": "b}"#,
            r#"{"a": "\x"}"#,
            r#"{"a": "\u12g4"}"#,
            "{\"a\": \"\n\"}",
            r#"{"a": [1,]}"#,
            r#"{"a": [1 2]}"#,
            "\u{feff}{}",
        ] {
            let is_object = serde_json::from_str::<Value>(text).is_ok_and(|json| json.is_object());
            assert_eq!(check_object(text).is_ok(), is_object, "{text}");
            taken += usize::from(is_object);
        }
        assert_eq!(taken, 6);
    }

    #[test]
    fn it_says_where_json_ends() {
        let error = check_object(r#"{"a": 1, b: 2}"#).unwrap_err();
        assert_eq!(error, "it is not a JSON object, from byte 9 on");
    }

    #[test]
    fn depth_has_a_limit() {
        for open in ["[", "{\"a\":"] {
            assert!(check_object(&format!("{{\"a\": {}", open.repeat(1_000_000))).is_err());
        }
    }
}
