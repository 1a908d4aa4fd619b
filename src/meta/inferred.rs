//! Values of parameters that people type.

use super::Param;

/// Digits of an integer at most: more are an identifier, and float64 would round them.
const MAX_DIGITS: usize = 15;

impl Param {
    /// The value that a text means: `true` and `True` are bools, numbers are what they are in JSON and
    /// Python, a text in double quotes is what is between them, and everything else is text as it
    /// stands: also `007`, `1_000`, and integers of more than 15 digits, which are identifiers.
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
            // Lists and objects stay as they were typed.
            _ if text.starts_with(['[', '{', ' ']) || text.ends_with(' ') => text.into(),
            // Also in quotes, names of numbers are text here.
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
