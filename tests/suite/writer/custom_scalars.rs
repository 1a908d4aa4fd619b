//! Layouts of charts.

use tbx::{Category, Chart, ChartLayout, ErrorKind, Kind, LoadOptions, Margin, Run};

use super::{fixed, run};
use crate::common::{load, repository};

/// The logged layouts.
fn layouts(run: &Run) -> Vec<ChartLayout> {
    let series = run.get("custom_scalars__config__").unwrap();
    let plugin = series.metadata().plugin.as_str();
    assert_eq!((series.kind(), plugin), (Kind::CustomScalars, "custom_scalars"));
    assert!(series.steps().iter().all(|step| *step == 0));
    series.raw().unwrap().iter().map(|value| ChartLayout::read(value).unwrap()).collect()
}

fn one(category: &str, chart: Chart) -> ChartLayout {
    ChartLayout::new().category(Category::new(category).chart(chart))
}

#[test]
fn layouts_are_read_back_as_they_were_given() {
    let margins = [Margin::new("a", "b", "c"), Margin::new("größe", "d/e", "f")];
    let layout = ChartLayout::new()
        .category(
            Category::new("größe 🎉")
                .chart(Chart::multiline("lines", ["loss/.*", "(?i)acc"]))
                .chart(Chart::margin("bands", margins)),
        )
        .category(Category::new("").collapsed().chart(Chart::multiline("", ["x"])));
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        let handle = writer.with_step(17);
        handle.add_custom_scalars(&layout).unwrap();
        handle.add_custom_scalars_multilinechart(["a", "b"], "c", "lines").unwrap();
        handle.add_custom_scalars_marginchart(["a", "b", "c"], "c", "band").unwrap();
        writer.close().unwrap();
        let lines = one("c", Chart::multiline("lines", ["a", "b"]));
        let band = one("c", Chart::margin("band", [Margin::new("a", "b", "c")]));
        assert_eq!(layouts(&run(dir.path())), [layout.clone(), lines, band]);
    }
}

#[test]
fn a_chart_without_tags_fails_at_the_call_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let refused = [
        writer.add_custom_scalars(&one("c", Chart::margin("none", []))),
        writer.add_custom_scalars_multilinechart([""; 0], "c", "none"),
        writer.add_custom_scalars_multilinechart(["a", ""], "c", "empty"),
        writer.add_custom_scalars_marginchart(["a", "b", ""], "c", "empty"),
    ];
    for added in refused {
        let error = added.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    }
    writer.close().unwrap();
    assert_eq!(run(dir.path()).files[0].events, 1);
}

#[test]
fn layouts_of_other_programs_are_read() {
    let read = |folder: &str, name: &str| {
        let loaded = load(&repository(&format!("fixtures/{folder}")), &LoadOptions::new());
        layouts(loaded.runs.iter().find(|run| run.name == name).unwrap())
    };
    assert_eq!(read("tf2", "plugins"), [one("all", Chart::multiline("loss", ["loss.*"]))]);
    let both = Chart::multiline("loss", ["old_style", "new_style"]);
    assert_eq!(read("torch", "media"), [one("all", both)]);
}
