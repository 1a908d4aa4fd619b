//! The cases in `fixtures/peers/`: calls, their arguments, and the output of the peers.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::str::FromStr;

use ndarray::ArrayD;
use serde_json::{Map, Value};

use crate::common::repository;

/// A program whose calls tbx has, too.
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) cases: Vec<Case>,
}

pub(super) struct Case {
    /// The method of the last call and its special feature: `add_scalar: no step`.
    pub(super) name: String,
    pub(super) calls: Vec<(String, Args)>,
    /// The resulting contents of the log directory; `None` if the peer raised an exception.
    pub(super) written: Option<Written>,
}

/// The contents of a log directory.
pub(super) struct Written {
    /// Payloads of events, by run.
    pub(super) runs: BTreeMap<String, Vec<Vec<u8>>>,
    /// Files other than event files, by path.
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

impl Peer {
    pub(super) fn all() -> Vec<Self> {
        ["torch", "tensorboardX", "tensorflow", "tensorboard"].map(Self::read).into()
    }

    fn read(name: &str) -> Self {
        let path = repository(&format!("fixtures/peers/{name}.json"));
        let json: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let cases = json["cases"].as_array().unwrap().iter().map(Case::from_json).collect();
        Self { name: name.into(), cases }
    }
}

impl Case {
    fn from_json(json: &Value) -> Self {
        let calls = json["calls"].as_array().unwrap().iter().map(|call| {
            let method = call[0].as_str().unwrap().to_owned();
            (method, Args(call[1].as_object().unwrap().clone()))
        });
        let payloads = |run: &Value| run.as_array().unwrap().iter().map(hex).collect();
        let written = json.get("raises").is_none().then(|| Written {
            runs: entries(&json["runs"], payloads),
            files: entries(&json["files"], hex),
        });
        Self { name: json["case"].as_str().unwrap().into(), calls: calls.collect(), written }
    }
}

fn entries<T>(json: &Value, read: impl Fn(&Value) -> T) -> BTreeMap<String, T> {
    json.as_object().unwrap().iter().map(|(key, value)| (key.clone(), read(value))).collect()
}

fn hex(digits: &Value) -> Vec<u8> {
    let digits = digits.as_str().unwrap();
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
}

/// The arguments of a call, under the peer's names.
pub(super) struct Args(Map<String, Value>);

impl Args {
    /// `None` if the argument is missing or is Python's `None`.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn needed(&self, name: &str) -> &Value {
        self.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.0.keys()))
    }

    /// The first of these arguments that was given.
    pub(super) fn text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name)).map(|value| value.as_str().unwrap())
    }

    pub(super) fn integer(&self, names: &[&str]) -> Option<i64> {
        names.iter().find_map(|name| self.get(name)).map(|value| value.as_i64().unwrap())
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value == true)
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        array(self.needed(name)).values::<f64>()[0]
    }

    pub(super) fn numbers(&self, name: &str) -> Vec<f64> {
        match self.needed(name) {
            Value::Array(list) => list.iter().map(|value| array(value).values()[0]).collect(),
            value => array(value).values(),
        }
    }

    pub(super) fn array(&self, name: &str) -> Array {
        array(self.needed(name))
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        texts(self.needed(name))
    }

    pub(super) fn entries(&self, name: &str) -> &Map<String, Value> {
        self.needed(name).as_object().unwrap()
    }

    /// A serialized message.
    pub(super) fn message(&self, name: &str) -> Vec<u8> {
        hex(&self.needed(name)["hex"])
    }

    pub(super) fn messages(&self, name: &str) -> Vec<Vec<u8>> {
        self.needed(name).as_array().unwrap().iter().map(|value| hex(&value["hex"])).collect()
    }

    pub(super) fn value(&self, name: &str) -> &Value {
        self.needed(name)
    }
}

pub(super) fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().into()).collect()
}

/// Numbers or strings, with their type.
pub(super) struct Array {
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    values: Vec<String>,
}

/// Parses a number, an array, or a list of them, into one array.
pub(super) fn array(json: &Value) -> Array {
    let number = |dtype: &str, value: String| Array::new(dtype, vec![], vec![value]);
    match json {
        Value::Bool(value) => number("bool", u8::from(*value).to_string()),
        Value::Number(value) => number("int64", value.to_string()),
        Value::Array(list) => {
            let parts: Vec<_> = list.iter().map(array).collect();
            let shape = [&[parts.len()], parts[0].shape.as_slice()].concat();
            let values = parts.iter().flat_map(|part| part.values.clone()).collect();
            Array::new(&parts[0].dtype, shape, values)
        }
        _ => {
            let values = json["values"].as_str().unwrap().split_whitespace().map(Into::into);
            let shape = serde_json::from_value(json["shape"].clone()).unwrap();
            Array::new(json["dtype"].as_str().unwrap(), shape, values.collect())
        }
    }
}

impl Array {
    /// A single value is repeated for all elements.
    fn new(dtype: &str, shape: Vec<usize>, mut values: Vec<String>) -> Self {
        if let [only] = values.as_slice() {
            values = vec![only.clone(); shape.iter().product()];
        }
        Self { dtype: dtype.into(), shape, values }
    }

    /// The values. Complex numbers give two values each.
    pub(super) fn values<T: FromStr<Err: Debug>>(&self) -> Vec<T> {
        self.values.iter().map(|value| value.parse().unwrap()).collect()
    }

    pub(super) fn ndarray<T: FromStr<Err: Debug>>(&self) -> ArrayD<T> {
        ArrayD::from_shape_vec(self.shape.clone(), self.values()).unwrap()
    }
}

/// Runs `$body` with the numbers of an array in their own type, as returned by `$collect`.
macro_rules! with_numbers {
    ($array:expr, $collect:ident, |$numbers:ident| $body:expr) => {{
        let array = &$array;
        match array.dtype.as_str() {
            "float" | "float64" => {
                let $numbers = array.$collect::<f64>();
                $body
            }
            "float32" => {
                let $numbers = array.$collect::<f32>();
                $body
            }
            "float16" => {
                let $numbers = array.$collect::<half::f16>();
                $body
            }
            "bfloat16" => {
                let $numbers = array.$collect::<half::bf16>();
                $body
            }
            "int8" => {
                let $numbers = array.$collect::<i8>();
                $body
            }
            "int16" => {
                let $numbers = array.$collect::<i16>();
                $body
            }
            "int32" => {
                let $numbers = array.$collect::<i32>();
                $body
            }
            "int64" => {
                let $numbers = array.$collect::<i64>();
                $body
            }
            "uint8" | "bool" => {
                let $numbers = array.$collect::<u8>();
                $body
            }
            "uint64" => {
                let $numbers = array.$collect::<u64>();
                $body
            }
            other => panic!("numbers of {other}"),
        }
    }};
}
pub(super) use with_numbers;

/// The same for images and videos, as `ndarray`s.
macro_rules! with_samples {
    ($array:expr, |$samples:ident| $body:expr) => {{
        let array = &$array;
        match array.dtype.as_str() {
            "uint8" => {
                let $samples = array.ndarray::<u8>();
                $body
            }
            "float32" => {
                let $samples = array.ndarray::<f32>();
                $body
            }
            _ => {
                let $samples = array.ndarray::<f64>();
                $body
            }
        }
    }};
}
pub(super) use with_samples;
