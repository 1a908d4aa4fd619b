//! Groups runs that have something in common into one row.

use std::collections::BTreeMap;

use regex::Regex;

use super::{Cell, Column, ColumnNames, RunRow, numpy};
use tbx::error::{Error, Result};

/// Prefix of a regular expression for run names.
const NAME: &str = "run~";

/// The property that the runs of a group share.
///
/// ```
/// use tbx::{LoadOptions, Logdir};
/// use tbx_runs::table::{ColumnNames, GroupBy, RunTable, TableOptions};
///
/// let logdir = Logdir::open("fixtures/torch")?;
/// let table = RunTable::load(&logdir, &LoadOptions::new(), &TableOptions::new())?;
/// let names = ColumnNames::of(&table);
/// let by = GroupBy::parse("run~^[a-z]+", &names)?;
/// let loss = names.column("loss")?;
/// for group in by.groups(&table.rows) {
///     let spread = group.spread(&loss, 1);
///     println!("{}: {} ± {}", group.key, spread.mean, spread.std);
/// }
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum GroupBy {
    /// The same value in this column.
    Column(Column),
    /// The same match of this regular expression in their names: its first group, or the whole
    /// match.
    Name(Regex),
}

impl GroupBy {
    /// Parses `run~REGEX`, or the name of a column.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): the text is neither.
    pub fn parse(text: &str, names: &ColumnNames<'_>) -> Result<Self> {
        match text.strip_prefix(NAME) {
            Some(regex) => Regex::new(regex)
                .map(Self::Name)
                .map_err(|error| Error::argument(error.to_string())),
            None => names.column(text).map(Self::Column),
        }
    }

    /// The column, if runs are grouped by a column.
    pub fn column(&self) -> Option<&Column> {
        match self {
            Self::Column(column) => Some(column),
            Self::Name(_) => None,
        }
    }

    /// The title of the keys' column, in a table that also has the columns `fixed`.
    pub fn head(&self, names: &ColumnNames<'_>, fixed: &[&str]) -> String {
        match self {
            Self::Column(column) => {
                names.heads(std::slice::from_ref(column), fixed).pop().unwrap_or_default()
            }
            Self::Name(regex) => format!("{NAME}{regex}"),
        }
    }

    /// The key of the group that `row` belongs to.
    pub fn key(&self, row: &RunRow) -> Cell {
        match self {
            Self::Column(column) => column.of(row),
            Self::Name(regex) => regex.captures(&row.name).map_or(Cell::Empty, |found| {
                let part = found.get(1).or_else(|| found.get(0));
                part.map_or(Cell::Empty, |part| part.as_str().into())
            }),
        }
    }

    /// The groups of `rows`, sorted by key; rows without a key form the last group.
    pub fn groups<'r>(&self, rows: impl IntoIterator<Item = &'r RunRow>) -> Vec<Group<'r>> {
        let mut groups: BTreeMap<String, Group<'r>> = BTreeMap::new();
        for row in rows {
            let key = self.key(row);
            let group = groups.entry(key.identity());
            let group = group.or_insert_with(|| Group { key: key.clone(), rows: Vec::new() });
            // The number becomes the key for several spellings of it.
            if group.key != key {
                group.key = group.key.meaning();
            }
            group.rows.push(row);
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by(|a, b| a.key.order(&b.key));
        groups
    }
}

/// A group of runs that have something in common.
#[derive(Debug)]
#[non_exhaustive]
pub struct Group<'r> {
    /// The value that they share.
    pub key: Cell,
    /// The runs.
    pub rows: Vec<&'r RunRow>,
}

impl<'r> Group<'r> {
    /// A group without a key, of all rows.
    pub fn all(rows: impl IntoIterator<Item = &'r RunRow>) -> Self {
        Self { key: Cell::Empty, rows: rows.into_iter().collect() }
    }
}

impl Group<'_> {
    /// The distribution of the numbers in `column`, over the runs that have one.
    pub fn spread(&self, column: &Column, ddof: u8) -> Spread {
        let numbers = self.rows.iter().filter_map(|row| column.of(row).number());
        let numbers: Vec<f64> = numbers.filter(|number| !number.is_nan()).collect();
        Spread::of(&numbers, ddof)
    }
}

/// Summary statistics of several numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Spread {
    /// Number of numbers.
    pub count: usize,
    /// The mean; NaN if there are no numbers.
    pub mean: f64,
    /// The standard deviation; NaN if there are no more numbers than degrees of freedom.
    pub std: f64,
    /// The smallest number; NaN if there are none.
    pub min: f64,
    /// The largest number; NaN if there are none.
    pub max: f64,
}

impl Spread {
    /// The statistics of `numbers`, as NumPy computes them. NaN counts like any number, so callers
    /// must leave it out. `ddof` is 1 for the standard deviation of a sample (pandas, spreadsheets)
    /// and 0 for a population (NumPy).
    pub fn of(numbers: &[f64], ddof: u8) -> Self {
        let numbers_of = |pick: fn(f64, f64) -> f64| numbers.iter().copied().reduce(pick);
        Self {
            count: numbers.len(),
            mean: numpy::mean_of(numbers),
            std: numpy::std(numbers, ddof),
            min: numbers_of(f64::min).unwrap_or(f64::NAN),
            max: numbers_of(f64::max).unwrap_or(f64::NAN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values come from `pandas.Series.std` and `numpy.std`.
    #[test]
    fn the_deviation_is_that_of_pandas_or_of_numpy() {
        let sample = Spread::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], 1);
        assert_eq!((sample.count, sample.mean, sample.min, sample.max), (8, 5.0, 2.0, 9.0));
        assert!((sample.std - 2.138_089_935_299_395).abs() < 1e-15);
        assert_eq!(Spread::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], 0).std, 2.0);
        assert!(Spread::of(&[3.0], 1).std.is_nan());
        assert_eq!(Spread::of(&[3.0], 0).std, 0.0);
        assert!(Spread::of(&[], 0).mean.is_nan());
        // Far from zero.
        assert!((Spread::of(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0], 1).std - 1.0).abs() < 1e-9);
    }

    #[test]
    fn runs_are_grouped_by_a_part_of_their_names() {
        let names = ["lr1/seed1", "lr1/seed2", "lr2/seed1", "other"];
        let rows = names.map(|name| RunRow { name: name.into(), ..RunRow::default() });
        let by = GroupBy::Name(Regex::new("^(.*)/seed").unwrap());
        let groups: Vec<_> =
            by.groups(&rows).iter().map(|g| (g.key.to_string(), g.rows.len())).collect();
        assert_eq!(groups, [("lr1".into(), 2), ("lr2".into(), 1), (String::new(), 1)]);
    }

    #[test]
    fn runs_with_one_number_written_in_several_ways_are_one_group() {
        use tbx::meta::Param;
        let values: [Param; 7] = [
            "0.1".into(),
            0.1.into(),
            "1e-1".into(),
            "10".into(),
            "9".into(),
            "True".into(),
            "x".into(),
        ];
        let rows = values
            .map(|value| RunRow { params: [("p".to_owned(), value)].into(), ..RunRow::default() });
        let column = Column::Param("p".into());
        let by = GroupBy::Column(column.clone());
        let groups = by.groups(&rows);
        let found: Vec<_> =
            groups.iter().map(|group| (group.key.clone(), group.rows.len())).collect();
        // Texts that are all the same stay unchanged.
        let expected = [
            (Cell::Number(0.1), 3),
            ("True".into(), 1),
            ("9".into(), 1),
            ("10".into(), 1),
            ("x".into(), 1),
        ];
        assert_eq!(found, expected);
        let all = Group { key: Cell::Empty, rows: rows.iter().collect() };
        let spread = all.spread(&column, 0);
        assert_eq!((spread.count, spread.max), (6, 10.0));
    }
}
