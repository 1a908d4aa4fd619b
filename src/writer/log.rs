//! Logs messages of the crate `log`.

#![cfg(feature = "log")]

use std::fmt;

use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{LevelFilter, Log, Metadata, Record};

use super::SummaryWriter;
use super::messages::{Desk, Failures, Note};

/// A logger for the crate `log` that logs to a [`SummaryWriter`]. Messages become text with the tag
/// `log/<level>`, shown verbatim. Numbers and bools among their key-value pairs become scalars with
/// the key as their tag.
///
/// An integer `step` is the step of the scalars. Without one, steps are
/// [counted](SummaryWriter#steps). The steps of messages are always counted, because TensorBoard's
/// default loader shows only the last one of each step.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// use tbx::{Logger, SummaryWriter};
///
/// let writer = SummaryWriter::create(path)?;
/// let logger = Logger::new(writer.clone());
/// let failures = logger.failures().clone();
/// log::set_boxed_logger(Box::new(logger))?;
/// log::set_max_level(log::LevelFilter::Info);
/// for step in 0..10 {
///     log::info!(step, loss = 0.5; "done"); // loss, log/info
/// }
/// writer.close()?;
/// assert_eq!(failures.count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A program can have only one logger. Use [`and`](Self::and) to forward messages to another one.
///
/// The logger never fails, prints or panics: values that cannot be logged are
/// [counted](Self::failures). It holds a clone of the writer and is never dropped, so
/// [close](SummaryWriter::close) the writer explicitly. Messages logged by a stream that the writer
/// [writes to](SummaryWriter::from_writer) are ignored.
pub struct Logger {
    desk: Desk,
    level: LevelFilter,
    other: Option<Box<dyn Log>>,
}

impl Logger {
    /// Creates a logger that logs to `writer`.
    pub fn new(writer: SummaryWriter) -> Self {
        Self { desk: Desk::new(writer), level: LevelFilter::Trace, other: None }
    }

    /// Sets a prefix that is put before every tag, followed by a slash. Default: none.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.desk.prefix = prefix.into();
        self
    }

    /// Sets the maximum level of messages that are logged. Default: everything that
    /// `log::set_max_level` allows.
    #[must_use]
    pub fn level(self, level: LevelFilter) -> Self {
        Self { level, ..self }
    }

    /// Forwards everything to `other` as well, for example to log to a terminal.
    #[must_use]
    pub fn and(self, other: impl Log + 'static) -> Self {
        Self { other: Some(Box::new(other)), ..self }
    }

    /// The values that could not be logged. A clone keeps counting, wherever the logger is.
    pub fn failures(&self) -> &Failures {
        &self.desk.failures
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut logger = f.debug_struct("Logger");
        logger.field("desk", &self.desk).field("level", &self.level).finish_non_exhaustive()
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let others = || self.other.as_ref().is_some_and(|other| other.enabled(metadata));
        metadata.level() <= self.level || others()
    }

    fn log(&self, record: &Record<'_>) {
        if record.level() <= self.level {
            self.desk.work(|| {
                let mut note = Note::default();
                note.message(*record.args());
                // Fails only if a value does; the values before it are kept.
                let _ = record.key_values().visit(&mut note);
                self.desk.numbers("", &note.numbers, None);
                let level = record.level().as_str().to_lowercase();
                self.desk.message(&level, record.target(), &note);
            });
        }
        if let Some(other) = &self.other {
            other.log(record);
        }
    }

    fn flush(&self) {
        self.desk.flush();
        if let Some(other) = &self.other {
            other.flush();
        }
    }
}

impl<'kvs> VisitSource<'kvs> for Note {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        value.visit(Pair { note: self, name: key.as_str() })
    }
}

/// Visits a value and adds it to a note, with its name.
struct Pair<'a> {
    note: &'a mut Note,
    name: &'a str,
}

impl<'v> VisitValue<'v> for Pair<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.note.words(self.name, format_args!("{value}"));
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.note.integer(self.name, value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.note.integer(self.name, value);
        Ok(())
    }

    fn visit_u128(&mut self, value: u128) -> Result<(), Error> {
        self.note.integer(self.name, value);
        Ok(())
    }

    fn visit_i128(&mut self, value: i128) -> Result<(), Error> {
        self.note.integer(self.name, value);
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.note.number(self.name, value);
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.note.number(self.name, value);
        Ok(())
    }
}
