//! Logs messages of `tracing` and `log`: numbers as scalars, other fields as text.

#![cfg(any(feature = "log", feature = "tracing"))]

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::quiet::{is_quiet, quietly};
use super::{SummaryWriter, lock};
use crate::error::{Error, Result};
use crate::summary::histogram::Numeric;

/// Values that could not be logged. The code that logs them gets no error.
///
/// Clones share the same count.
#[derive(Debug, Clone, Default)]
pub struct Failures(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    count: AtomicU64,
    first: Mutex<Option<Error>>,
}

impl Failures {
    /// Number of values that could not be logged.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// The error of the first of them.
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

/// A writer for code that must not fail.
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

    /// Runs `work`, unless this thread is already inside the writer.
    pub(super) fn work(&self, work: impl FnOnce()) {
        if !is_quiet() {
            quietly(work);
        }
    }

    /// Logs numbers below `path`, at their own step, or else at `step`.
    pub(super) fn numbers(&self, path: &str, numbers: &Numbers, step: Option<i64>) {
        let step = numbers.step.or(step);
        for (name, value) in &numbers.named {
            let tag = self.tag(&[path, name]);
            self.failures.note(self.writer.add_scalar(&tag, *value, step));
        }
    }

    /// Logs the text of a note, if there is any, with the other messages of its level.
    ///
    /// The steps of messages are counted, whatever `step` is, because TensorBoard's default loader
    /// shows only the last one of each step.
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

/// The numbers of a message or a span.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    /// The integer called `step`.
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

/// The content of a message.
#[derive(Debug, Default)]
pub(super) struct Note {
    pub(super) numbers: Numbers,
    message: String,
    /// All named fields as ` name=value`, to follow the message.
    fields: String,
    /// Whether there is anything other than numbers.
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
        // Fails only if a value cannot be formatted; the text before it is kept.
        let _ = self.message.write_fmt(message);
        self.has_words |= !self.message.is_empty();
    }

    fn field(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let _ = write!(self.fields, " {name}={value}");
    }
}

/// Formats a text so that TensorBoard shows it verbatim: as indented code in Markdown. Messages
/// often contain characters that have a meaning in Markdown.
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
