//! Events that are read only up to their first bytes.

use super::Growing;
use crate::logdir::{Place, Values};
use crate::summary::Kind;

/// The field of `Summary.Value` that holds a tensor: of any kind, whereas every other field implies
/// one.
const TENSOR_FIELD: u32 = 8;

impl Growing<'_> {
    /// The only series that an event, known by its first bytes, can belong to, if its tag is known.
    pub(in crate::logdir) fn peeked(&self, tag: &[u8], field: u32) -> Option<usize> {
        let found = self.by_tag.get(str::from_utf8(tag).ok()?)?.first;
        let series = self.series.get(found).filter(|series| !series.has_siblings)?;
        let fits = match (series.metadata.as_ref()?.kind, field) {
            (Kind::Image, 4) | (Kind::Histogram, 5) | (Kind::Audio, 6) => true,
            (kind, TENSOR_FIELD) => kind != Kind::Scalar,
            _ => false,
        };
        fits.then_some(found)
    }

    /// Whether a value in this field and with this metadata certainly belongs to series `found`.
    pub(in crate::logdir) fn has_metadata(
        &self,
        found: usize,
        field: u32,
        wire: Option<&[u8]>,
    ) -> bool {
        self.series.get(found).is_some_and(|series| match wire {
            None => field != TENSOR_FIELD || series.sure,
            Some(wire) => !wire.is_empty() && wire == series.wire,
        })
    }

    /// Processes an event of series `found` without reading its payload. Returns `false` if the
    /// payload is needed.
    pub(in crate::logdir) fn pass(
        &mut self,
        found: usize,
        step: i64,
        wall_time: f64,
        place: Place,
        decoded: bool,
    ) -> bool {
        let Some(series) = self.series.get(found) else { return false };
        let wanted = series.wanted;
        if wanted && !(matches!(series.values, Values::Dropped) && decoded) {
            return false;
        }
        self.note_time(wall_time);
        let reset = self.note_step(step, true);
        let starts = self.starts.len();
        if let Some(series) = self.series.get_mut(found).filter(|_| wanted) {
            series.point(step, wall_time, reset, starts);
            series.place(Place { file: self.file, ..place });
        }
        true
    }
}
