//! Panels that are shown instead of charts, or over them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Block, Clear, Widget};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::app::{App, Chooser};
use super::list::{age, rate, short_number, whole_number};
use super::model::Run;
use super::style::{BOLD, DIM, put};
use crate::render::{Table, bytes, count, counted, date, name, shorten};
use tbx_runs::table::ChartX;

/// From this number of columns on, the number of points is shown.
const POINTS: usize = 60;
/// The keys and their effects.
const HELP: [(&str, &str); 14] = [
    ("up down, j k", "another run"),
    ("page up, page down", "move by ten runs, or scroll the details"),
    ("/", "filter runs by words in their names"),
    ("o", "order by name, latest event, last value"),
    ("enter, d", "numbers and problems of the selected run"),
    ("left right", "the chart of another tag"),
    ("t", "choose tags: one chart each"),
    ("+ -", "smooth more or less, as TensorBoard does"),
    ("l", "use a logarithmic axis"),
    ("x", "steps, time since the first point, wall time"),
    ("p, space", "pause or continue"),
    ("esc", "back; clears the filter"),
    ("?", "this help"),
    ("q, ctrl-c", "quit"),
];

/// The numbers of the selected run.
pub(super) fn details(app: &App, area: Rect, buffer: &mut Buffer, now: f64) {
    let shown = app.shown();
    let Some((of, run)) = shown.get(app.cursor(&shown)) else { return };
    let width = usize::from(area.width);
    let mut lines: Vec<(String, Style)> = vec![(shorten(&name(of), width), BOLD)];
    let facts = facts(run, now).into_iter().flat_map(|line| wrapped(&line, width));
    lines.extend(facts.map(|line| (line, Style::new())));
    if run.problems.count > 0 {
        let problems = usize::try_from(run.problems.count).unwrap_or(usize::MAX);
        let red = app.style(Color::Red);
        lines.push((counted(problems, "problem"), red));
        for problem in &run.problems.texts {
            let wrapped = wrapped(&name(problem), width.saturating_sub(2));
            lines.extend(wrapped.into_iter().map(|line| (format!("  {line}"), Style::new())));
        }
    }
    lines.push((String::new(), Style::new()));
    for (i, line) in numbers(run, app.x, width).lines().enumerate() {
        lines.push((line.to_owned(), if i == 0 { DIM } else { Style::new() }));
    }
    let rows = usize::from(area.height);
    let first = app.scrolled.min(lines.len().saturating_sub(rows));
    for ((line, style), y) in lines.iter().skip(first).take(rows).zip(area.y..) {
        put(buffer, Rect { y, height: 1, ..area }, 0, line, *style);
    }
}

/// A table of the tags of a run. If it is too wide, first digits are omitted, then columns.
fn numbers(run: &Run, x: ChartX, width: usize) -> String {
    let heads = ["TAG", ">LAST", ">STEP", ">MIN", ">MAX", ">POINTS"];
    let most = if width < POINTS { heads.len() - 1 } else { heads.len() };
    let full = [(most, 12), (most, 8)].into_iter();
    let mut rendered = String::new();
    for (columns, digits) in full.chain((1..most).rev().map(|columns| (columns, 8))) {
        let mut table = Table::of(heads.get(..columns).unwrap_or(&heads), 0);
        for (tag, curves) in &run.curves {
            let curve = curves.over(x);
            let finite = || curve.values.iter().copied().filter(|value| !value.is_nan());
            let (min, max) = (finite().reduce(f64::min), finite().reduce(f64::max));
            let text = |value: Option<f64>| {
                value.map_or(String::new(), |value| short_number(value, digits))
            };
            let last = curves.last();
            let step = last.map_or(String::new(), |(step, _)| whole_number(step, digits));
            let points = count(u64::try_from(curve.steps.len()).unwrap_or(u64::MAX));
            let last = text(last.map(|(_, value)| value));
            let cells = [name(tag), last, step, text(min), text(max), points];
            table.row(cells.into_iter().take(columns).collect());
        }
        rendered = anstream::adapter::strip_str(&table.render(Some(width))).to_string();
        if rendered.lines().all(|line| line.width() <= width) {
            break;
        }
    }
    rendered
}

fn facts(run: &Run, now: f64) -> Vec<String> {
    let size = run.files.iter().map(|file| file.bytes).sum();
    let events = run.files.iter().map(|file| file.events).sum();
    let mut files =
        format!("{}, {}, {} events", counted(run.files.len(), "file"), bytes(size), count(events));
    if run.pending() > 0 {
        files += &format!(", {} unfinished", bytes(run.pending()));
    }
    let mut times = Vec::new();
    times.extend(run.start_time.map(|time| format!("began {}", date(time))));
    times.extend(run.last_event.map(|time| format!("last event {} ago", age(now - time))));
    if run.grows(now) {
        times.extend(run.rate().map(|pace| format!("{} steps per second", rate(pace))));
    }
    let mut facts = vec![files, times.join(", ")];
    if run.drops {
        facts.push("points of earlier sessions are dropped: --restart keep-all shows them".into());
    }
    facts
}

/// Wraps a long line, at spaces if there are any.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let Some(piece) = pieces.last_mut() else { break };
        if piece.width() + word.trim_end().width() <= width {
            piece.push_str(word);
            continue;
        }
        pieces.push(String::new());
        for c in word.chars() {
            let Some(piece) = pieces.last_mut() else { break };
            if piece.width() + c.width().unwrap_or(0) <= width.max(2) {
                piece.push(c);
            } else {
                pieces.push(c.into());
            }
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The list of tags, in the middle of `area`.
pub(super) fn tags(app: &App, chooser: &Chooser, area: Rect, buffer: &mut Buffer) {
    let choices = app.choices(&chooser.filter);
    let rows = u16::try_from(app.model.tags.len()).unwrap_or(u16::MAX).clamp(1, 20);
    let inside = window(area, (60, rows + 3), " tags ", app, buffer);
    let shown = app.tags();
    let filter = match chooser.filter.as_str() {
        "" => "type to filter; space marks, enter shows".to_owned(),
        filter => format!("filter: {}", name(filter)),
    };
    put(buffer, inside, 0, &filter, DIM);
    let rows = usize::from(inside.height.saturating_sub(1)).max(1);
    let cursor = chooser.cursor.min(choices.len().saturating_sub(1));
    let first = cursor.saturating_sub(rows / 2).min(choices.len().saturating_sub(rows));
    for ((tag, i), y) in choices.iter().zip(0..).skip(first).take(rows).zip(inside.y + 1..) {
        let line = Rect { y, height: 1, ..inside };
        let mark = match (app.is_chosen(tag), app.ink.ascii) {
            (false, _) if shown.contains(tag) => "-",
            (false, _) => " ",
            (true, false) => "✓",
            (true, true) => "x",
        };
        put(buffer, line, 1, mark, BOLD);
        let text = shorten(&name(tag), usize::from(inside.width.saturating_sub(4)));
        put(buffer, line, 3, &text, Style::new());
        if i == cursor {
            buffer.set_style(line, Modifier::REVERSED);
        }
    }
}

/// The keys and their effects, in the middle of `area`.
pub(super) fn help(app: &App, area: Rect, buffer: &mut Buffer) {
    let rows = u16::try_from(HELP.len()).unwrap_or(0) + 2;
    let inside = window(area, (70, rows), " keys ", app, buffer);
    for ((key, what), y) in HELP.into_iter().zip(inside.top()..inside.bottom()) {
        let line = Rect { y, height: 1, ..inside };
        put(buffer, line, 1, key, BOLD);
        put(buffer, line, 21, what, Style::new());
    }
}

/// An empty window in the middle of `area`, at most as large as it. Returns the inner area.
fn window(
    area: Rect,
    (width, height): (u16, u16),
    title: &str,
    app: &App,
    buffer: &mut Buffer,
) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let window = Rect { x, y, width, height };
    Clear.render(window, buffer);
    let mut block = Block::bordered().title(title.to_owned());
    if app.ink.ascii {
        block = block.border_set(ASCII);
    }
    let inside = block.inner(window);
    block.render(window, buffer);
    inside
}

const ASCII: ratatui::symbols::border::Set<'_> = ratatui::symbols::border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};
