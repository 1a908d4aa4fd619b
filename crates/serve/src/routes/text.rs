//! The dashboard Text.

use serde::Serialize;
use tbx::error::ErrorKind;
use tbx::{RawValue, Text};

use super::json::{Items, Number};
use super::markdown::{clean, to_html, to_safe_html};
use super::tags::names;
use crate::app::App;
use crate::http::{Answer, Refusal, Request};
use crate::state::Point;

const PLUGIN: &str = "text";
/// Number of points that are shown of a series.
const POINTS: usize = 100;

pub(super) fn tags(app: &App, _: &Request) -> Result<Answer, Refusal> {
    Answer::json(&names(&app.state.runs(), PLUGIN))
}

#[derive(Serialize)]
struct Shown {
    wall_time: Number,
    step: i64,
    text: String,
}

/// A tag without texts has an empty list, as in TensorBoard.
pub(super) fn text(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let (run, tag) = request.run_and_tag()?;
    let is_markdown = request.get("markdown") != Some("false");
    let runs = app.state.runs();
    let found = runs.get(run).zip(runs.series(run, PLUGIN, tag));
    let Some((found, series)) = found else { return Answer::json(&[(); 0]) };
    let count = app.state.samples().shown(PLUGIN, POINTS);
    let shown = |point: Point<Result<RawValue, ErrorKind>>| {
        let text = Text::read(&point.value.ok()?).ok()?;
        let text = html(&text, is_markdown);
        Some(Shown { wall_time: Number(point.wall_time), step: point.step, text })
    };
    Answer::json(&Items(|| found.read(run, series, series.places(count)).filter_map(shown)))
}

/// A text, or a table of texts; of more than two dimensions, the first table with a warning.
fn html(text: &Text, is_markdown: bool) -> String {
    let cell = |text: &String| match is_markdown {
        true => to_html(text),
        false => text.clone(),
    };
    let (warning, columns) = match text.shape.as_slice() {
        [] => {
            let text = text.strings.first().map_or("", String::as_str);
            return if is_markdown { to_safe_html(text) } else { clean(text) };
        }
        [_] => (None, 1),
        [_, columns] => (None, *columns),
        [first @ .., _, columns] => (Some(first.len() + 2), *columns),
    };
    let rows = match text.shape.as_slice() {
        [rows] => *rows,
        [.., rows, _] => *rows,
        [] => 0,
    };
    let mut table = String::new();
    if let Some(dimensions) = warning {
        table = to_html(&format!(
            "**Warning:** This text has {dimensions} dimensions, but only tables of 2 can be shown. This is the first \
             table of it."
        ));
    }
    table.push_str("<table>\n<tbody>\n");
    for row in text.strings.chunks(columns.max(1)).take(rows) {
        table.push_str("<tr>\n");
        for text in row {
            table.push_str("<td>");
            table.push_str(&cell(text));
            table.push_str("</td>\n");
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</tbody>\n</table>");
    clean(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_tables_are_tables() {
        let table = Text::table([["**a**", "b"], ["c", "d"]]).unwrap();
        let shown = html(&table, true);
        assert_eq!(shown.matches("<tr>").count(), 2, "{shown}");
        assert_eq!(shown.matches("<td>").count(), 4, "{shown}");
        assert!(shown.contains("<strong>a</strong>"), "{shown}");
        assert!(html(&table, false).contains("**a**"));
        assert_eq!(html(&"x".into(), true), "<p>x</p>");
        // As many as in a long table of JSON.
        let quoted = Text::table((0..3000).map(|_| ["{\"key\": \"value\"}".repeat(5)])).unwrap();
        assert_eq!(html(&quoted, true).matches("<td>").count(), 3000);
        let deep = Text::new([2, 1, 2], ["a", "b", "c", "d"]);
        let shown = html(&deep, true);
        assert!(shown.contains("3 dimensions"), "{shown}");
        assert_eq!(shown.matches("<td>").count(), 2, "{shown}");
    }
}
