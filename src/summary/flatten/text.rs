//! Formats leaves as text.

use super::Leaf;

/// Formats a sequence: `[1, 0.5, "a", true, null]`. This is JSON except for NaN and infinities.
pub(super) fn list(elements: impl Iterator<Item = Leaf>) -> String {
    let mut list = String::from("[");
    for (i, element) in elements.enumerate() {
        if i > 0 {
            list.push_str(", ");
        }
        match &element {
            Leaf::Text(text) => quote(text, &mut list),
            other => list.push_str(&plain(other)),
        }
    }
    list.push(']');
    list
}

/// Formats a single leaf.
pub(super) fn plain(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Nothing => "null".into(),
        Leaf::Bool(value) => value.to_string(),
        Leaf::Int(value) => value.to_string(),
        Leaf::F32(value) => number(value),
        Leaf::Number(value) => number(value),
        Leaf::Text(text) | Leaf::List(text) => text.clone(),
    }
}

/// Formats a number as briefly as possible, and integers without a decimal point: `1e-5`, `64`.
fn number(value: &impl std::fmt::Debug) -> String {
    let digits = format!("{value:?}");
    digits.strip_suffix(".0").map(String::from).unwrap_or(digits)
}

fn quote(text: &str, list: &mut String) {
    list.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => list.extend(['\\', c]),
            '\n' => list.push_str("\\n"),
            '\r' => list.push_str("\\r"),
            '\t' => list.push_str("\\t"),
            c if c.is_control() && c.is_ascii() => {
                list.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => list.push(c),
        }
    }
    list.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_like_json() {
        let leaves = [
            Leaf::Number(64.0),
            Leaf::F32(0.1),
            Leaf::Number(1e-5),
            Leaf::Number(1e300),
            Leaf::Number(f64::NAN),
            Leaf::F32(f32::NEG_INFINITY),
            Leaf::Bool(true),
            Leaf::Nothing,
            Leaf::Text("a \"b\" \\ \n\u{7}\u{e4}".into()),
            Leaf::List("[1]".into()),
        ];
        let expected =
            r#"[64, 0.1, 1e-5, 1e300, NaN, -inf, true, null, "a \"b\" \\ \n\u0007ä", [1]]"#;
        assert_eq!(list(leaves.into_iter()), expected);
        assert_eq!(list([].into_iter()), "[]");
    }
}
