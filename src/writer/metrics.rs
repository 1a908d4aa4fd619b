//! Logs structs of numbers.

#![cfg(feature = "serde")]

use serde::Serialize;

use super::{IntoStep, SummaryWriter, at};
use crate::error::Result;
use crate::summary::flatten::{Leaf, Sequences, flatten};

impl SummaryWriter {
    /// Logs every number in a struct, or in anything else that serde can serialize, as a scalar. The field `b` of
    /// the field `a` gets the tag `<tag>/a/b`. All scalars have the same wall time and step.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::SummaryWriter;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Loss {
    ///     total: f32,
    ///     penalty: Option<f32>,
    /// }
    ///
    /// #[derive(serde::Serialize)]
    /// struct Metrics {
    ///     loss: Loss,
    ///     accuracy: [f64; 2],
    /// }
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let metrics =
    ///     Metrics { loss: Loss { total: 0.5, penalty: None }, accuracy: [0.75, 0.5] };
    /// // train/loss/total, train/accuracy/0, train/accuracy/1
    /// writer.add_metrics("train", &metrics, 3)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A map of names to numbers is logged under its names with an empty tag:
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let writer = tbx::SummaryWriter::create(dir.path())?;
    /// use std::collections::BTreeMap;
    ///
    /// let metrics = BTreeMap::from([("train/loss", 0.5), ("val/loss", 0.75)]);
    /// writer.add_metrics("", &metrics, 3)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Elements of sequences are named by their index, entries of maps by their key, and variants with content by
    /// the variant's name. Bools become 0 and 1. NaN and infinities are logged. Strings, variants without content
    /// and `None` are not numbers, and are left out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): a map key is not a string, number or bool, or the
    /// value's own serialization fails. Otherwise, the same as for [`add_scalar`](Self::add_scalar).
    pub fn add_metrics<T: Serialize + ?Sized>(
        &self,
        tag: &str,
        metrics: &T,
        step: impl IntoStep,
    ) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let step = step.into_step();
        let leaves = flatten(tag, metrics, Sequences::Levels);
        let leaves = leaves.map_err(|kind| at(kind, tag, step))?;
        let numbers = leaves.iter().filter_map(|(tag, leaf)| Some((tag, number(leaf)?)));
        let mut numbers = numbers.peekable();
        if numbers.peek().is_none() {
            return Ok(()); // without counting a step
        }
        let (wall_time, step) = (self.wall_time(inner), self.step(inner, tag, step));
        numbers.try_for_each(|(tag, number)| {
            self.append_scalar(inner, &inner.file, tag, number, wall_time, step)
        })
    }
}

#[expect(clippy::as_conversions, reason = "rounds beyond 2^53")]
fn number(leaf: &Leaf) -> Option<f64> {
    match leaf {
        Leaf::Int(value) => Some(*value as f64),
        Leaf::Bool(value) => Some(f64::from(*value)),
        Leaf::F32(value) => Some(f64::from(*value)),
        Leaf::Number(value) => Some(*value),
        Leaf::Nothing | Leaf::Text(_) | Leaf::List(_) => None,
    }
}
