//! The dashboard Scalars.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::json::{Entries, Items, Number};
use super::no_data;
use super::tags::{Described, per_tag};
use crate::app::App;
use crate::http::{Answer, Refusal, Request};
use crate::state::Series;

pub(super) const PLUGIN: &str = "scalars";
/// Number of points that are shown of a series.
const POINTS: usize = 1000;

pub(super) fn tags(app: &App, _: &Request) -> Result<Answer, Refusal> {
    per_tag(&app.state.runs(), PLUGIN, |_, _, series, texts| Described::of(series, texts))
}

/// The number of points that are shown of a series.
pub(super) fn shown(app: &App) -> Option<usize> {
    app.state.samples().shown(PLUGIN, POINTS)
}

/// The points of a series: wall time, step and value.
pub(super) fn points(
    series: &Series,
    count: Option<usize>,
) -> impl Iterator<Item = (Number, i64, Number)> + '_ {
    let points = series.numbers(count);
    points.map(|point| (Number(point.wall_time), point.step, Number(point.value)))
}

pub(super) fn scalars(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let (run, tag) = request.run_and_tag()?;
    let runs = app.state.runs();
    let series = runs.series(run, PLUGIN, tag).ok_or_else(|| no_data("scalar", run, tag))?;
    let count = shown(app);
    if request.get("format") == Some("csv") {
        let mut csv = "Wall time,Step,Value\r\n".to_owned();
        for point in series.numbers(count) {
            let (time, value) = (python(point.wall_time), python(point.value));
            let _ = write!(csv, "{time},{},{value}\r\n", point.step);
        }
        return Ok(Answer::text("text/csv; charset=utf-8", csv));
    }
    Answer::json(&Items(|| points(series, count)))
}

/// A number as Python writes it.
pub(super) fn python(number: f64) -> String {
    match number {
        number if number.is_nan() => "nan".to_owned(),
        number if number.is_infinite() => (if number > 0.0 { "inf" } else { "-inf" }).to_owned(),
        number => {
            let text = format!("{number:?}");
            match text.split_once('e') {
                None => text,
                Some((digits, exponent)) => {
                    let digits = digits.strip_suffix(".0").unwrap_or(digits);
                    let (sign, size) = match exponent.strip_prefix('-') {
                        Some(size) => ('-', size),
                        None => ('+', exponent),
                    };
                    format!("{digits}e{sign}{size:0>2}")
                }
            }
        }
    }
}

pub(super) fn multirun(app: &App, request: &Request) -> Result<Answer, Refusal> {
    if request.method != hyper::Method::POST {
        return Err(Refusal::Method);
    }
    let mut tags = request.all("tag");
    let (Some(tag), None) = (tags.next(), tags.next()) else {
        return Err(Refusal::Invalid("the field \"tag\" must be given once".to_owned()));
    };
    let (runs, count) = (app.state.runs(), shown(app));
    let names: BTreeSet<&str> = request.all("runs").collect();
    Answer::json(&Entries(|| {
        names.iter().filter_map(|run| {
            let series = runs.series(run, PLUGIN, tag)?;
            Some((run, Items(move || points(series, count))))
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_csv_are_those_of_python() {
        for (number, expected) in [
            (0.5, "0.5"),
            (3.0, "3.0"),
            (1e16, "1e+16"),
            (1.5e-7, "1.5e-07"),
            (-1e300, "-1e+300"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(python(number), expected);
        }
    }
}
