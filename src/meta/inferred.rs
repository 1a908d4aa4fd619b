//! Infers the types of parameter values that people type.

use super::Param;

/// Maximum number of digits of an integer: a longer one is an identifier, and float64 would round
/// it.
const MAX_DIGITS: usize = 15;

impl Param {
    /// Infers the value of a text. `true` and `True` are bools, and numbers are those of JSON and
    /// Python. A text in double quotes is the text between the quotes. Everything else is text,
    /// unchanged, including `007`, `1_000`, and integers of more than 15 digits, which are
    /// identifiers.
    ///
    /// ```
    /// use tbx::meta::Param;
    ///
    /// assert_eq!(Param::inferred("1e-3"), 0.001.into());
    /// assert_eq!(Param::inferred("True"), true.into());
    /// assert_eq!(Param::inferred("adam"), "adam".into());
    /// assert_eq!(Param::inferred("\"0.1\""), "0.1".into());
    /// ```
    pub fn inferred(text: &str) -> Self {
        let is_integer = text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        if is_integer && text.len() > MAX_DIGITS {
            return Self::Text(text.to_owned());
        }
        match text {
            "True" => Self::Bool(true),
            "False" => Self::Bool(false),
            "nan" | "NaN" => Self::Number(f64::NAN),
            "inf" | "Infinity" => Self::Number(f64::INFINITY),
            "-inf" | "-Infinity" => Self::Number(f64::NEG_INFINITY),
            // Lists and objects stay text, as typed.
            _ if text.starts_with(['[', '{', ' ']) || text.ends_with(' ') => text.into(),
            // In quotes, names of numbers are text, too.
            _ if text.starts_with('"') => {
                serde_json::from_str::<String>(text).map_or_else(|_| text.into(), Self::Text)
            }
            _ => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bools_are_told_from_texts() {
        for (text, value) in [("0", 0.0), ("-3", -3.0), ("0.1", 0.1), ("1e-05", 1e-5)] {
            assert_eq!(Param::inferred(text), value.into(), "{text}");
        }
        for (text, value) in [("true", true), ("True", true), ("false", false), ("False", false)] {
            assert_eq!(Param::inferred(text), value.into(), "{text}");
        }
        for text in [
            "",
            " ",
            "adam",
            "007",
            "+1",
            "1_000",
            "0x10",
            "12345678901234567",
            "[1, 2]",
            "{\"a\": 1}",
            "null",
            "None",
            "\"open",
            "1 ",
            "1,5",
            "yes",
        ] {
            assert_eq!(Param::inferred(text), text.into(), "{text}");
        }
        assert_eq!(Param::inferred("-inf"), f64::NEG_INFINITY.into());
        assert!(matches!(Param::inferred("nan"), Param::Number(value) if value.is_nan()));
        assert_eq!(Param::inferred("\"NaN\""), "NaN".into());
        assert_eq!(Param::inferred("\"a \\\"b\\\"\""), "a \"b\"".into());
    }
}
