//! `tbx plot`

use crate::variants::{Variants, variant};
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anstream::{AutoStream, ColorChoice};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::chart::{Drawing, Ink, text};
use super::legend::legend;
use super::ranks::Ranks;
use super::render::{BOLD, DIM, counted, name, styled, terminal_width};
use super::runs::{Runs, compare, condition};
use super::{FAILED, FINE, NO, parallel, print_note, progress, report, say, warn};
use tbx::error::{Error, ErrorKind, Result};
use tbx_runs::export::plot;
use tbx_runs::table::{
    ChartOptions, ChartX, ColumnNames, Curve, CurveOrder, Duplicates, Line, RunRow, RunTable,
    ScalarChart,
};

/// Maximum number of charts without `--tag`.
const MAX_TAGS: usize = 12;
/// Default size of a chart in a terminal: columns, and rows without its legend.
const WIDTH: usize = 80;
const HEIGHT: u16 = 18;
/// Maximum columns and rows of a chart in a terminal.
const MAX_CELLS: u16 = 1000;

#[derive(clap::Args)]
#[command(
    after_help = "Each tag is a chart, with one line per run directory. The first runs have a letter and a line in the
legend: --sort and --top select them, --where and --run leave runs out. Up to 10 other runs are drawn in gray,
or as dots if there are no colors. If there are more, one band shows the smallest and the largest value of all
runs, and one line their median. Conditions and columns work as in tbx table.

A run keeps its letter and its color whatever the order and the filters. Letters follow the order in which the runs
of the logdir began, so a new run does not change the others. With more than 50 runs, some get the next free letter.

Values that are not finite leave a gap and a mark at the edge: x for NaN, arrows for infinities. Curves with more
points than fit are thinned out with Largest-Triangle-Three-Buckets, after smoothing.

Over steps, the last of several points at one step is drawn. Over time (--x relative, --x wall), every point is
drawn, in the order of wall times, including points of logs without steps and of sessions that start at step 0
again. tbx edit --continue-steps gives such sessions consecutive steps.

Examples:
  tbx plot runs --tag loss
  tbx plot runs --tag '^val/' --smooth 0.6 --log
  tbx plot runs --tag accuracy --sort val/accuracy:max --reverse --top 5
  tbx plot runs --tag loss --where 'lr < 0.01' --x relative
  tbx plot runs --tag loss --smooth 0.9 --out loss.svg
  tbx plot sweep --parallel val/loss:min --out sweep.png"
)]
pub(super) struct Args {
    #[command(flatten)]
    runs: Runs,

    /// Only runs that match this condition.
    #[arg(short = 'w', long = "where", value_name = "CONDITION")]
    condition: Option<String>,

    /// Sort runs by this column; runs without it come last.
    #[arg(short, long, value_name = "COLUMN")]
    sort: Option<String>,

    /// Sort in descending order.
    #[arg(short, long)]
    reverse: bool,

    /// Number of runs with a color and a line in the legend, at most 50.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    top: usize,

    /// Unit of the lower axis.
    #[arg(long, value_parser = variant::<ChartX>(), default_value = "step")]
    x: ChartX,

    /// Smooth as TensorBoard does, with this weight from 0 to 1.
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = weight)]
    smooth: f64,

    /// Draw parallel coordinates instead of curves: an axis per parameter and one for this column, a line per
    /// run. Needs --out.
    #[arg(long, value_name = "COLUMN", requires = "out")]
    parallel: Option<String>,

    /// Use a logarithmic axis for values.
    #[arg(long)]
    log: bool,

    /// Range of the lower axis, in its unit: steps, seconds or times such as 1h30m, dates such as
    /// 2026-01-31T12:00 (UTC). Either end may be omitted.
    #[arg(long, value_name = "FROM:TO", allow_hyphen_values = true)]
    xlim: Option<String>,

    /// Range of the value axis; either end may be omitted.
    #[arg(long, value_name = "FROM:TO", allow_hyphen_values = true)]
    ylim: Option<String>,

    /// Fit the value axis to 90 % of the values, as TensorBoard does.
    #[arg(long)]
    ignore_outliers: bool,

    /// Write the charts to this file: .svg or .png; `-` writes an SVG to the standard output.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite the file if it exists.
    #[arg(long, requires = "out")]
    force: bool,

    /// Width of a chart: columns, or units of an SVG file; a PNG has two pixels per unit.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(20..=10000))]
    width: Option<u16>,

    /// Height of a chart without its legend: rows, or units as for --width.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(5..=10000))]
    height: Option<u16>,

    /// Use only ASCII characters.
    #[arg(long, conflicts_with = "out")]
    ascii: bool,
}

impl Variants for ChartX {
    const ALL: &'static [Self] = Self::ALL;

    fn described(self) -> (&'static str, &'static str) {
        (self.name(), self.about())
    }
}

/// Parses a smoothing weight.
pub(super) fn weight(text: &str) -> Result<f64, String> {
    let weight = text.parse().ok().filter(|weight| (0.0..=1.0).contains(weight));
    weight.ok_or_else(|| "must be a number from 0 to 1".into())
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let options = options(args)?;
    let sides = [args.width, args.height].into_iter().flatten();
    if args.out.is_none() && sides.max().is_some_and(|side| side > MAX_CELLS) {
        let most = format!("a chart in a terminal has at most {MAX_CELLS} columns or rows");
        return Err(Error::argument(most));
    }
    if let Some(metric) = &args.parallel {
        return draw_parallel(args, metric);
    }
    let order = match args.x.is_time() {
        true => CurveOrder::Times,
        false => CurveOrder::Steps(Duplicates::KeepLast),
    };
    let opened = args.runs.logs.open()?;
    if opened.is_empty {
        return Ok(opened.code);
    }
    let (directories, runs) = args.runs.load_apart(&opened, order)?;
    let code = if report(&directories.report) { opened.code } else { FAILED };
    args.runs.logs.check()?;
    let rows = chosen(args, &directories, &runs)?;
    let tags: BTreeSet<&Arc<str>> = rows.iter().flat_map(|row| row.curves.keys()).collect();
    if directories.rows.is_empty() && code == FINE {
        return Ok(FINE);
    }
    if tags.is_empty() {
        warn("no run has matching scalars");
        return Ok(if code == FINE { NO } else { code });
    }
    let all = tags.len();
    let mut ranks = Ranks::of(&args.runs.logs.logdirs)?;
    let shown = if args.runs.logs.has_tag() { all } else { MAX_TAGS };
    let chart = |tag| chart(tag, &rows, args.top, &mut ranks, &options);
    let tags = tags.into_iter().take(shown);
    match &args.out {
        Some(out) => write(args, tags.map(chart).collect(), out)?,
        None => draw(args, tags.map(chart))?,
    }
    if let Some(more) = all.checked_sub(shown).filter(|more| *more > 0) {
        let more = format!("{}: --tag selects tags", counted(more, "more tag"));
        if args.out.is_some() { say(&more) } else { print_note(&more)? }
    }
    Ok(code)
}

fn draw_parallel(args: &Args, metric: &str) -> Result<u8> {
    let opened = args.runs.logs.open()?;
    if opened.is_empty {
        return Ok(opened.code);
    }
    let table = args.runs.load(&opened, None)?;
    let code = if report(&table.report) { opened.code } else { FAILED };
    args.runs.logs.check()?;
    let names = ColumnNames::of(&table);
    let filter = condition(args.condition.as_deref(), &names)?;
    let accepted = |row: &&RunRow| filter.as_ref().is_none_or(|filter| filter.accepts(row));
    let rows: Vec<&RunRow> = table.rows.iter().filter(accepted).collect();
    let size =
        (args.width.unwrap_or(plot::Drawing::WIDTH), args.height.unwrap_or(plot::Drawing::HEIGHT));
    let out = args.out.as_deref().unwrap_or(Path::new("-"));
    let image = parallel::Image { out, size, overwrite: args.force };
    parallel::draw(&names.column(metric)?, &rows, code, &image)
}

/// The directories of the selected runs, in the order of the runs.
fn chosen<'t>(args: &Args, directories: &'t RunTable, runs: &RunTable) -> Result<Vec<&'t RunRow>> {
    let names = ColumnNames::of(runs);
    let filter = condition(args.condition.as_deref(), &names)?;
    let accepted = |row: &&RunRow| filter.as_ref().is_none_or(|filter| filter.accepts(row));
    let mut accepted: Vec<&RunRow> = runs.rows.iter().filter(accepted).collect();
    if let Some(sort) = &args.sort {
        let column = names.column(sort)?;
        accepted.sort_by(|a, b| compare(&column.of(a), &column.of(b), args.reverse));
    } else if args.reverse {
        accepted.reverse();
    }
    let rows: HashMap<&str, &RunRow> =
        directories.rows.iter().map(|row| (row.name.as_str(), row)).collect();
    let parts = accepted.iter().flat_map(|run| {
        let mut names: Vec<&String> = [&run.name].into_iter().chain(&run.parts).collect();
        names.sort();
        names
    });
    let rows = parts.filter_map(|name| rows.get(name.as_str()).copied());
    Ok(rows.filter(|row| !row.curves.is_empty()).collect())
}

/// A chart of `tag`; the first `top` lines have ranks.
fn chart(
    tag: &Arc<str>,
    rows: &[&RunRow],
    top: usize,
    ranks: &mut Ranks,
    options: &ChartOptions,
) -> ScalarChart {
    let with_tag = rows.iter().filter_map(|row| Some((*row, row.curves.get(tag)?)));
    let with_tag: Vec<(&RunRow, &Curve)> = with_tag.collect();
    let curves = with_tag.iter().map(|(row, curve)| (row.name.clone(), *curve));
    let mut chart = ScalarChart::new(tag.to_string(), curves, options);
    let top = top.min(Line::RANKS);
    let named = ranks.among(with_tag.iter().take(top).map(|(row, _)| row.name.as_str()));
    for (place, (line, (row, curve))) in chart.lines.iter_mut().zip(&with_tag).enumerate() {
        line.rank = named.get(&row.name).copied().filter(|_| place < top);
        let all = row.metrics.get(tag).map_or(0, |stats| stats.count);
        line.repeated = all.saturating_sub(curve.steps.len());
    }
    chart
}

fn options(args: &Args) -> Result<ChartOptions> {
    Ok(ChartOptions::new()
        .x(args.x)
        .smoothing(args.smooth)
        .log(args.log)
        .x_range(range(args.xlim.as_deref(), Some(args.x))?)
        .y_range(range(args.ylim.as_deref(), None)?)
        .ignore_outliers(args.ignore_outliers))
}

fn write(args: &Args, charts: Vec<ScalarChart>, out: &Path) -> Result<()> {
    let width = args.width.unwrap_or(plot::Drawing::WIDTH);
    let height = args.height.unwrap_or(plot::Drawing::HEIGHT);
    plot::Drawing::new(&charts).size(width, height).overwrite(args.force).run(out)?;
    say(&format!("{} written to {}", counted(charts.len(), "chart"), out.display()));
    Ok(())
}

/// Parses `FROM:TO`; either number may be missing.
fn range(text: Option<&str>, axis: Option<ChartX>) -> Result<(Option<f64>, Option<f64>)> {
    let Some(text) = text else { return Ok((None, None)) };
    let end = |text: &str| match text.trim() {
        "" => Some(None),
        text => number(text, axis).map(Some),
    };
    // Times contain colons themselves.
    let cuts = text.match_indices(':').map(|(at, _)| text.split_at(at));
    let mut pairs = cuts.filter_map(|(from, to)| Some((end(from)?, end(to.get(1..)?)?)));
    match pairs.next() {
        Some((Some(from), Some(to))) if from >= to => {
            Err(Error::argument(format!("{text:?} ends before it begins")))
        }
        Some(range) => Ok(range),
        None => Err(Error::argument(format!("{text:?} is not FROM:TO, such as 0:1000 or :0.5"))),
    }
}

/// Parses a value of an axis: a number, a duration such as `1h30m`, or a time.
fn number(text: &str, axis: Option<ChartX>) -> Option<f64> {
    if let Ok(number) = text.parse::<f64>() {
        return Some(number).filter(|number| number.is_finite());
    }
    match axis? {
        ChartX::Relative => {
            let length: jiff::SignedDuration = text.parse().ok()?;
            Some(length.as_secs_f64())
        }
        ChartX::Wall => {
            let civil = || jiff::tz::TimeZone::UTC.to_timestamp(text.parse().ok()?).ok();
            let time: jiff::Timestamp = text.parse().ok().or_else(civil)?;
            Some(time.as_duration().as_secs_f64())
        }
        _ => None,
    }
}

fn draw(args: &Args, charts: impl Iterator<Item = ScalarChart>) -> Result<()> {
    progress::end();
    let mut out = anstream::stdout();
    let color = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
    let ink = Ink { ascii: args.ascii, color };
    let width = args.width.map(usize::from).or(terminal_width()).unwrap_or(WIDTH);
    let columns = u16::try_from(width).unwrap_or(MAX_CELLS).clamp(20, MAX_CELLS);
    let area = Rect::new(0, 0, columns, args.height.unwrap_or(HEIGHT));
    for (i, chart) in charts.enumerate() {
        let mut buffer = Buffer::empty(area);
        Drawing { chart: &chart, ink, selected: None }.draw(area, &mut buffer);
        let gap = if i == 0 { "" } else { "\n" };
        let title = styled(BOLD, &name(&chart.title));
        let how = how(&chart);
        // A chart has a width even in a file; names in a file are not shortened to it.
        let room = terminal_width().map_or(usize::MAX, |_| width);
        let legend = legend(&chart, ink, room);
        let all = format!("{gap}{title}{how}\n{}{legend}", text(&buffer));
        out.write_all(all.as_bytes()).map_err(ErrorKind::from)?;
    }
    out.flush().map_err(|error| ErrorKind::from(error).into())
}

fn how(chart: &ScalarChart) -> String {
    let mut how = String::new();
    if chart.smoothing > 0.0 {
        how += &format!("  smoothed {}", chart.smoothing);
    }
    if chart.y.is_log {
        how += "  logarithmic";
    }
    styled(DIM, &how)
}
