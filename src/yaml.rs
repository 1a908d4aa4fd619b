//! Parses YAML from untrusted sources: the first document of a text, within limits.
//!
//! The parser's events become a flat list of nodes in text order instead of a tree, because the
//! text would control the tree's depth. Aliases stay references, and following them is charged to
//! one budget, so that a few lines that expand to gigabytes are an error.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use crate::error::ErrorKind;

/// Maximum nesting of lists and maps, with aliases followed.
const MAX_DEPTH: usize = 64;
/// Maximum number of values in a text. Each takes about 150 bytes of memory.
const MAX_NODES: usize = 1 << 19;
/// Maximum number of characters that may be part of a list or map in brackets. The parser keeps
/// such a part in memory until it knows whether it is a key, which takes about 600 bytes per
/// character.
const MAX_MARKS: usize = 200_000;
/// Maximum number of bytes that a text expands to, with aliases followed.
const MAX_EXPANDED: usize = 64 << 20;
/// Number of bytes that a value counts for, apart from its text.
const NODE: usize = 32;

/// The first document of a text.
#[derive(Debug)]
pub struct Document<'t> {
    nodes: Vec<Node<'t>>,
    /// Number of bytes that it may still expand to.
    left: Cell<usize>,
}

/// A value, followed by its content.
#[derive(Debug)]
struct Node<'t> {
    what: What<'t>,
    /// Index of the end of its content.
    end: usize,
}

#[derive(Debug)]
enum What<'t> {
    Scalar(Scalar<'t>),
    List,
    Map,
    /// Index of the node that it refers to.
    Alias(usize),
}

/// A value that is a text, a number or the like.
#[derive(Debug)]
pub struct Scalar<'t> {
    pub text: Cow<'t, str>,
    pub style: ScalarStyle,
    pub tag: Option<Cow<'t, Tag>>,
}

impl Scalar<'_> {
    /// Whether the value is null.
    pub fn is_null(&self) -> bool {
        let is_null = matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL");
        self.style == ScalarStyle::Plain && is_null
    }
}

/// A value of a [`Document`].
#[derive(Debug, Clone, Copy)]
pub struct Value<'d, 't> {
    document: &'d Document<'t>,
    at: usize,
    /// Number of lists and maps around it.
    depth: usize,
}

/// The content of a [`Value`].
pub enum View<'d, 't> {
    Scalar(&'d Scalar<'t>),
    List(Values<'d, 't>),
    /// Keys, each followed by its value.
    Map(Values<'d, 't>),
}

impl<'t> Document<'t> {
    /// Parses `text` to its end: an error in a later document is an error, too.
    pub fn parse(text: &'t str) -> Result<Self, ErrorKind> {
        let marks = text.bytes().filter(|byte| b"[]{},:".contains(byte)).count();
        if marks > MAX_MARKS {
            let what =
                format!("it has {marks} brackets, commas and colons; the limit is {MAX_MARKS}");
            return Err(ErrorKind::Value(what));
        }
        let mut builder = Builder::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| malformed(&error))?;
            builder.event(event).map_err(|what| at(&span.start, &what))?;
        }
        Ok(Self { nodes: builder.nodes, left: Cell::new(MAX_EXPANDED) })
    }

    /// The value of the document; `None` if the document is empty.
    pub fn value(&self) -> Option<Value<'_, 't>> {
        (!self.nodes.is_empty()).then_some(Value { document: self, at: 0, depth: 0 })
    }

    /// Charges bytes to the budget of the document.
    pub fn charge(&self, bytes: usize) -> Result<(), ErrorKind> {
        let left = self.left.get().checked_sub(bytes).ok_or_else(|| {
            let what = format!("it has more than {MAX_EXPANDED} bytes with aliases expanded");
            ErrorKind::Value(what)
        })?;
        self.left.set(left);
        Ok(())
    }
}

/// Builds nodes from events.
#[derive(Default)]
struct Builder<'t> {
    nodes: Vec<Node<'t>>,
    /// Lists and maps that are not complete.
    open: Vec<usize>,
    /// Indices of the values with anchors.
    anchors: HashMap<usize, usize>,
    /// Whether the first document is complete.
    is_done: bool,
}

impl<'t> Builder<'t> {
    fn event(&mut self, event: Event<'t>) -> Result<(), String> {
        if self.is_done {
            return Ok(());
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.push(What::Scalar(Scalar { text, style, tag }), anchor)
            }
            Event::SequenceStart(anchor, _) => self.open(What::List, anchor),
            Event::MappingStart(anchor, _) => self.open(What::Map, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let end = self.nodes.len();
                if let Some(node) = self.open.pop().and_then(|at| self.nodes.get_mut(at)) {
                    node.end = end;
                }
                Ok(())
            }
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied();
                self.push(What::Alias(target.ok_or("an alias without an anchor")?), 0)
            }
            Event::DocumentEnd => {
                self.is_done = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, what: What<'t>, anchor: usize) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep());
        }
        self.open.push(self.nodes.len());
        self.push(what, anchor)
    }

    fn push(&mut self, what: What<'t>, anchor: usize) -> Result<(), String> {
        let at = self.nodes.len();
        if at >= MAX_NODES {
            return Err(format!("more than {MAX_NODES} values"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, at);
        }
        self.nodes.push(Node { what, end: at + 1 });
        Ok(())
    }
}

impl<'d, 't> Value<'d, 't> {
    /// The content, with an alias followed.
    pub fn view(self) -> Result<View<'d, 't>, ErrorKind> {
        if self.depth > MAX_DEPTH {
            return Err(ErrorKind::Value(too_deep()));
        }
        let document = self.document;
        let empty = || ErrorKind::Value("an alias without an anchor".into());
        let mut at = self.at;
        let mut node = document.nodes.get(at).ok_or_else(empty)?;
        // An alias refers to a value, never to an alias.
        if let What::Alias(target) = node.what {
            at = target;
            node = document.nodes.get(at).ok_or_else(empty)?;
        }
        let inside = Values { document, next: at + 1, end: node.end, depth: self.depth + 1 };
        document.charge(NODE)?;
        match &node.what {
            What::Scalar(scalar) => {
                document.charge(scalar.text.len())?;
                Ok(View::Scalar(scalar))
            }
            What::List => Ok(View::List(inside)),
            What::Map => Ok(View::Map(inside)),
            What::Alias(_) => Err(empty()),
        }
    }
}

/// Consecutive values.
pub struct Values<'d, 't> {
    document: &'d Document<'t>,
    next: usize,
    end: usize,
    depth: usize,
}

impl<'d, 't> Values<'d, 't> {
    /// A key and its value.
    pub fn next_pair(&mut self) -> Option<(Value<'d, 't>, Value<'d, 't>)> {
        Some((self.next()?, self.next()?))
    }
}

impl<'d, 't> Iterator for Values<'d, 't> {
    type Item = Value<'d, 't>;

    fn next(&mut self) -> Option<Value<'d, 't>> {
        if self.next >= self.end {
            return None;
        }
        let at = self.next;
        self.next = self.document.nodes.get(at)?.end;
        Some(Value { document: self.document, at, depth: self.depth })
    }
}

fn too_deep() -> String {
    format!("lists and maps are nested more than {MAX_DEPTH} deep")
}

fn malformed(error: &ScanError) -> ErrorKind {
    at(error.marker(), &format!("invalid YAML: {}", error.info()))
}

fn at(marker: &Marker, what: &str) -> ErrorKind {
    ErrorKind::Value(format!("line {} column {}: {what}", marker.line(), marker.col() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows all values and returns their number.
    fn walk(value: Value<'_, '_>) -> Result<usize, ErrorKind> {
        let mut count = 1;
        match value.view()? {
            View::Scalar(_) => {}
            View::List(values) | View::Map(values) => {
                for value in values {
                    count += walk(value)?;
                }
            }
        }
        Ok(count)
    }

    fn count(text: &str) -> Result<usize, String> {
        let document = Document::parse(text).map_err(|kind| kind.to_string())?;
        document.value().map_or(Ok(0), walk).map_err(|kind| kind.to_string())
    }

    #[test]
    fn the_first_document_is_read_and_all_of_the_text_is_checked() {
        for (text, values) in [
            ("", 0),
            ("a", 1),
            ("a: [1, {b: c}]\nd:\n- e\n", 10),
            ("a: &x [1, 2]\nb: *x\n", 9),
            ("a\n---\nb: c\n", 1),
        ] {
            assert_eq!(count(text), Ok(values), "{text:?}");
        }
        for (text, said) in [
            ("a: 1\nb: [", "line 3 column 1: invalid YAML: "),
            ("a\n---\nb: [", "line 4 column 1: invalid YAML: "),
            ("a: *b", "line 1 column 4: invalid YAML: "),
        ] {
            let why = count(text).unwrap_err();
            assert!(why.starts_with(said), "{text:?}: {why}");
        }
    }

    #[test]
    fn no_text_is_deeper_or_larger_than_the_limits() {
        let deep = "are nested more than 64 deep";
        for text in [
            "- ".repeat(5000),
            "? ".repeat(5000),
            "[".repeat(60_000),
            format!("a: {}1{}", "{b: ".repeat(100), "}".repeat(100)),
            (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
            "a: &a [*a]".into(),
            "a: &a {b: [*a]}".into(),
            format!(
                "a0: &a0 [x]\n{}",
                (1..100).map(|i| format!("a{i}: &a{i} [*a{}]\n", i - 1)).collect::<String>()
            ),
        ] {
            let why = count(&text).unwrap_err();
            assert!(why.contains(deep) || why.contains("recursion limit"), "{why}");
        }
        // Each line is nine times as long as the one before.
        let bomb = |base: &str, list: &str| {
            let line = |i: usize| {
                let alias = format!("*a{}", i - 1);
                format!("a{i}: &a{i} {}\n", list.replace('x', &alias))
            };
            format!("a0: &a0 {base}\n{}", (1..10).map(line).collect::<String>())
        };
        let nine = "[x, x, x, x, x, x, x, x, x]";
        let keys = "{1: x, 2: x, 3: x, 4: x, 5: x, 6: x, 7: x, 8: x, 9: x}";
        for text in [bomb("lol", nine), bomb(&"x".repeat(100_000), nine), bomb("[]", keys)] {
            let why = count(&text).unwrap_err();
            assert_eq!(why, "it has more than 67108864 bytes with aliases expanded");
        }
        let why = count(&"- \n".repeat(MAX_NODES + 1)).unwrap_err();
        assert_eq!(why, "line 524288 column 3: more than 524288 values");
        let why = count(&format!("[{}]", "a,".repeat(MAX_MARKS))).unwrap_err();
        assert!(why.ends_with("brackets, commas and colons; the limit is 200000"), "{why}");
    }
}
