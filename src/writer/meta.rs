//! Logs the metadata of the run.

use super::SummaryWriter;
use crate::error::Result;
use crate::meta::RunMeta;
use crate::summary;

impl SummaryWriter {
    /// Writes a copy of the run's metadata to its log, so that the event file identifies its run
    /// even when it is copied without `tbx.json`. If there are several copies, the one that was
    /// last [updated](RunMeta::updated_at) is used. TensorBoard does not show it.
    ///
    /// # Errors
    ///
    /// The same as for [`add_scalar`](Self::add_scalar).
    pub fn add_meta(&self, meta: &RunMeta) -> Result<()> {
        self.add(summary::meta::TAG, 0, |_| summary::meta::v2(meta))
    }
}
