//! What the run is.

use super::SummaryWriter;
use crate::error::Result;
use crate::meta::RunMeta;
use crate::summary;

impl SummaryWriter {
    /// Puts a copy of the run's metadata into its log, so that the event file tells what it is of
    /// when it is copied without `tbx.json`. Of several the last that was
    /// [updated](RunMeta::updated_at) counts. TensorBoard shows nothing of it.
    ///
    /// # Errors
    ///
    /// As [`add_scalar`](Self::add_scalar).
    pub fn add_meta(&self, meta: &RunMeta) -> Result<()> {
        self.add(summary::meta::TAG, 0, |_| summary::meta::v2(meta))
    }
}
