//! Collects the numbers, bools and texts in anything that serde can serialize, each with its path.
//!
//! The path of `c` in `{a: {b: {c: 1}}}` is `a/b/c`. A variant with content adds a level, as in JSON. Numbers are
//! kept as they are, including NaN and infinities, which JSON cannot represent.

mod level;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use serde::Serialize;
use serde::ser;

use self::level::Level;
use super::histogram::Numeric;
use crate::error::ErrorKind;

/// The value at the end of a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Leaf {
    /// No value: `None` or a unit.
    Nothing,
    Bool(bool),
    F32(f32),
    Int(i64),
    /// Any other number, including integers that do not fit into an i64.
    Number(f64),
    /// A string, a character or a variant without content.
    Text(String),
    /// A sequence of elements without paths, as one text: `[1, 2]`.
    List(String),
}

/// The treatment of sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequences {
    /// As one text, unless the sequence contains structs or maps.
    Text,
    /// Each element's index becomes a level of the path.
    Levels,
}

/// Returns the leaves of `value`, in its order, with paths that start at `root`.
///
/// # Errors
///
/// [`ErrorKind::Argument`]: the value's own serialization fails, or a map key is not a string, number or bool.
pub(crate) fn flatten<T: Serialize + ?Sized>(
    root: &str,
    value: &T,
    sequences: Sequences,
) -> Result<Vec<(String, Leaf)>, ErrorKind> {
    let mut flattener = Flattener { path: root.to_owned(), leaves: Vec::new(), sequences };
    match value.serialize(&mut flattener) {
        Ok(()) => Ok(flattener.leaves),
        Err(refused) => Err(ErrorKind::Argument(refused.0)),
    }
}

struct Flattener {
    path: String,
    leaves: Vec<(String, Leaf)>,
    sequences: Sequences,
}

impl Flattener {
    fn leaf(&mut self, leaf: Leaf) -> Result<(), Refused> {
        self.leaves.push((self.path.clone(), leaf));
        Ok(())
    }

    fn integer(&mut self, number: impl Numeric + TryInto<i64>) -> Result<(), Refused> {
        let int = number.try_into().map(Leaf::Int);
        self.leaf(int.unwrap_or_else(|_| Leaf::Number(number.to_f64())))
    }

    /// Serializes `value` one level below.
    fn below<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Refused> {
        let len = self.enter(name);
        value.serialize(&mut *self)?;
        self.path.truncate(len);
        Ok(())
    }

    /// Enters a level of the path. Returns the previous length of the path.
    fn enter(&mut self, name: &str) -> usize {
        let len = self.path.len();
        if len > 0 {
            self.path.push('/');
        }
        self.path.push_str(name);
        len
    }
}

macro_rules! leaves {
    ($($method:ident $type:ty => $leaf:ident;)*) => {
        $(fn $method(self, value: $type) -> Result<(), Refused> {
            self.leaf(Leaf::$leaf(value.into()))
        })*
    };
}

macro_rules! integers {
    ($($method:ident $type:ty;)*) => {
        $(fn $method(self, value: $type) -> Result<(), Refused> {
            self.integer(value)
        })*
    };
}

impl<'a> ser::Serializer for &'a mut Flattener {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Level<'a>;
    type SerializeTuple = Level<'a>;
    type SerializeTupleStruct = Level<'a>;
    type SerializeTupleVariant = Level<'a>;
    type SerializeMap = Level<'a>;
    type SerializeStruct = Level<'a>;
    type SerializeStructVariant = Level<'a>;

    leaves! {
        serialize_bool bool => Bool;
        serialize_f32 f32 => F32;
        serialize_f64 f64 => Number;
        serialize_char char => Text;
        serialize_str &str => Text;
    }

    integers! {
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Refused> {
        bytes.serialize(self) // as a sequence of numbers
    }

    fn serialize_none(self) -> Result<(), Refused> {
        self.leaf(Leaf::Nothing)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        self.leaf(Leaf::Nothing)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        self.leaf(Leaf::Nothing)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Refused> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.below(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Level<'a>, Refused> {
        let outer = self.path.len();
        Ok(Level::new(self, outer))
    }

    fn serialize_tuple(self, _: usize) -> Result<Level<'a>, Refused> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Level<'a>, Refused> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Level<'a>, Refused> {
        let outer = self.enter(variant);
        Ok(Level::new(self, outer))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Level<'a>, Refused> {
        self.serialize_seq(None)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Level<'a>, Refused> {
        self.serialize_seq(None)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Level<'a>, Refused> {
        self.serialize_tuple_variant(name, index, variant, len)
    }
}

/// The reason why a value cannot be serialized.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self(what.to_string())
    }
}
