//! Serializes several values on one level: sequences, structs and maps.

use serde::Serialize;
use serde::ser::{self, Error};

use super::{Flattener, Leaf, Refused, Sequences, flatten, text};

/// Several values on one level.
pub(super) struct Level<'a> {
    flattener: &'a mut Flattener,
    /// Length of the path above this level.
    outer: usize,
    /// Index of the first leaf of this level.
    first_leaf: usize,
    /// Number of elements so far, for a sequence.
    elements: usize,
    /// Whether each element so far was a single leaf without a path of its own.
    plain: bool,
    /// Key of the next value, for a map.
    key: Option<String>,
}

impl<'a> Level<'a> {
    pub(super) fn new(flattener: &'a mut Flattener, outer: usize) -> Self {
        let first_leaf = flattener.leaves.len();
        Self { flattener, outer, first_leaf, elements: 0, plain: true, key: None }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let Self { flattener, elements, plain, .. } = self;
        let name = elements.to_string();
        let before = flattener.leaves.len();
        let len = flattener.enter(&name);
        value.serialize(&mut **flattener)?;
        let path = flattener.path.as_str();
        *plain &= match flattener.leaves.get(before..) {
            Some([(only, _)]) => only == path,
            _ => false,
        };
        flattener.path.truncate(len);
        *elements += 1;
        Ok(())
    }

    fn end_sequence(self) -> Result<(), Refused> {
        let Self { flattener, first_leaf, plain, .. } = self;
        if plain && flattener.sequences == Sequences::Text {
            let elements = flattener.leaves.drain(first_leaf..).map(|(_, leaf)| leaf);
            let list = Leaf::List(text::list(elements));
            flattener.leaf(list)?;
        }
        flattener.path.truncate(self.outer);
        Ok(())
    }

    fn end_level(self) -> Result<(), Refused> {
        self.flattener.path.truncate(self.outer);
        Ok(())
    }
}

macro_rules! sequences {
    ($($trait:ident $method:ident;)*) => {
        $(impl ser::$trait for Level<'_> {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.element(value)
            }

            fn end(self) -> Result<(), Refused> {
                self.end_sequence()
            }
        })*
    };
}

sequences! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! structs {
    ($($trait:ident)*) => {
        $(impl ser::$trait for Level<'_> {
            type Ok = ();
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Refused> {
                self.flattener.below(name, value)
            }

            fn end(self) -> Result<(), Refused> {
                self.end_level()
            }
        })*
    };
}

structs! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Level<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        let leaves = flatten("", key, Sequences::Levels).map_err(Refused::custom)?;
        self.key = Some(match leaves.as_slice() {
            [(path, leaf)] if path.is_empty() && *leaf != Leaf::Nothing => text::plain(leaf),
            _ => return Err(Refused::custom("a map whose keys are not names")),
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let key = self.key.take().unwrap_or_default();
        self.flattener.below(&key, value)
    }

    fn end(self) -> Result<(), Refused> {
        self.end_level()
    }
}
