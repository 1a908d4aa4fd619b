//! The dashboard Custom Scalars.

use regex::{Regex, RegexBuilder};
use serde::Serialize;
use tbx::summary::custom_scalars::TAG;
use tbx::{Category, Chart, ChartContent, ChartLayout};

use super::json::{Entries, Items};
use super::scalars::{self, points};
use crate::app::App;
use crate::http::{Answer, Refusal, Request};

const PLUGIN: &str = "custom_scalars";
/// Maximum size of a compiled pattern, in bytes.
const MAX_PATTERN: usize = 1 << 20;

/// The points of the tags of a run that match a pattern from their first character on.
pub(super) fn scalars(app: &App, request: &Request) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Found<T> {
        regex_valid: bool,
        tag_to_events: T,
    }
    let (run, pattern) = request.run_and_tag()?;
    let regex = anchored(pattern);
    let runs = app.state.runs();
    let all = runs.get(run).map(|run| run.of_plugin(scalars::PLUGIN)).unwrap_or_default();
    let count = scalars::shown(app);
    let matching = || {
        let matching = |tag: &str| regex.as_ref().is_some_and(|regex| regex.is_match(tag));
        let series = all.iter().filter(move |series| matching(&series.tag));
        series.map(|series| (&*series.tag, Items(move || points(series, count))))
    };
    Answer::json(&Found { regex_valid: regex.is_some(), tag_to_events: Entries(matching) })
}

/// The pattern at the start of a text; `None` if it is empty or no pattern.
fn anchored(pattern: &str) -> Option<Regex> {
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build().ok();
    // With a group around it, `a)|(b` would be a pattern.
    build(pattern).filter(|_| !pattern.is_empty())?;
    build(&format!("^(?:{pattern})"))
}

#[derive(Serialize)]
struct Shown {
    category: Vec<ShownCategory>,
    version: i32,
}

#[derive(Serialize)]
struct ShownCategory {
    title: String,
    chart: Vec<ShownChart>,
    closed: bool,
}

#[derive(Serialize)]
struct ShownChart {
    title: String,
    #[serde(flatten)]
    content: ShownContent,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum ShownContent {
    Multiline { tag: Vec<String> },
    Margin { series: Vec<ShownMargin> },
}

#[derive(Serialize)]
struct ShownMargin {
    value: String,
    lower: String,
    upper: String,
}

impl From<Category> for ShownCategory {
    fn from(category: Category) -> Self {
        let chart = category.charts.into_iter().filter_map(shown).collect();
        Self { title: category.title, chart, closed: category.closed }
    }
}

fn shown(chart: Chart) -> Option<ShownChart> {
    let content = match chart.content {
        ChartContent::Multiline(tag) => ShownContent::Multiline { tag },
        ChartContent::Margin(lines) => {
            let line = |line: tbx::Margin| ShownMargin {
                value: line.value,
                lower: line.lower,
                upper: line.upper,
            };
            ShownContent::Margin { series: lines.into_iter().map(line).collect() }
        }
        _ => return None,
    };
    Some(ShownChart { title: chart.title, content })
}

/// The layouts of all runs as one: categories of the same title are one, and the same chart is shown once.
pub(super) fn layout(app: &App, _: &Request) -> Result<Answer, Refusal> {
    let runs = app.state.runs();
    let mut merged: Vec<Category> = Vec::new();
    let mut is_any = false;
    for (name, run) in runs.iter() {
        let Some(series) = run.get(PLUGIN, TAG) else { continue };
        let last = run.read(name, series, series.places(Some(1))).next();
        let layout = last.and_then(|last| ChartLayout::read(&last.value.ok()?).ok());
        let Some(layout) = layout else { continue };
        let is_first = !std::mem::replace(&mut is_any, true);
        for category in layout.categories {
            let known = merged.iter_mut().find(|known| !is_first && known.title == category.title);
            match known {
                Some(known) => {
                    for chart in category.charts {
                        if !known.charts.contains(&chart) {
                            known.charts.push(chart);
                        }
                    }
                }
                None => merged.push(category),
            }
        }
    }
    if !is_any {
        return Answer::json(&serde_json::Map::new());
    }
    let category = merged.into_iter().map(ShownCategory::from).collect();
    Answer::json(&Shown { category, version: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_one_by_itself() {
        for wrong in ["", "(", "a)|(b", "a{1000000}"] {
            assert!(anchored(wrong).is_none(), "{wrong}");
        }
        let pattern = anchored("a|b").unwrap();
        assert!(pattern.is_match("b/x") && !pattern.is_match("x/b"));
    }
}
