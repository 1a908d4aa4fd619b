//! JSON as Python writes it, with bare `NaN` and `Infinity`, and values of objects one at a time, so that the text
//! does not control how much memory they take.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use tbx::error::ErrorKind;
use tbx::meta::Param;

/// Maximum number of objects around a value. Each level reads the text once more.
const MAX_DEPTH: usize = 32;
/// Maximum number of parameters.
const MAX_PARAMS: usize = 1 << 16;
/// Maximum number of bytes of the names of parameters: a name includes the names of all objects around it.
const MAX_NAMES: usize = 16 << 20;

/// Replaces bare `NaN`, `Infinity` and `-Infinity` by texts, which is how other programs write them.
///
/// Python's `json.dumps` writes them by default (`allow_nan`); JSON does not have them.
pub(crate) fn strict(json: Vec<u8>) -> Vec<u8> {
    let (mut strict, mut copied, mut at) = (Vec::new(), 0, 0);
    let mut in_text = false;
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if in_text => at += 1,
            b'N' | b'I' | b'-' if !in_text => {
                let rest = json.get(at - 1..).unwrap_or_default();
                let names: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
                let Some(name) = names.into_iter().find(|name| rest.starts_with(name)) else {
                    continue;
                };
                strict.extend_from_slice(json.get(copied..at - 1).unwrap_or_default());
                strict.push(b'"');
                strict.extend_from_slice(name);
                strict.push(b'"');
                at += name.len() - 1;
                copied = at;
            }
            _ => {}
        }
    }
    if copied == 0 {
        return json;
    }
    strict.extend_from_slice(json.get(copied..).unwrap_or_default());
    strict
}

/// A value in JSON.
#[cfg_attr(not(feature = "trackio"), allow(dead_code, reason = "only trackio's objects are read"))]
#[derive(Debug, Clone)]
pub(crate) enum Plain<'j> {
    Null,
    /// A number, a bool (1 or 0), or the name of a number that JSON lacks.
    Number(f64),
    Text(String),
    /// An object.
    Object(&'j RawValue),
    /// A list.
    List(&'j RawValue),
}

/// The kind of a value, and its content if it is a number or a text.
pub(crate) fn plain(value: &RawValue) -> Plain<'_> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'{') => Plain::Object(value),
        Some(b'[') => Plain::List(value),
        Some(b'"') => match serde_json::from_str::<String>(text).unwrap_or_default() {
            text if matches!(&*text, "NaN" | "Infinity" | "-Infinity") => {
                Plain::Number(text.parse().unwrap_or(f64::NAN))
            }
            text => Plain::Text(text),
        },
        Some(b't') => Plain::Number(1.0),
        Some(b'f') => Plain::Number(0.0),
        _ => text.parse().map_or(Plain::Null, Plain::Number),
    }
}

/// Calls `take` with each key and value of an object.
pub(crate) fn fields<'j>(
    json: &'j str,
    take: impl FnMut(Cow<'j, str>, &'j RawValue) -> Result<(), ErrorKind>,
) -> Result<(), ErrorKind> {
    struct Fields<'j, F>(F, PhantomData<&'j ()>);

    impl<'j, F> Visitor<'j> for Fields<'j, F>
    where
        F: FnMut(Cow<'j, str>, &'j RawValue) -> Result<(), ErrorKind>,
    {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'j>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((key, value)) = map.next_entry::<Key<'j>, &RawValue>()? {
                (self.0)(key.0, value).map_err(A::Error::custom)?;
            }
            Ok(())
        }
    }

    let mut from = serde_json::Deserializer::from_str(json);
    let read = from.deserialize_map(Fields(take, PhantomData)).and_then(|()| from.end());
    read.map_err(|error| malformed(&error))
}

/// Calls `take` with each element of a list.
pub(crate) fn items<'j>(
    json: &'j str,
    take: impl FnMut(&'j RawValue) -> Result<(), ErrorKind>,
) -> Result<(), ErrorKind> {
    struct Items<'j, F>(F, PhantomData<&'j ()>);

    impl<'j, F: FnMut(&'j RawValue) -> Result<(), ErrorKind>> Visitor<'j> for Items<'j, F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'j>>(mut self, mut list: A) -> Result<(), A::Error> {
            while let Some(value) = list.next_element::<&RawValue>()? {
                (self.0)(value).map_err(A::Error::custom)?;
            }
            Ok(())
        }
    }

    let mut from = serde_json::Deserializer::from_str(json);
    let read = from.deserialize_seq(Items(take, PhantomData)).and_then(|()| from.end());
    read.map_err(|error| malformed(&error))
}

/// A key, which is borrowed unless it has escapes.
#[derive(serde::Deserialize)]
struct Key<'j>(#[serde(borrow)] Cow<'j, str>);

fn malformed(error: &serde_json::Error) -> ErrorKind {
    ErrorKind::Value(error.to_string())
}

/// Adds the values of an object to `params`: names of nested objects are joined by `/`, lists become their text, and
/// null is left out, as for `hparams.yaml`.
///
/// # Errors
///
/// It is not an object, is nested too deeply, or has too many values.
pub(crate) fn add_params(
    object: &str,
    params: &mut BTreeMap<String, Param>,
) -> Result<(), ErrorKind> {
    add(object, "", 0, &mut MAX_NAMES.clone(), params)
}

fn add(
    object: &str,
    before: &str,
    depth: usize,
    room: &mut usize,
    params: &mut BTreeMap<String, Param>,
) -> Result<(), ErrorKind> {
    if depth > MAX_DEPTH {
        return Err(ErrorKind::Value(format!("objects are nested more than {MAX_DEPTH} deep")));
    }
    fields(object, |key, value| {
        let name = if before.is_empty() { key.into_owned() } else { format!("{before}/{key}") };
        let left = room.checked_sub(name.len()).filter(|_| params.len() < MAX_PARAMS);
        *room = left.ok_or_else(|| {
            let what = format!(
                "more than {MAX_PARAMS} parameters, or {MAX_NAMES} bytes of names of parameters"
            );
            ErrorKind::Value(what)
        })?;
        let param = match plain(value) {
            Plain::Null => return Ok(()),
            Plain::Object(_) => return add(value.get(), &name, depth + 1, room, params),
            // Keeps bools and integers.
            Plain::Number(_) | Plain::List(_) => {
                serde_json::from_str(value.get()).map_err(|error| malformed(&error))?
            }
            Plain::Text(text) => Param::Text(text),
        };
        params.insert(name, param);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict_text(json: &str) -> String {
        String::from_utf8(strict(json.as_bytes().to_vec())).unwrap()
    }

    #[test]
    fn only_bare_names_become_texts() {
        for (json, expected) in [
            ("[NaN, -Infinity,Infinity]", r#"["NaN", "-Infinity","Infinity"]"#),
            (r#"{"a": NaN}"#, r#"{"a": "NaN"}"#),
            (r#"{"NaN": "a \" NaN \\", "b": -1}"#, r#"{"NaN": "a \" NaN \\", "b": -1}"#),
            (r#"["\\", NaN]"#, r#"["\\", "NaN"]"#),
            ("", ""),
            ("\"\\", "\"\\"),
            ("-", "-"),
        ] {
            assert_eq!(strict_text(json), expected, "{json}");
        }
    }

    #[test]
    fn objects_become_parameters() {
        let mut params = BTreeMap::new();
        let json = r#"{"lr": 0.1, "n": 3, "deep": true, "none": null, "l": [1, "a"], "x": "NaN",
            "opt": {"name": "adam", "o": {"b": 1.0}}}"#;
        add_params(json, &mut params).unwrap();
        let shown: Vec<_> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected =
            ["deep=True", "l=[1,\"a\"]", "lr=0.1", "n=3", "opt/name=adam", "opt/o/b=1.0", "x=nan"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn no_text_is_deeper_or_larger_than_the_limits() {
        let deep = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
        let why = add_params(&deep, &mut BTreeMap::new()).unwrap_err().to_string();
        assert!(why.contains("more than 32 deep"), "{why}");
        let names: Vec<_> = (0..2000).map(|i| format!("\"{i}\":1")).collect();
        let long = format!("{{\"{}\":{{{}}}}}", "x".repeat(1 << 20), names.join(","));
        let why = add_params(&long, &mut BTreeMap::new()).unwrap_err().to_string();
        assert!(why.contains("bytes of names"), "{why}");
        let why = add_params("[1]", &mut BTreeMap::new()).unwrap_err().to_string();
        assert!(why.contains("expected an object"), "{why}");
    }
}
