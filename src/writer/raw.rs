//! Events and summaries as they are on the wire.

use super::{Inner, IntoStep, SummaryWriter};
use crate::error::{Error, Result};
use crate::event::pb;

impl SummaryWriter {
    /// Logs an event as it is. A wall time of 0 becomes that of the call, or of the
    /// [handle](Self::with_wall_time).
    ///
    /// For what no other method can say. Nothing looks at the event: whether TensorBoard shows it
    /// is the caller's care.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): the wall time is not finite, where
    /// TensorBoard stops reading a file; else as [`add_scalar`](Self::add_scalar).
    pub fn add_event(&self, mut event: pb::Event) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        if !event.wall_time.is_finite() {
            return Err(Error::argument(format!("an event with wall time {}", event.wall_time)));
        }
        if event.wall_time == 0.0 {
            event.wall_time = self.wall_time(inner);
        }
        inner.append_event(&event)
    }

    /// Logs a summary as it is: values under tags, with their metadata or without, in one event.
    ///
    /// Without a step the event has that of the [handle](Self::with_step), else the next of the
    /// first value's tag.
    ///
    /// # Errors
    ///
    /// As [`add_scalar`](Self::add_scalar).
    pub fn add_summary(&self, summary: pb::Summary, step: impl IntoStep) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let tag = summary.value.first().map_or("", |value| &value.tag);
        let event = pb::Event {
            wall_time: self.wall_time(inner),
            step: self.step(inner, tag, step.into_step()),
            what: Some(pb::event::What::Summary(summary)),
            ..Default::default()
        };
        inner.append_event(&event)
    }
}

impl Inner {
    pub(super) fn append_event(&self, event: &pb::Event) -> Result<()> {
        let much = self.file.append_event(event)?;
        self.worker.notify(much);
        Ok(())
    }
}
