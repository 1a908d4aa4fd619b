//! Reads a file with one row per step and one column per tag.

use super::super::gathered::Gathered;
use super::super::local::issue;
use super::super::source::{At, SourceOptions};
use super::clock::{Clock, Times};
use super::preset::{self, Preset, Steps};
use super::rows::Rows;
use super::sheet::Sheet;
use tbx::error::{Effect, ErrorKind, Report};
use tbx::store::Root;

/// The columns of a file that are not values.
#[derive(Debug)]
pub(super) struct Choice {
    steps: Steps<String>,
    times: Times<String>,
    pub(super) preset: Option<&'static Preset>,
}

impl Choice {
    /// The columns that the options name, or those of the program that wrote the file.
    pub(super) fn of(sheet: &Sheet, options: &SourceOptions) -> Result<Self, ErrorKind> {
        let names: Vec<_> = sheet.columns.iter().map(|name| name.trim().to_owned()).collect();
        let has = |name: &str| !name.is_empty() && names.iter().any(|column| column == name);
        let known = |name: &String, what: &str| match has(name) {
            true => Ok(name.clone()),
            false => Err(ErrorKind::Argument(format!(
                "it has no column {name:?} for {what}; its columns are {}",
                sheet.shown_columns()
            ))),
        };
        let preset = preset::find(&sheet.name(), &names, sheet.start.is_some());
        let steps = match (&options.step, preset) {
            (Some(name), _) => Steps::Column(known(name, "steps")?),
            (None, Some(preset)) => match preset.steps {
                Steps::Column(name) => Steps::Column(name.to_owned()),
                Steps::Sum(name) => Steps::Sum(name.to_owned()),
            },
            (None, None) => {
                let what = format!(
                    "no program is known that writes such a file; name the column of steps with \
                     `Import::step`. Its columns are {}. The known ones are {} and tables that tbx exported",
                    sheet.shown_columns(),
                    preset::titles()
                );
                return Err(ErrorKind::Argument(what));
            }
        };
        let times = match (&options.time, preset.map(|preset| &preset.times)) {
            (Some(name), _) => Times::Any(known(name, "wall times")?),
            (None, None | Some(Times::None)) => Times::None,
            (None, Some(Times::Elapsed(name))) => Times::Elapsed((*name).to_owned()),
            (None, Some(Times::Each(name))) => Times::Each((*name).to_owned()),
            (None, Some(Times::SinceStart(name))) => Times::SinceStart((*name).to_owned()),
            (None, Some(Times::Any(name))) => Times::Any((*name).to_owned()),
        };
        Ok(Self { steps, times, preset })
    }

    /// The meaning of a column.
    fn role(&self, name: &str) -> Role {
        let name = name.trim();
        match &self.steps {
            Steps::Column(step) if step == name => return Role::Step,
            Steps::Sum(step) if step == name => return Role::StepAndTag(name.to_owned()),
            _ if name.is_empty() => return Role::Unnamed,
            _ => {}
        }
        match self.times.column() {
            Some(time) if time == name => Role::Time,
            _ => Role::Tag(name.to_owned()),
        }
    }
}

/// The meaning of a column.
#[derive(Debug, PartialEq)]
enum Role {
    Step,
    /// Its sum is the step.
    StepAndTag(String),
    Time,
    Tag(String),
    Unnamed,
}

/// The meanings of all columns.
#[derive(Default)]
struct Roles {
    all: Vec<Role>,
    step: Option<usize>,
    time: Option<usize>,
}

impl Roles {
    /// Adds a column.
    fn push(&mut self, choice: &Choice, name: &str) {
        let (role, place) = (choice.role(name), self.all.len());
        match role {
            Role::Step | Role::StepAndTag(_) => self.step = self.step.or(Some(place)),
            Role::Time => self.time = self.time.or(Some(place)),
            _ => {}
        }
        self.all.push(role);
    }
}

/// The values of a file, and the time of the start, if it is known.
pub(super) fn read(
    root: &Root,
    sheet: &Sheet,
    choice: &Choice,
    report: &mut Report,
) -> Result<(Gathered, Option<f64>), ErrorKind> {
    let mut rows = sheet.read(root, vec![sheet.rows])?;
    let mut roles = Roles::default();
    let has_time = choice
        .times
        .column()
        .is_some_and(|time| rows.columns.iter().any(|name| name.trim() == time));
    let mut clock = Clock::new(&choice.times, has_time, sheet.start);
    let (mut values, mut sum) = (Gathered::default(), 0i64);
    let mut without_step: Option<(u64, u64)> = None;
    let (Steps::Column(step_name) | Steps::Sum(step_name)) = &choice.steps;
    while let Some(at) = rows.read()? {
        for name in rows.columns.iter().skip(roles.all.len()) {
            roles.push(choice, name);
        }
        // A program that appends to its file may write the names of its columns again, and may have others by then.
        let is_head = |step| !sheet.is_json() && rows.cell(step).trim() == step_name;
        if roles.step.is_some_and(is_head) {
            roles = Roles::default();
            rows.columns = rows.cells().map(|(_, name)| name.to_owned()).collect();
            continue;
        }
        let step = roles.step.map_or("", |step| rows.cell(step));
        let step = match (whole(step), &choice.steps) {
            (Some(step), Steps::Column(_)) => Some(step),
            (Some(steps), Steps::Sum(_)) => {
                sum = sum.saturating_add(steps);
                Some(sum)
            }
            (None, _) => None,
        };
        let wall_time = clock.read(roles.time.map_or("", |time| rows.cell(time)));
        let Some(step) = step else {
            let (count, _) = without_step.get_or_insert((0, sheet.rows.0.saturating_add(at)));
            *count += 1;
            continue;
        };
        add(&rows, &roles, step, wall_time, &mut values);
    }
    let start = clock.finish(sheet.modified, &mut values);
    values.without_mixed("texts in columns of numbers");
    let mut skipped = |what: String| {
        issue(report, &sheet.path, ErrorKind::Value(what), Effect::SkippedValue);
    };
    if let Some((count, first)) = without_step {
        skipped(format!(
            "{count} rows have no whole number in the column {step_name:?}, the first one at byte {first}"
        ));
    }
    if let Some((count, first)) = rows.unreadable {
        skipped(format!("{count} lines are not readable, the first one is {first}"));
    }
    if clock.unreadable > 0 {
        let what = format!(
            "{} cells in the column {:?} are not times; the rows have the time of the row before",
            clock.unreadable,
            choice.times.column().map_or("", String::as_str)
        );
        issue(report, &sheet.path, ErrorKind::Value(what), Effect::Kept);
    }
    Ok((values, start))
}

/// Adds the values of a row.
fn add(rows: &Rows, roles: &Roles, step: i64, wall_time: f64, values: &mut Gathered) {
    for (column, cell) in rows.cells() {
        let tag = match roles.all.get(column) {
            Some(Role::Tag(tag) | Role::StepAndTag(tag)) => tag,
            Some(Role::Step | Role::Time) => continue,
            Some(Role::Unnamed) | None => {
                if !matches!(meaning(cell), Meaning::Missing) {
                    values.count("cells in columns without a name");
                }
                continue;
            }
        };
        match meaning(cell) {
            Meaning::Number(value) => values.scalar(tag, At { step, wall_time, value }),
            Meaning::Missing => {}
            Meaning::Text => values.text(tag, At { step, wall_time, value: cell.to_owned() }),
        }
    }
}

/// The meaning of a cell.
#[derive(Debug, PartialEq)]
enum Meaning {
    Missing,
    Number(f64),
    Text,
}

/// Numbers and bools are those of Python, and missing values those of pandas and Keras.
fn meaning(cell: &str) -> Meaning {
    match cell.trim() {
        "" | "NA" | "N/A" | "<NA>" | "None" | "null" => Meaning::Missing,
        "True" | "true" => Meaning::Number(1.0),
        "False" | "false" => Meaning::Number(0.0),
        number => number.parse().map_or(Meaning::Text, Meaning::Number),
    }
}

/// A whole number, with or without a fraction of zero.
#[expect(clippy::as_conversions, reason = "a whole number that fits into an i64")]
fn whole(cell: &str) -> Option<i64> {
    let cell = cell.trim();
    cell.parse().ok().or_else(|| {
        let number: f64 = cell.parse().ok()?;
        (number.fract() == 0.0 && number.abs() < 9.2e18).then_some(number as i64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_numbers_texts_or_missing() {
        for (cell, number) in
            [(" 1.5 ", 1.5), ("1e-3", 0.001), ("True", 1.0), ("-inf", -f64::INFINITY)]
        {
            assert_eq!(meaning(cell), Meaning::Number(number), "{cell}");
        }
        assert!(matches!(meaning("nan"), Meaning::Number(nan) if nan.is_nan()));
        assert!([" ", "NA", "None"].map(meaning).iter().all(|cell| *cell == Meaning::Missing));
        assert!(
            ["a", "1_0", "[1, 2]", "1,5"].map(meaning).iter().all(|cell| *cell == Meaning::Text)
        );
        let steps = ["3", " 4 ", "5.0", "1e3", "", "0.5", "x", "nan", "1e300"].map(whole);
        assert_eq!(steps[..4], [Some(3), Some(4), Some(5), Some(1000)]);
        assert!(steps[4..].iter().all(Option::is_none));
    }
}
