//! Finds the end of a value in a text, starting at its first character.

/// Prefixes of quoted strings in Python: `b'...'`, `f"..."`.
const PREFIXES: [&str; 8] = ["b", "B", "u", "U", "r", "R", "f", "F"];

/// Up to the closing `quote`, or to the end if there is none.
pub(super) fn quoted(inside: &str, quote: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = inside.get(at..) {
        if rest.starts_with(quote) {
            return at;
        }
        let Some(c) = rest.chars().next() else { break };
        at += c.len_utf8();
        // An escaped character does not close the string.
        if c == '\\' && quote.len() == 1 {
            at += rest.get(1..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        }
    }
    inside.len()
}

/// From an opening bracket to just after its closing one, or to the end.
pub(super) fn bracketed(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        at += c.len_utf8();
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth <= 1 => return at,
            ')' | ']' | '}' => depth -= 1,
            '"' => at += quoted(text.get(at..).unwrap_or_default(), "\"") + 1,
            _ => {}
        }
    }
    text.len()
}

/// Up to the end of a value without quotes: at a space, or at a punctuation mark that belongs to
/// the text rather than to the value, because another name or nothing follows.
pub(super) fn bare(text: &str) -> usize {
    for (at, c) in text.char_indices() {
        let behind = text.get(at + c.len_utf8()..).unwrap_or_default();
        let next = behind.chars().next();
        let is_end = match c {
            _ if c.is_whitespace() || c.is_control() => true,
            '"' | '\'' if text.get(..at).is_some_and(|start| PREFIXES.contains(&start)) => {
                let quote = if c == '"' { "\"" } else { "'" };
                return (at + 1 + quoted(behind, quote) + 1).min(text.len());
            }
            '(' if at > 0 => {
                return at + bracketed(text.get(at..).unwrap_or_default());
            }
            '"' | '\'' | '`' | '<' | '>' => !next.is_some_and(char::is_alphanumeric),
            ')' | ']' | '}' | '|' | '!' => !next.is_some_and(char::is_alphanumeric),
            ',' | ';' | '&' => ends_value(behind),
            '\\' => matches!(next, Some('n' | 'r' | 't' | '"')),
            _ => false,
        };
        if is_end {
            return at;
        }
    }
    text.len()
}

/// Whether a value ends before a comma: nothing, a space, a quote or another name follows.
fn ends_value(behind: &str) -> bool {
    let name =
        behind.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.' | ' '));
    let name = name.map(|end| behind.split_at(end));
    behind.is_empty()
        || behind
            .starts_with(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '}' | ']' | ')'))
        || name.is_some_and(|(name, rest)| !name.is_empty() && rest.starts_with(['=', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_other_things_begin() {
        for (text, expected) in [
            ("hunter2 and", "hunter2"),
            ("a,b;c&d", "a,b;c&d"),
            ("hunter2, user=x", "hunter2"),
            ("hunter2;Server=x", "hunter2"),
            ("hunter2&user=x", "hunter2"),
            ("hunter2', 'x'", "hunter2"),
            ("it's)", "it's"),
            ("b'a b' c", "b'a b'"),
            ("Some(\"a) b\") }", "Some(\"a) b\")"),
            ("x})", "x"),
            ("x\\nnext", "x"),
            ("é…x y", "é…x"),
            ("", ""),
        ] {
            assert_eq!(bare(text), expected.len(), "{text}");
        }
        assert_eq!(quoted(r#"a\"b" c"#, "\""), 4);
        assert_eq!(quoted(r#"a\" c"#, "\\\""), 1);
        assert_eq!(quoted("open", "'"), 4);
        assert_eq!(bracketed(r#"{"a": [1, "]}"]} x"#), 16);
        assert_eq!(bracketed("[["), 2);
    }
}
