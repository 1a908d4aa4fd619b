//! JSON in the form of Python's module: with bare `NaN`, `Infinity` and `-Infinity`.

use serde_json::Value;

/// Maximum length of a value that is not a plain number or text.
const MAX_LEN: usize = 16 << 20;

/// The first character of the text for a number that is not finite. No writer uses it.
const MARK: char = '\u{10fffd}';

/// The numbers that are not finite, as they are written. The longest ones come first.
const NOT_FINITE: [(&str, f64); 3] =
    [("-Infinity", f64::NEG_INFINITY), ("Infinity", f64::INFINITY), ("NaN", f64::NAN)];

/// The number, if the text is nothing else. This is how almost all values are read.
#[inline]
pub(super) fn number_of_text(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    match bytes {
        [b'0'..=b'9', ..] | [b'-', b'0'..=b'9', ..] => {
            let is_part =
                |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
            if bytes.iter().all(is_part) { text.parse().ok() } else { None }
        }
        [b'N' | b'I' | b'-', ..] => {
            NOT_FINITE.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
        }
        _ => None,
    }
}

/// Whether a text is an integer that a float64 cannot have.
pub(super) fn is_rounded(text: &str) -> bool {
    const EXACT: u64 = 1 << 53;
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'-';
    // Fewer digits are exact.
    if text.len() <= 15 || !text.bytes().all(is_digit) {
        return false;
    }
    text.parse::<i64>().map_or(true, |value| {
        let size = value.unsigned_abs();
        size > EXACT && (size >> size.trailing_zeros()) > EXACT
    })
}

/// Parses a value. A number that is not finite becomes a text with a mark, which [`number`] and [`plain`] know.
///
/// # Errors
///
/// It is not JSON, or is too long.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    if text.len() > MAX_LEN {
        return Err(format!("it has {} bytes, the limit is {MAX_LEN}", text.len()));
    }
    let has_bare = text.contains("NaN") || text.contains("Infinity");
    let parsed = match has_bare {
        true => serde_json::from_str(&marked(text)),
        false => serde_json::from_str(text),
    };
    parsed.map_err(|error| error.to_string())
}

/// The text with marked texts in place of bare names of numbers.
fn marked(text: &str) -> String {
    let mut marked = String::with_capacity(text.len().saturating_add(64));
    let mut rest = text;
    let (mut is_text, mut is_escaped) = (false, false);
    while let Some(c) = rest.chars().next() {
        let bare = NOT_FINITE.iter().find(|(name, _)| !is_text && rest.starts_with(name));
        if let Some((name, _)) = bare {
            marked.push('"');
            marked.push(MARK);
            marked.push_str(name);
            marked.push('"');
            rest = rest.get(name.len()..).unwrap_or_default();
            continue;
        }
        if c == '"' && !is_escaped {
            is_text = !is_text;
        }
        is_escaped = is_text && c == '\\' && !is_escaped;
        marked.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    marked
}

/// The number, if the value is one.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => number_of_text(text.strip_prefix(MARK)?),
        _ => None,
    }
}

/// The value for JSON files: numbers that are not finite are the texts `NaN`, `Infinity` and `-Infinity`.
pub(super) fn plain(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(match text.strip_prefix(MARK) {
            Some(name) => name.into(),
            None => text,
        }),
        Value::Array(values) => values.into_iter().map(plain).collect(),
        Value::Object(values) => {
            values.into_iter().map(|(key, value)| (key, plain(value))).collect()
        }
        other => other,
    }
}

/// The text of a value, with bare names of numbers as in the file.
pub(super) fn to_text(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(MARK) {
        return text;
    }
    NOT_FINITE.iter().fold(text, |text, (name, _)| text.replace(&format!("\"{MARK}{name}\""), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_json_and_python() {
        for (text, value) in [
            ("1", 1.0),
            ("-0.5", -0.5),
            ("1.7959612967943623e+09", 1_795_961_296.794_362_3),
            ("5e-324", 5e-324),
            ("Infinity", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(number_of_text(text), Some(value), "{text}");
        }
        assert!(number_of_text("NaN").is_some_and(f64::is_nan));
        for text in ["", "-", "nan", "inf", "+1", "true", "\"1\"", "[1]", "1-2", " 1", "-inf"] {
            assert_eq!(number_of_text(text), None, "{text}");
        }
    }

    #[test]
    fn integers_that_a_float_cannot_have_are_known() {
        for (text, expected) in [
            ("9007199254740992", false),
            ("9007199254740993", true),
            ("-9007199254740993", true),
            ("9007199254740994", false),
            ("9223372036854775807", true),
            ("99999999999999999999", true),
            ("1234567890.12345678", false),
        ] {
            assert_eq!(is_rounded(text), expected, "{text}");
        }
    }

    #[test]
    fn bare_names_of_numbers_are_read_and_written() {
        let text = r#"{"a":[NaN,-Infinity,1],"b":"NaN \" NaN","c":Infinity}"#;
        let value = parse(text).unwrap();
        assert!(number(&value["a"][0]).is_some_and(f64::is_nan));
        assert_eq!(number(&value["a"][1]), Some(f64::NEG_INFINITY));
        assert_eq!(number(&value["b"]), None);
        assert_eq!(number(&value["c"]), Some(f64::INFINITY));
        assert_eq!(to_text(&value), text);
        let plain = plain(value);
        assert_eq!(plain["a"][0], "NaN");
        assert_eq!(plain["b"], "NaN \" NaN");
        for text in ["{", "[NaN", "nan", "\"NaN", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(200)).is_err());
    }
}
