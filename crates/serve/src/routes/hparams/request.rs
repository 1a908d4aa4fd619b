//! The requests of the page: JSON of messages, whose fields have two spellings.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A request for the columns.
#[derive(Deserialize)]
pub(super) struct AskedColumns {
    #[serde(alias = "includeMetrics", default)]
    pub(super) include_metrics: Option<bool>,
    /// 0 is no limit.
    #[serde(alias = "hparamsLimit", default)]
    pub(super) hparams_limit: usize,
}

/// A request for rows.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(alias = "includeMetrics", default)]
    pub(super) include_metrics: Option<bool>,
    #[serde(alias = "allowedStatuses", default)]
    pub(super) allowed_statuses: Vec<String>,
    #[serde(alias = "colParams", default)]
    pub(super) col_params: Vec<Column>,
    #[serde(alias = "aggregationType", default)]
    pub(super) aggregation_type: Aggregation,
    #[serde(alias = "aggregationMetric", default)]
    pub(super) aggregation_metric: MetricName,
    #[serde(alias = "startIndex", default)]
    pub(super) start_index: usize,
    #[serde(alias = "sliceSize", default)]
    pub(super) slice_size: usize,
}

/// How the metrics of the sessions of a group become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(super) enum Aggregation {
    #[default]
    #[serde(rename = "AGGREGATION_UNSET")]
    Unset,
    #[serde(rename = "AGGREGATION_AVG")]
    Mean,
    #[serde(rename = "AGGREGATION_MEDIAN")]
    Median,
    #[serde(rename = "AGGREGATION_MIN")]
    Min,
    #[serde(rename = "AGGREGATION_MAX")]
    Max,
}

/// A column by which rows are filtered and sorted.
#[derive(Deserialize, Default)]
pub(super) struct Column {
    #[serde(default)]
    pub(super) metric: Option<MetricName>,
    #[serde(default)]
    pub(super) hparam: Option<String>,
    #[serde(default)]
    pub(super) order: Order,
    #[serde(alias = "missingValuesFirst", default)]
    pub(super) missing_values_first: bool,
    #[serde(alias = "filterRegexp", default)]
    pub(super) filter_regexp: Option<String>,
    #[serde(alias = "filterInterval", default)]
    pub(super) filter_interval: Option<Interval>,
    #[serde(alias = "filterDiscrete", default)]
    pub(super) filter_discrete: Option<Vec<Value>>,
    #[serde(alias = "excludeMissingValues", default)]
    pub(super) exclude_missing_values: bool,
    #[serde(alias = "includeInResult", default)]
    pub(super) include_in_result: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(super) enum Order {
    #[default]
    #[serde(rename = "ORDER_UNSPECIFIED")]
    Unspecified,
    #[serde(rename = "ORDER_ASC")]
    Ascending,
    #[serde(rename = "ORDER_DESC")]
    Descending,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Interval {
    #[serde(alias = "minValue", deserialize_with = "number", default)]
    pub(super) min_value: f64,
    #[serde(alias = "maxValue", deserialize_with = "number", default)]
    pub(super) max_value: f64,
}

/// A number, or one of the texts for numbers that JSON lacks.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match &value {
        Value::String(text) if text == "Infinity" => Some(f64::INFINITY),
        Value::String(text) if text == "-Infinity" => Some(f64::NEG_INFINITY),
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    }
    .ok_or_else(|| serde::de::Error::custom("a limit that is not a number"))
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub(super) struct MetricName {
    #[serde(default)]
    pub(super) tag: String,
    #[serde(default)]
    pub(super) group: String,
}

/// A request for the points of a metric.
#[derive(Deserialize)]
pub(super) struct MetricEvals {
    #[serde(alias = "sessionName", default)]
    pub(super) session_name: String,
    #[serde(alias = "metricName", default)]
    pub(super) metric_name: MetricName,
}
