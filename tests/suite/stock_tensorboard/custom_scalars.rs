//! Custom scalars.

use serde_json::{Value, json};
use tbx::summary::custom_scalars::TAG;
use tbx::{Category, Chart, ChartContent, ChartLayout, Margin};

use super::log::Run;

impl Run<'_> {
    fn custom_scalars(&mut self, layout: &ChartLayout) {
        let categories: Vec<_> = layout.categories.iter().map(category).collect();
        self.call("custom_scalars", TAG, 0, json!(categories)).add_custom_scalars(layout).unwrap();
    }
}

fn category(category: &Category) -> Value {
    let charts: Vec<_> = category.charts.iter().map(chart).collect();
    json!({"title": category.title, "charts": charts, "closed": category.closed})
}

fn chart(chart: &Chart) -> Value {
    match &chart.content {
        ChartContent::Multiline(tags) => json!({"title": chart.title, "tags": tags}),
        ChartContent::Margin(lines) => {
            let line = |line: &Margin| [&line.value, &line.lower, &line.upper].map(String::clone);
            json!({"title": chart.title, "lines": lines.iter().map(line).collect::<Vec<_>>()})
        }
        other => panic!("{other:?}"),
    }
}

/// Writes layouts for series that the other kinds wrote, and for some of its own.
pub(super) fn write(run: &mut Run<'_>) {
    for step in 0..20 {
        let value = f64::from(step) / 20.0;
        run.scalar("band/value", value, step.into());
        run.scalar("band/lower", 0.75 * value, step.into());
        run.scalar("band/upper", 1.25 * value, step.into());
    }
    let writer = run.call("custom_scalars", TAG, 0, first());
    writer.add_custom_scalars_multilinechart(["band/.*"], "first", "replaced").unwrap();
    let band = || Margin::new("band/value", "band/lower", "band/upper");
    // A category that all runs have is shown once. Each run also has its own category.
    let layout = ChartLayout::new()
        .category(
            Category::new("both")
                .chart(Chart::multiline("losses", ["train/loss", r"band/(lower|upper)$"]))
                .chart(Chart::margin("band", [band(), band()])),
        )
        .category(
            Category::new(format!("größe of {}", run.name))
                .chart(Chart::multiline("start of tags only", ["loss", "band"]))
                .collapsed(),
        );
    run.custom_scalars(&layout);
}

pub(super) fn write_margin(run: &mut Run<'_>) {
    let lines = [["train/loss", "band/lower", "band/upper"]];
    let chart = json!({"title": "margin", "lines": lines});
    let input = json!([{"title": "both", "charts": [chart], "closed": false}]);
    let writer = run.call("custom_scalars", TAG, 0, input);
    writer.add_custom_scalars_marginchart(lines[0], "both", "margin").unwrap();
}

fn first() -> Value {
    let chart = json!({"title": "replaced", "tags": ["band/.*"]});
    json!([{"title": "first", "charts": [chart], "closed": false}])
}
