//! Reads parameters from `hparams.yaml`, which Lightning writes next to the event files
//! (`lightning/fabric/loggers` and `lightning/pytorch/core/saving.py`, `save_hparams_to_yaml`).

#[cfg(feature = "track")]
mod tree;

use std::collections::BTreeMap;
use std::path::Path;

use saphyr::Scalar;

use super::Param;
use crate::error::{ErrorKind, Location, Result};
use crate::store::{self, Links};
use crate::yaml::{self, Document, Value, View};

#[cfg(feature = "track")]
pub(crate) use tree::{Tree, tree};

/// Name of the file.
pub const FILE: &str = crate::file_names::HPARAMS;
/// Maximum size in bytes. A larger file does not contain parameters.
const MAX_BYTES: u64 = 4 << 20;

/// Returns the parameters in `hparams.yaml` of the run in `dir`; none if the file does not exist. Keys of nested
/// maps are joined by `/`, lists become text, and `null` is left out.
///
/// # Errors
///
/// [`ErrorKind::Value`]: the file is not YAML, is not a map, or exceeds the limits of [`yaml`]. [`ErrorKind::Io`]:
/// it cannot be read, is not a regular file, or is a link that may not be followed.
pub(crate) fn read(dir: &Path, links: Links) -> Result<BTreeMap<String, Param>> {
    read_file(dir, &dir.join(FILE), links)
}

/// The same for the file at `path`, which is in or below `root`.
#[doc(hidden)]
pub fn read_file(root: &Path, path: &Path, links: Links) -> Result<BTreeMap<String, Param>> {
    let read = || {
        let bytes = store::read_optional(root, path, MAX_BYTES, links)?.unwrap_or_default();
        let text = str::from_utf8(&bytes).map_err(|error| {
            let what = format!("byte {}: it is not UTF-8", error.valid_up_to());
            ErrorKind::Value(what)
        })?;
        parse(text)
    };
    read().map_err(|kind: ErrorKind| kind.at(Location::of(path)))
}

fn parse(text: &str) -> Result<BTreeMap<String, Param>, ErrorKind> {
    let document = Document::parse(text)?;
    let mut params = BTreeMap::new();
    let Some(value) = document.value() else { return Ok(params) };
    match value.view()? {
        View::Map(_) => flatten("", value, &document, &mut params)?,
        View::Scalar(scalar) if matches!(typed(scalar), Some(Scalar::Null)) => {}
        View::Scalar(_) | View::List(_) => {
            return Err(ErrorKind::Value("not a map of parameters".into()));
        }
    }
    Ok(params)
}

fn flatten(
    name: &str,
    value: Value<'_, '_>,
    document: &Document<'_>,
    params: &mut BTreeMap<String, Param>,
) -> Result<(), ErrorKind> {
    let param = match value.view()? {
        View::Map(mut map) => {
            while let Some((key, value)) = map.next_pair() {
                let key = inline(key)?;
                let name = if name.is_empty() { key } else { format!("{name}/{key}") };
                document.charge(name.len())?;
                flatten(&name, value, document, params)?;
            }
            return Ok(());
        }
        View::Scalar(scalar) => match typed(scalar) {
            Some(Scalar::Null) => return Ok(()),
            Some(Scalar::Boolean(value)) => Param::Bool(value),
            Some(Scalar::Integer(value)) => Param::Int(value),
            Some(Scalar::FloatingPoint(value)) => Param::Number(value.into_inner()),
            Some(Scalar::String(_)) | None => Param::Text(inline(value)?),
        },
        View::List(_) => Param::Text(inline(value)?),
    };
    if !name.is_empty() {
        params.insert(name.into(), param);
    }
    Ok(())
}

/// Formats a value on one line.
fn inline(value: Value<'_, '_>) -> Result<String, ErrorKind> {
    let mut line = String::new();
    write(value, &mut line)?;
    Ok(line)
}

fn write(value: Value<'_, '_>, line: &mut String) -> Result<(), ErrorKind> {
    match value.view()? {
        View::Scalar(scalar) => match typed(scalar) {
            Some(Scalar::String(text)) if text.is_empty() => line.push_str(named(scalar)),
            Some(Scalar::String(text)) => line.push_str(&text),
            Some(Scalar::Null) => line.push_str("null"),
            Some(Scalar::Boolean(value)) => line.push_str(&value.to_string()),
            Some(Scalar::Integer(value)) => line.push_str(&value.to_string()),
            Some(Scalar::FloatingPoint(value)) => line.push_str(&value.to_string()),
            None if scalar.text.is_empty() => line.push_str(named(scalar)),
            None => line.push_str(&scalar.text),
        },
        View::List(values) => {
            line.push('[');
            for (i, value) in values.enumerate() {
                line.push_str(if i > 0 { ", " } else { "" });
                write(value, line)?;
            }
            line.push(']');
        }
        View::Map(mut map) => {
            line.push('{');
            let mut separator = "";
            while let Some((key, value)) = map.next_pair() {
                line.push_str(separator);
                write(key, line)?;
                line.push_str(": ");
                write(value, line)?;
                separator = ", ";
            }
            line.push('}');
        }
    }
    Ok(())
}

/// Interprets the value by the core schema of YAML 1.2; `None` if it has another tag, such as a Python name.
fn typed<'s>(scalar: &'s yaml::Scalar<'_>) -> Option<Scalar<'s>> {
    Scalar::parse_from_cow_and_metadata((&*scalar.text).into(), scalar.style, scalar.tag.as_ref())
}

/// The name in the tag of an empty value, such as `!!python/name:torch.nn.ReLU`.
fn named<'s>(scalar: &'s yaml::Scalar<'_>) -> &'s str {
    let suffix = scalar.tag.as_ref().map_or("", |tag| &tag.suffix);
    suffix.rsplit_once(':').map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of Lightning 2.6 for such arguments.
    #[test]
    fn nested_parameters_are_flat() {
        let text = "lr: 0.001\nbatch: 32\nname: resnet\nbias: true\nnone: null\nlayers:\n- 64\n- 32\n\
                    model:\n  width: 128\n  act:\n    kind: relu\nnan: .nan\n\
                    path: !!python/object/apply:pathlib.PosixPath\n- /\n- data\n\
                    'no': \"no\"\nbig: 1e-3\nact: !!python/name:torch.nn.ReLU ''\n\
                    shared: &s {a: 1}\nagain: *s\n";
        let params = parse(text).unwrap();
        let text = |text: &str| Param::Text(text.into());
        let expected = [
            ("act", text("torch.nn.ReLU")),
            ("again/a", Param::Int(1)),
            ("batch", Param::Int(32)),
            ("bias", Param::Bool(true)),
            ("big", Param::Number(0.001)),
            ("layers", text("[64, 32]")),
            ("lr", Param::Number(0.001)),
            ("model/act/kind", text("relu")),
            ("model/width", Param::Int(128)),
            ("name", text("resnet")),
            ("no", text("no")),
            ("path", text("[/, data]")),
            ("shared/a", Param::Number(1.0)),
        ];
        let mut found = params.clone();
        let Some(Param::Number(nan)) = found.remove("nan") else { panic!("{params:?}") };
        assert!(nan.is_nan());
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_file_that_is_no_map_of_parameters_is_refused() {
        for text in ["", "{}", "null", "~", "# nothing", "---\n"] {
            assert_eq!(parse(text).unwrap(), BTreeMap::new(), "{text:?}");
        }
        let no_map = "not a map of parameters";
        for (text, said) in [
            ("- 1\n- 2\n", no_map),
            ("batch_si", no_map),
            ("{", "line 2 column 1: invalid YAML"),
            ("lr: 0.1\na: [", "line 3 column 1: invalid YAML"),
            ("a: &a [*a]", "64 deep"),
        ] {
            let why = parse(text).unwrap_err().to_string();
            assert!(why.starts_with(said) || why.contains(said), "{text:?}: {why}");
        }
    }

    /// A name includes the names of all maps around it.
    #[test]
    fn long_names_cannot_fill_the_memory() {
        let keys: String = (0..100_000).map(|i| format!("  ? {i}\n")).collect();
        let text = format!("? {}\n:\n{keys}", "x".repeat(1 << 20));
        let why = parse(&text).unwrap_err().to_string();
        assert_eq!(why, "it has more than 67108864 bytes with aliases expanded");
    }
}
