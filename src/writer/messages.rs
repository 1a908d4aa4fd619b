//! What becomes of messages of `tracing` and `log`: numbers are scalars, words are text.

#![cfg(any(feature = "log", feature = "tracing"))]

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::quiet::{is_quiet, quietly};
use super::{SummaryWriter, lock};
use crate::error::{Error, Result};
use crate::summary::histogram::Numeric;

/// What could not be logged: those who log are not told.
///
/// Clones count the same failures.
#[derive(Debug, Clone, Default)]
pub struct Failures(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    count: AtomicU64,
    first: Mutex<Option<Error>>,
}

impl Failures {
    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Why the first of them failed.
    pub fn first(&self) -> Option<Error> {
        let first = lock(&self.0.first);
        first.as_ref().map(|error| Error::new(error.kind().clone(), error.location().clone()))
    }

    fn note(&self, result: Result<()>) {
        if let Err(error) = result {
            self.0.count.fetch_add(1, Ordering::Relaxed);
            lock(&self.0.first).get_or_insert(error);
        }
    }
}

/// A writer, as those see it who must not fail.
#[derive(Debug)]
pub(super) struct Desk {
    writer: SummaryWriter,
    pub(super) prefix: String,
    pub(super) failures: Failures,
}

impl Desk {
    pub(super) fn new(writer: SummaryWriter) -> Self {
        Self { writer, prefix: String::new(), failures: Failures::default() }
    }

    /// Does `work`, unless this thread is already inside of the writer.
    pub(super) fn work(&self, work: impl FnOnce()) {
        if !is_quiet() {
            quietly(work);
        }
    }

    /// Logs numbers below `path`, at their own step or else at this one.
    pub(super) fn numbers(&self, path: &str, numbers: &Numbers, step: Option<i64>) {
        let step = numbers.step.or(step);
        for (name, value) in &numbers.named {
            let tag = self.tag(&[path, name]);
            self.failures.note(self.writer.add_scalar(&tag, *value, step));
        }
    }

    /// Logs the words of a note, if there are any, with the other messages of its level.
    ///
    /// They are counted whatever the step is: at one step, TensorBoard's default loader shows
    /// only the last.
    pub(super) fn message(&self, level: &str, target: &str, note: &Note) {
        if note.has_words {
            let Note { message, fields, .. } = note;
            let blank = if message.is_empty() { "" } else { " " };
            let text = verbatim(&format!("{target}:{blank}{message}{fields}"));
            let tag = self.tag(&["log", level]);
            self.failures.note(self.writer.add_text(&tag, &text, None));
        }
    }

    #[cfg(feature = "log")]
    pub(super) fn flush(&self) {
        self.work(|| self.failures.note(self.writer.flush()));
    }

    fn tag(&self, parts: &[&str]) -> String {
        let parts = [self.prefix.as_str()].into_iter().chain(parts.iter().copied());
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        parts.join("/")
    }
}

/// The numbers that come with a message or a span.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    /// What is called `step`, and an integer.
    pub(super) step: Option<i64>,
    named: Vec<(Box<str>, f64)>,
}

impl Numbers {
    pub(super) fn integer<N: Numeric + TryInto<i64>>(&mut self, name: &str, value: N) {
        match name {
            "step" => {
                let last = if value.to_f64() < 0.0 { i64::MIN } else { i64::MAX };
                self.step = Some(value.try_into().unwrap_or(last));
            }
            _ => self.number(name, value),
        }
    }

    pub(super) fn number(&mut self, name: &str, value: impl Numeric) {
        let value = value.to_f64();
        match self.named.iter_mut().find(|(other, _)| **other == *name) {
            Some((_, known)) => *known = value,
            None => self.named.push((name.into(), value)),
        }
    }
}

/// What is said with a message.
#[derive(Debug, Default)]
pub(super) struct Note {
    pub(super) numbers: Numbers,
    message: String,
    /// All that is named, as ` name=value`, behind the message.
    fields: String,
    /// Whether there is more than numbers.
    has_words: bool,
}

impl Note {
    pub(super) fn integer<N>(&mut self, name: &str, value: N)
    where
        N: Numeric + TryInto<i64> + fmt::Debug,
    {
        self.field(name, format_args!("{value:?}"));
        self.numbers.integer(name, value);
    }

    pub(super) fn number(&mut self, name: &str, value: impl Numeric + fmt::Debug) {
        self.field(name, format_args!("{value:?}"));
        self.numbers.number(name, value);
    }

    pub(super) fn words(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.has_words = true;
        self.field(name, value);
    }

    pub(super) fn message(&mut self, message: fmt::Arguments<'_>) {
        // Fails only where a value refuses to be shown; then that is all it says.
        let _ = self.message.write_fmt(message);
        self.has_words |= !self.message.is_empty();
    }

    fn field(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let _ = write!(self.fields, " {name}={value}");
    }
}

/// A text that TensorBoard shows as it is: in Markdown, code is indented. Messages are full of
/// what Markdown has another meaning for.
fn verbatim(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_message_is_code() {
        assert_eq!(verbatim("a\n\n  b\r\nc\n"), "    a\n    \n      b\n    c");
        assert_eq!(verbatim(""), "");
    }

    #[test]
    fn a_step_is_an_integer_of_64_bits() {
        let mut numbers = Numbers::default();
        numbers.integer("step", u128::MAX);
        assert_eq!(numbers.step, Some(i64::MAX));
        numbers.integer("step", i128::MIN);
        assert_eq!(numbers.step, Some(i64::MIN));
        numbers.integer("step", -3i64);
        assert_eq!((numbers.step, numbers.named.len()), (Some(-3), 0));
        numbers.number("step", 0.5);
        assert_eq!((numbers.step, numbers.named.len()), (Some(-3), 1));
    }
}
