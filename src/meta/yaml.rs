//! Parameters in `hparams.yaml`, which Lightning writes beside the event files
//! (`lightning/fabric/loggers` and `lightning/pytorch/core/saving.py`, `save_hparams_to_yaml`).

use std::collections::BTreeMap;
use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};

use super::Param;
use crate::store::{self, Links};

/// The file's name.
pub const FILE: &str = "hparams.yaml";
/// No parameters take more; what is longer is something else.
const MAX_BYTES: u64 = 4 << 20;
/// Maps in maps go no deeper.
const MAX_DEPTH: usize = 32;

/// The parameters in `hparams.yaml` of the run in `dir`; none if there is no such file, or it
/// cannot be read. Keys of maps in maps are joined by `/`, lists are text, `null` is left out.
pub(crate) fn read(dir: &Path, links: Links) -> BTreeMap<String, Param> {
    let bytes = store::read_optional(dir, &dir.join(FILE), MAX_BYTES, links);
    let text = bytes.ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map_or_else(BTreeMap::new, |text| parse(&text))
}

fn parse(text: &str) -> BTreeMap<String, Param> {
    let mut params = BTreeMap::new();
    if let Some(document) = Yaml::load_from_str(text).ok().and_then(|docs| docs.into_iter().next())
    {
        flatten("", &document, MAX_DEPTH, &mut params);
    }
    params
}

fn flatten(name: &str, value: &Yaml<'_>, depth: usize, params: &mut BTreeMap<String, Param>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let param = match value {
        Yaml::Mapping(map) => {
            for (key, value) in map {
                let key = inline(key, depth);
                let name = if name.is_empty() { key } else { format!("{name}/{key}") };
                flatten(&name, value, depth, params);
            }
            return;
        }
        // Of a Python object only its fields are of use.
        Yaml::Tagged(_, value) => return flatten(name, value, depth, params),
        Yaml::Value(Scalar::Null) => return,
        Yaml::Value(Scalar::Boolean(value)) => Param::Bool(*value),
        Yaml::Value(Scalar::Integer(value)) => Param::Int(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Param::Number(value.into_inner()),
        other => Param::Text(inline(other, depth)),
    };
    if !name.is_empty() {
        params.insert(name.into(), param);
    }
}

/// A value in one line.
fn inline(value: &Yaml<'_>, depth: usize) -> String {
    let Some(depth) = depth.checked_sub(1) else { return "...".into() };
    match value {
        Yaml::Value(Scalar::String(text)) => text.to_string(),
        Yaml::Value(Scalar::Null) => "null".into(),
        Yaml::Value(Scalar::Boolean(value)) => value.to_string(),
        Yaml::Value(Scalar::Integer(value)) => value.to_string(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.to_string(),
        Yaml::Representation(text, ..) => text.to_string(),
        Yaml::Tagged(_, value) => inline(value, depth),
        Yaml::Sequence(values) => {
            let values: Vec<_> = values.iter().map(|value| inline(value, depth)).collect();
            format!("[{}]", values.join(", "))
        }
        Yaml::Mapping(map) => {
            let entry = |(key, value)| format!("{}: {}", inline(key, depth), inline(value, depth));
            format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Yaml::Alias(_) | Yaml::BadValue => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Lightning 2.6 writes for such arguments.
    #[test]
    fn nested_parameters_are_flat() {
        let text = "lr: 0.001\nbatch: 32\nname: resnet\nbias: true\nnone: null\nlayers:\n- 64\n- 32\n\
                    model:\n  width: 128\n  act:\n    kind: relu\nnan: .nan\n\
                    path: !!python/object/apply:pathlib.PosixPath\n- /\n- data\n\
                    'no': \"no\"\nbig: 1e-3\n";
        let params = parse(text);
        let text = |text: &str| Param::Text(text.into());
        let expected = [
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
        ];
        let mut found = params.clone();
        let Some(Param::Number(nan)) = found.remove("nan") else { panic!("{params:?}") };
        assert!(nan.is_nan());
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_map_has_no_parameters() {
        for text in ["", "- 1\n- 2\n", "text", "{", "a: [", ": :\n :", "&a [*a]"] {
            assert_eq!(parse(text), BTreeMap::new(), "{text:?}");
        }
        let deep = format!("a: {}1{}", "{b: ".repeat(500), "}".repeat(500));
        parse(&deep); // whatever it is
    }
}
