//! PR curves: a table, and the chart of the package that shows it.

use serde_json::{Value, json};

use super::text::table;
use super::{At, Media};
use crate::error::ErrorKind;
use crate::summary::RawValue;
use crate::summary::pr_curve::PrCurve;

/// The columns; the chart needs the first three.
const COLUMNS: [&str; 8] = [
    "class",
    "recall",
    "precision",
    "threshold",
    "true_positives",
    "false_positives",
    "true_negatives",
    "false_negatives",
];

/// The form of a curve (`plot/pr_curve.py` and `plot/custom_chart.py`). The fields are those of the table.
pub(super) fn of(at: At<'_>, value: &RawValue) -> Result<Media, ErrorKind> {
    let curve = PrCurve::read(value)?;
    let columns = [
        &curve.recall,
        &curve.precision,
        &curve.true_positives,
        &curve.false_positives,
        &curve.true_negatives,
        &curve.false_negatives,
    ];
    let row = |(i, threshold): (usize, f64)| {
        let mut numbers = columns.iter().map(|column| column.get(i).copied());
        let mut next = || json!(numbers.next().flatten());
        let mut row = vec![json!("positive"), next(), next(), json!(threshold)];
        row.extend([next(), next(), next(), next()]);
        Value::Array(row)
    };
    let rows = curve.thresholds().enumerate().map(row).collect();
    let names = COLUMNS.map(str::to_owned);
    Ok(Media { is_chart: true, ..table(at, &names, rows) })
}

/// The chart of the curves `key`, whose table has the key `table`: its definition in the configuration, in JSON.
pub fn chart(key: &str, table: &str) -> String {
    let field = |name: &str| json!({ "name": name, "fields": [] });
    let table = json!({
        "name": "summaryTable", "args": [{ "name": "tableKey", "value": table }], "fields": [],
    });
    let query = json!({
        "name": "runSets",
        "args": [{ "name": "runSets", "value": "${runSets}" }],
        "fields": [field("id"), field("name"), field("_defaultColorIndex"), table],
    });
    let chart = json!({
        "panel_type": "Vega2",
        "panel_config": {
            "panelDefId": "wandb/area-under-curve/v0",
            "fieldSettings": { "x": "recall", "y": "precision", "class": "class" },
            "stringSettings": {
                "title": key, "x-axis-title": "Recall", "y-axis-title": "Precision",
            },
            "transform": { "name": "tableWithLeafColNames" },
            "userQuery": { "queryFields": [query] },
        },
    });
    chart.to_string()
}
