//! Logs spans and events of `tracing`.

#![cfg(feature = "tracing")]

use std::error::Error;
use std::fmt::Debug;
use std::time::Instant;

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::SummaryWriter;
use super::messages::{Desk, Failures, Note, Numbers};

/// A layer for `tracing_subscriber` that logs to a [`SummaryWriter`]:
///
/// | source | logged as |
/// |---|---|
/// | a span that closes | a scalar `<spans>/seconds`: how long it was open |
/// | a number or bool among a span's fields | a scalar `<spans>/<field>`, when the span closes |
/// | a number or bool among an event's fields | a scalar `<spans>/<field>` |
/// | the message of an event, and its other fields | a text `log/<level>`, shown verbatim |
///
/// `<spans>` is a path of the names of the span and all spans around it. An integer field `step` is the step of
/// the scalars. It comes from the event or span itself, or else from the nearest span around it. Without one,
/// steps are [counted](SummaryWriter#steps). Messages include their step as text, but the steps of messages are
/// always counted, because TensorBoard's default loader shows only the last one of each step.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// use tbx::{SummaryWriter, TracingLayer};
/// use tracing_subscriber::filter::LevelFilter;
/// use tracing_subscriber::prelude::*;
///
/// let writer = SummaryWriter::create(path)?;
/// let layer = TracingLayer::new(writer.clone());
/// let failures = layer.failures().clone();
/// let subscriber = tracing_subscriber::registry().with(layer.with_filter(LevelFilter::INFO));
/// let _guard = subscriber.set_default(); // in a program: `init()`
/// for step in 0..10 {
///     let _epoch = tracing::info_span!("epoch", step).entered();
///     tracing::info!(loss = 0.5, "done"); // epoch/loss, log/info; then epoch/seconds
/// }
/// writer.close()?;
/// assert_eq!(failures.count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The layer never fails, prints or panics: values that cannot be logged are
/// [counted](Self::failures). It holds a clone of the writer, and a global subscriber is never
/// dropped, so [close](SummaryWriter::close) the writer explicitly. Events logged by a stream that
/// the writer [writes to](SummaryWriter::from_writer) are ignored.
#[derive(Debug)]
pub struct TracingLayer {
    desk: Desk,
}

impl TracingLayer {
    /// Creates a layer that logs to `writer`.
    pub fn new(writer: SummaryWriter) -> Self {
        Self { desk: Desk::new(writer) }
    }

    /// Sets a prefix that is put before every tag, followed by a slash. Default: none.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.desk.prefix = prefix.into();
        self
    }

    /// The values that could not be logged. A clone keeps counting, wherever the layer is.
    pub fn failures(&self) -> &Failures {
        &self.desk.failures
    }
}

/// Data attached to a span, shared by all layers of this type.
struct Open {
    since: Instant,
    numbers: Numbers,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TracingLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.desk.work(|| {
            let Some(span) = context.span(id) else { return };
            let mut extensions = span.extensions_mut();
            // Another layer of this type may already have run.
            if extensions.get_mut::<Open>().is_none() {
                let mut numbers = Numbers::default();
                attributes.record(&mut numbers);
                extensions.insert(Open { since: Instant::now(), numbers });
            }
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.desk.work(|| {
            let Some(span) = context.span(id) else { return };
            if let Some(open) = span.extensions_mut().get_mut::<Open>() {
                values.record(&mut open.numbers);
            }
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        self.desk.work(|| {
            let mut note = Note::default();
            event.record(&mut note);
            let (path, step) = around(context.event_scope(event));
            if let (None, Some(step)) = (note.numbers.step, step) {
                note.integer("step", step);
            }
            self.desk.numbers(&path, &note.numbers, None);
            let metadata = event.metadata();
            let level = metadata.level().as_str().to_lowercase();
            self.desk.message(&level, metadata.target(), &note);
        });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.desk.work(|| {
            let (path, step) = around(context.span_scope(&id));
            // Not while the span is locked, because writing may take a while.
            let closed = context.span(&id).and_then(|span| {
                span.extensions().get::<Open>().map(|open| (open.since, open.numbers.clone()))
            });
            if let Some((since, mut numbers)) = closed {
                numbers.number("seconds", since.elapsed().as_secs_f64());
                self.desk.numbers(&path, &numbers, step);
            }
        });
    }
}

/// The path of spans, and the innermost step.
fn around<'a, S: LookupSpan<'a>>(spans: Option<Scope<'a, S>>) -> (String, Option<i64>) {
    let (mut names, mut step) = (Vec::new(), None);
    for span in spans.into_iter().flatten() {
        names.push(span.name());
        let extensions = span.extensions();
        step = step.or_else(|| extensions.get::<Open>()?.numbers.step);
    }
    names.reverse();
    (names.join("/"), step)
}

/// Strings and other values are ignored.
impl Visit for Numbers {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.integer(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.integer(field.name(), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.integer(field.name(), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.integer(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field.name(), value);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl Visit for Note {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.integer(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.integer(field.name(), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.integer(field.name(), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.integer(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.words(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message(format_args!("{value:?}")),
            name => self.words(name, format_args!("{value:?}")),
        }
    }
}
