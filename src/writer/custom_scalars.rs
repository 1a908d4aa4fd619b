//! Logs layouts of custom scalars.

use super::SummaryWriter;
use crate::error::Result;
use crate::summary::custom_scalars::{Category, Chart, ChartLayout, Margin, TAG};

impl SummaryWriter {
    /// Logs which scalars TensorBoard shows together in one chart, in the tab "Custom Scalars". The
    /// last layout of a run is used; the layouts of all runs are shown together.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{Category, Chart, ChartLayout, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let losses = Chart::multiline("losses", ["train/loss", "test/loss"]);
    /// let layout = ChartLayout::new().category(Category::new("both").chart(losses));
    /// writer.add_custom_scalars(&layout)?;
    /// writer.add_scalar("train/loss", 0.5, 0)?;
    /// writer.add_scalar("test/loss", 0.75, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): a chart has no tags, or an empty tag.
    /// Otherwise, the same as for [`add_scalar`](Self::add_scalar).
    pub fn add_custom_scalars(&self, layout: &ChartLayout) -> Result<()> {
        self.add(TAG, 0, |_| layout.to_v2())
    }

    /// Logs a layout with a single chart, which has one line for each tag that matches one of the
    /// patterns in `tags`. As in PyTorch, it replaces an earlier layout. To log several charts, use
    /// one call of [`add_custom_scalars`](Self::add_custom_scalars).
    ///
    /// # Errors
    ///
    /// The same as for [`add_custom_scalars`](Self::add_custom_scalars).
    pub fn add_custom_scalars_multilinechart(
        &self,
        tags: impl IntoIterator<Item: Into<String>>,
        category: &str,
        title: &str,
    ) -> Result<()> {
        self.add_chart(category, Chart::multiline(title, tags))
    }

    /// Logs a layout with a single chart of a line and a band around it. `tags` are the tags of the
    /// line, of the lower edge and of the upper edge. As in PyTorch, it replaces an earlier layout.
    ///
    /// # Errors
    ///
    /// The same as for [`add_custom_scalars`](Self::add_custom_scalars).
    pub fn add_custom_scalars_marginchart(
        &self,
        tags: [&str; 3],
        category: &str,
        title: &str,
    ) -> Result<()> {
        let [value, lower, upper] = tags;
        self.add_chart(category, Chart::margin(title, [Margin::new(value, lower, upper)]))
    }

    fn add_chart(&self, category: &str, chart: Chart) -> Result<()> {
        let category = Category::new(category).chart(chart);
        self.add_custom_scalars(&ChartLayout::new().category(category))
    }
}
