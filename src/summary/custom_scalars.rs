//! Custom scalars: the scalar series that TensorBoard shows together in one chart.
//!
//! There is one value per run, with its own tag and plugin: a string of rank 0 that holds a
//! serialized `Layout` (`tensorboard/plugins/custom_scalar/summary.py`, `pb`). TensorBoard merges
//! the layouts of all runs by category title.

use bytes::Bytes;
use prost::Message;

use super::raw::decode;
use super::tensor::{Tensor, value};
use super::{Kind, RawValue};
use crate::error::ErrorKind;
use crate::event::pb;
use crate::event::pb::chart::Content;
use crate::event::pb::margin_chart_content::Series;

/// Tag of a layout (`tensorboard/plugins/custom_scalar/metadata.py`, `CONFIG_SUMMARY_TAG`).
pub const TAG: &str = "custom_scalars__config__";

/// The layout of TensorBoard's "Custom Scalars" dashboard: categories of charts.
///
/// ```
/// use tbx::{Category, Chart, ChartLayout, Margin};
///
/// let accuracy = Margin::new("accuracy", "accuracy/worst", "accuracy/best");
/// let layout = ChartLayout::new()
///     .category(
///         Category::new("training")
///             .chart(Chart::multiline("both losses", ["train/loss", "test/loss"]))
///             .chart(Chart::margin("accuracy", [accuracy])),
///     )
///     .category(Category::new("rates").chart(Chart::multiline("all", [r"rate/.*"])).collapsed());
/// assert_eq!(layout.categories.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ChartLayout {
    /// The categories, from top to bottom.
    pub categories: Vec<Category>,
}

/// A titled group of charts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Category {
    /// The title.
    pub title: String,
    /// The charts, in order.
    pub charts: Vec<Chart>,
    /// Whether the category is initially collapsed.
    pub closed: bool,
}

/// A chart of several series.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chart {
    /// The title.
    pub title: String,
    /// The series in the chart.
    pub content: ChartContent,
}

/// The content of a [`Chart`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChartContent {
    /// One line for each run and tag that matches one of these patterns. They are Python regular
    /// expressions that must match from the tag's first character on, but not up to its last:
    /// `loss` also matches `loss/train`
    /// (`tensorboard/plugins/custom_scalar/custom_scalars_plugin.py`, `scalars_impl`).
    Multiline(Vec<String>),
    /// Lines, each with a band around it.
    Margin(Vec<Margin>),
}

/// A line and the band around it, given as three exact tags.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Margin {
    /// Tag of the line.
    pub value: String,
    /// Tag of the lower edge of the band.
    pub lower: String,
    /// Tag of the upper edge of the band.
    pub upper: String,
}

impl ChartLayout {
    /// Creates a layout without categories.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a category.
    #[must_use]
    pub fn category(mut self, category: Category) -> Self {
        self.categories.push(category);
        self
    }

    /// Reads the value of a series of custom scalars.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`].
    pub fn read(value: &RawValue) -> Result<Self, ErrorKind> {
        let (strings, _) = value.strings()?;
        let [layout] = strings.as_slice() else {
            return Err(ErrorKind::Value(format!("{} chart layouts, not one", strings.len())));
        };
        let layout: pb::Layout = decode(layout, "layout of charts")?;
        Ok(Self { categories: layout.category.into_iter().map(Category::from_message).collect() })
    }

    /// The value for this layout.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: a chart has no tags, or an empty tag.
    pub fn to_v2(&self) -> Result<pb::summary::Value, ErrorKind> {
        for chart in self.categories.iter().flat_map(|category| &category.charts) {
            chart.check()?;
        }
        let category = self.categories.iter().map(Category::to_message).collect();
        let layout = Bytes::from(pb::Layout { category, ..Default::default() }.encode_to_vec());
        let tensor = Tensor::from_strings([], [layout])?;
        Ok(value(TAG, Kind::CustomScalars, tensor.to_message()))
    }
}

impl Category {
    /// Creates a category without charts.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds a chart.
    #[must_use]
    pub fn chart(mut self, chart: Chart) -> Self {
        self.charts.push(chart);
        self
    }

    /// Makes the category initially collapsed.
    #[must_use]
    pub fn collapsed(self) -> Self {
        Self { closed: true, ..self }
    }

    fn to_message(&self) -> pb::Category {
        pb::Category {
            title: self.title.clone(),
            chart: self.charts.iter().map(Chart::to_message).collect(),
            closed: self.closed,
        }
    }

    fn from_message(message: pb::Category) -> Self {
        Self {
            title: message.title,
            charts: message.chart.into_iter().map(Chart::from_message).collect(),
            closed: message.closed,
        }
    }
}

impl Chart {
    /// Creates a chart with one line for each run and tag that matches one of the patterns; see
    /// [`ChartContent::Multiline`].
    pub fn multiline(
        title: impl Into<String>,
        tags: impl IntoIterator<Item: Into<String>>,
    ) -> Self {
        let tags = tags.into_iter().map(Into::into).collect();
        Self { title: title.into(), content: ChartContent::Multiline(tags) }
    }

    /// Creates a chart of lines, each with a band around it.
    pub fn margin(title: impl Into<String>, lines: impl IntoIterator<Item = Margin>) -> Self {
        let content = ChartContent::Margin(lines.into_iter().collect());
        Self { title: title.into(), content }
    }

    fn check(&self) -> Result<(), ErrorKind> {
        let tags: Vec<&String> = match &self.content {
            ChartContent::Multiline(tags) => tags.iter().collect(),
            ChartContent::Margin(lines) => {
                lines.iter().flat_map(|line| [&line.value, &line.lower, &line.upper]).collect()
            }
        };
        if tags.is_empty() || tags.iter().any(|tag| tag.is_empty()) {
            let what = format!("a chart {:?} of the tags {tags:?}", self.title);
            return Err(ErrorKind::Argument(what));
        }
        Ok(())
    }

    fn to_message(&self) -> pb::Chart {
        let content = match &self.content {
            ChartContent::Multiline(tags) => {
                Content::Multiline(pb::MultilineChartContent { tag: tags.clone() })
            }
            ChartContent::Margin(lines) => {
                let series = lines.iter().map(Margin::to_message).collect();
                Content::Margin(pb::MarginChartContent { series })
            }
        };
        pb::Chart { title: self.title.clone(), content: Some(content) }
    }

    fn from_message(message: pb::Chart) -> Self {
        match message.content {
            Some(Content::Margin(pb::MarginChartContent { series })) => {
                Self::margin(message.title, series.into_iter().map(Margin::from_message))
            }
            Some(Content::Multiline(pb::MultilineChartContent { tag })) => {
                Self::multiline(message.title, tag)
            }
            None => Self::multiline(message.title, [""; 0]),
        }
    }
}

impl Margin {
    /// The series `value`, with a band from `lower` to `upper`.
    pub fn new(
        value: impl Into<String>,
        lower: impl Into<String>,
        upper: impl Into<String>,
    ) -> Self {
        Self { value: value.into(), lower: lower.into(), upper: upper.into() }
    }

    fn to_message(&self) -> Series {
        let Self { value, lower, upper } = self.clone();
        Series { value, lower, upper }
    }

    fn from_message(message: Series) -> Self {
        let Series { value, lower, upper } = message;
        Self { value, lower, upper }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Form;

    fn layout() -> ChartLayout {
        let margin = Margin::new("accuracy", "accuracy/worst", "accuracy/best");
        ChartLayout::new()
            .category(
                Category::new("größe")
                    .chart(Chart::multiline("loss", ["train/.*", "test/loss"]))
                    .chart(Chart::margin("accuracy", [margin])),
            )
            .category(Category::new("none").collapsed())
    }

    fn string(value: pb::summary::Value) -> RawValue {
        let Some(pb::summary::value::Value::Tensor(tensor)) = value.value else {
            panic!("not a tensor")
        };
        RawValue { form: Form::Tensor, bytes: tensor.encode_to_vec().into() }
    }

    #[test]
    fn a_layout_is_read_back_as_it_was_written() {
        for layout in [layout(), ChartLayout::new()] {
            assert_eq!(ChartLayout::read(&string(layout.to_v2().unwrap())).unwrap(), layout);
        }
    }

    /// Output of `torch.utils.tensorboard.summary.custom_scalars`, PyTorch 2.15, for `{"c": {"m":
    /// ["Multiline", ["a", "b/.*"]], "n": ["Margin", ["v", "l", "u"]]}}`.
    #[test]
    fn a_layout_has_the_bytes_of_pytorchs() {
        let layout = ChartLayout::new().category(
            Category::new("c")
                .chart(Chart::multiline("m", ["a", "b/.*"]))
                .chart(Chart::margin("n", [Margin::new("v", "l", "u")])),
        );
        let value = layout.to_v2().unwrap().encode_to_vec();
        let hex = crate::digest::hex(&value);
        let expected = "0a18637573746f6d5f7363616c6172735f5f636f6e6669675f5f422d08071200422712\
             250a0163120e0a016d12090a01610a04622f2e2a12100a016e1a0b0a090a017612016c\
             1a01754a120a100a0e637573746f6d5f7363616c617273";
        assert_eq!(hex, expected);
    }

    #[test]
    fn a_chart_without_tags_is_refused() {
        for chart in [
            Chart::multiline("none", [""; 0]),
            Chart::multiline("empty", ["a", ""]),
            Chart::margin("none", []),
            Chart::margin("empty", [Margin::new("a", "", "c")]),
        ] {
            let layout = ChartLayout::new().category(Category::new("c").chart(chart));
            let error = layout.to_v2().unwrap_err();
            assert!(matches!(error, ErrorKind::Argument(_)), "{error}");
        }
    }
}
