//! Flattens values and checks their leaves.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::Error as _;

use super::*;

#[derive(Serialize)]
enum Optimizer {
    Sgd,
    Adam { lr: f32, betas: (f64, f64) },
    Wrapped(u8),
    Pair(u8, bool),
}

#[derive(Serialize)]
struct Layer {
    units: usize,
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Wrapper(i8);

#[derive(Serialize)]
struct Config {
    seed: u64,
    name: &'static str,
    off: Option<f64>,
    on: Option<f64>,
    first: Optimizer,
    second: Optimizer,
    third: Optimizer,
    fourth: Optimizer,
    sizes: Vec<u32>,
    none: [f32; 0],
    rows: [[u8; 2]; 2],
    layers: Vec<Layer>,
    maps: BTreeMap<i32, bool>,
    unit: Unit,
    wrapper: Wrapper,
    letter: char,
    huge: u128,
    odd: f64,
}

fn config() -> Config {
    Config {
        seed: 7,
        name: "a/b",
        off: None,
        on: Some(f64::INFINITY),
        first: Optimizer::Sgd,
        second: Optimizer::Adam { lr: 0.1, betas: (0.9, 0.999) },
        third: Optimizer::Wrapped(3),
        fourth: Optimizer::Pair(4, false),
        sizes: vec![128, 64],
        none: [],
        rows: [[1, 2], [3, 4]],
        layers: vec![Layer { units: 5 }, Layer { units: 6 }],
        maps: BTreeMap::from([(-1, true), (2, false)]),
        unit: Unit,
        wrapper: Wrapper(-8),
        letter: 'x',
        huge: u128::MAX,
        odd: f64::NAN,
    }
}

/// One line per leaf.
fn lines(leaves: &[(String, Leaf)]) -> Vec<String> {
    leaves.iter().map(|(path, leaf)| format!("{path}: {leaf:?}")).collect()
}

#[test]
fn everything_has_a_path() {
    let leaves = flatten("", &config(), Sequences::Text).unwrap();
    let expected = [
        "seed: Int(7)",
        "name: Text(\"a/b\")",
        "off: Nothing",
        "on: Number(inf)",
        "first: Text(\"Sgd\")",
        "second/Adam/lr: F32(0.1)",
        "second/Adam/betas: List(\"[0.9, 0.999]\")",
        "third/Wrapped: Int(3)",
        "fourth/Pair: List(\"[4, false]\")",
        "sizes: List(\"[128, 64]\")",
        "none: List(\"[]\")",
        "rows: List(\"[[1, 2], [3, 4]]\")",
        "layers/0/units: Int(5)",
        "layers/1/units: Int(6)",
        "maps/-1: Bool(true)",
        "maps/2: Bool(false)",
        "unit: Nothing",
        "wrapper: Int(-8)",
        "letter: Text(\"x\")",
        "huge: Number(3.402823669209385e38)",
        "odd: Number(NaN)",
    ];
    assert_eq!(lines(&leaves), expected);
}

#[test]
fn elements_of_sequences_can_have_paths_of_their_own() {
    let of = config();
    let leaves = flatten("a", &of.rows, Sequences::Levels).unwrap();
    let expected = ["a/0/0: Int(1)", "a/0/1: Int(2)", "a/1/0: Int(3)", "a/1/1: Int(4)"];
    assert_eq!(lines(&leaves), expected);
    let leaves = flatten("", &of.fourth, Sequences::Levels).unwrap();
    assert_eq!(lines(&leaves), ["Pair/0: Int(4)", "Pair/1: Bool(false)"]);
    let leaves = flatten("a", &1.5, Sequences::Levels).unwrap();
    assert_eq!(lines(&leaves), ["a: Number(1.5)"]);
    // A single element with a path keeps all elements apart.
    let mixed = (1, BTreeMap::from([("b", 2)]), None::<u8>);
    let leaves = flatten("a", &mixed, Sequences::Text).unwrap();
    assert_eq!(lines(&leaves), ["a/0: Int(1)", "a/1/b: Int(2)", "a/2: Nothing"]);
}

#[test]
fn what_cannot_be_serialised_is_an_error() {
    struct Bad;
    impl Serialize for Bad {
        fn serialize<S: ser::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("no such thing"))
        }
    }
    let error = flatten("", &[Some(Bad)], Sequences::Text).unwrap_err();
    assert_eq!(error.to_string(), "no such thing");
    let keys = BTreeMap::from([((1, 2), 3)]);
    let error = flatten("", &keys, Sequences::Text).unwrap_err();
    assert_eq!(error.to_string(), "a map whose keys are not names");
}
