//! Messages of the crate `log`.

#![cfg(feature = "log")]

use std::fmt;

use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{LevelFilter, Log, Metadata, Record};

use super::SummaryWriter;
use super::messages::{Desk, Failures, Note};

/// A logger for the crate `log` that logs to a [`SummaryWriter`]: messages as text under
/// `log/<level>`, shown verbatim, and numbers and bools among their key-values as scalars under
/// their names.
///
/// An integer `step` is the step of the scalars. Without one, steps are
/// [counted](SummaryWriter#steps). Messages are always counted, since TensorBoard's default
/// loader shows only the last one of a step.
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
/// There is one logger in a program: [`and`](Self::and) has another one log, too.
///
/// It never fails, prints or panics: what cannot be logged is [counted](Self::failures). It has a
/// clone of the writer and is never dropped: so [close](SummaryWriter::close) the writer. What a
/// stream logs that the writer [writes to](SummaryWriter::from_writer) is ignored.
pub struct Logger {
    desk: Desk,
    level: LevelFilter,
    other: Option<Box<dyn Log>>,
}

impl Logger {
    /// A logger that logs to `writer`.
    pub fn new(writer: SummaryWriter) -> Self {
        Self { desk: Desk::new(writer), level: LevelFilter::Trace, other: None }
    }

    /// Puts `prefix` and a slash before every tag. Default: nothing.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.desk.prefix = prefix.into();
        self
    }

    /// Logs no messages beyond this level. Default: all that `log::set_max_level` lets through.
    #[must_use]
    pub fn level(self, level: LevelFilter) -> Self {
        Self { level, ..self }
    }

    /// Has `other` log everything, too: to a terminal, say.
    #[must_use]
    pub fn and(self, other: impl Log + 'static) -> Self {
        Self { other: Some(Box::new(other)), ..self }
    }

    /// What could not be logged. A clone of it goes on counting, wherever the logger is.
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
                // Fails only where a value does; what came before it stays.
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

/// A value that goes into a note under its name.
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
