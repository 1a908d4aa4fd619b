//! Logs protobuf events and summaries.

use super::{Inner, IntoStep, SummaryWriter};
use crate::error::{Error, Result};
use crate::event::pb;

impl SummaryWriter {
    /// Logs an event unchanged. A wall time of 0 is replaced by the wall time of the
    /// [handle](Self::with_wall_time), or else by the time of the call.
    ///
    /// Use this for events that no other method can write. The event is not checked further; the caller has to
    /// make sure that TensorBoard can show it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): the wall time is not finite, which
    /// makes TensorBoard stop reading a file. Otherwise, the same as for
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_event(&self, mut event: pb::Event) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        if !event.wall_time.is_finite() {
            return Err(Error::argument(format!(
                "an event with the wall time {}, which is not finite",
                event.wall_time
            )));
        }
        if event.wall_time == 0.0 {
            event.wall_time = self.wall_time(inner);
        }
        inner.append_event(&event)
    }

    /// Logs a summary unchanged: values with tags, with or without metadata, in one event.
    ///
    /// Without a step, the event has the step of the [handle](Self::with_step), or else the next
    /// step of the first value's tag.
    ///
    /// # Errors
    ///
    /// The same as for [`add_scalar`](Self::add_scalar).
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
