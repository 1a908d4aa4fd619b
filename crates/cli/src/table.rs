//! `tbx table`

use std::collections::BTreeSet;

use super::grid::{Format, Grid};
use super::render::counted;
use super::runs::{Runs, compare, condition};
use super::{FAILED, importance, print_note, report};
use tbx::error::Result;
use tbx_runs::table::{Cell, Column, ColumnNames, Direction, Field, Group, GroupBy, RunRow, Stat};

#[derive(clap::Args)]
#[command(
    after_help = "Columns: run, start, duration, status, step; a parameter; a tag, or tag:STAT where STAT is last
(default), first, min, max, mean, count, step, min_step, max_step, nan or inf.
param.NAME, metric.TAG and run.FIELD distinguish columns of the same name; if two of them are in one
table, they are printed in that form. Patterns use * and ?.

Conditions: comparisons (==, also written =, and != < <= > >=), =~ and !~ with a regular expression, and, or, not,
parentheses. Put column names with characters other than letters, digits and _./:- in backquotes.

Texts that are numbers (0.1, 1e-3, ' 5 ', inf, nan) count as numbers in conditions, sorting and groups, and True
and false as bools. 0x10, 1_000 and whole numbers beyond 2^53 stay texts.

Sibling directories such as train and validation are parts of one run, the directory above them; see
docs/tables.md. With --no-fold, every directory is a run.

Examples:
  tbx table runs
  tbx table runs --columns lr,'val/*:min' --sort val/loss:min --top 5
  tbx table runs --where 'val/loss:min < 0.3 and optimizer == adam'
  tbx table runs --group-by lr --columns val/loss:min
  tbx table runs --group-by 'run~^(.*)/seed' --format md
  tbx table runs --importance val/loss:min"
)]
pub(super) struct Args {
    #[command(flatten)]
    runs: Runs,

    /// Columns after the run's name: names or patterns, separated by commas.
    #[arg(short, long, value_name = "COLUMN", value_delimiter = ',')]
    columns: Vec<String>,

    /// Only runs that match this condition.
    #[arg(short = 'w', long = "where", value_name = "CONDITION")]
    condition: Option<String>,

    /// Sort by this column; runs with NaN, then runs without it, come last.
    #[arg(short, long, value_name = "COLUMN")]
    sort: Option<String>,

    /// Sort in descending order.
    #[arg(short, long)]
    reverse: bool,

    /// Maximum number of rows.
    #[arg(short = 'n', long, value_name = "N")]
    top: Option<usize>,

    /// One row per group of runs with the same value in this column, or the same match of run~REGEX in
    /// their names.
    #[arg(short, long, value_name = "COLUMN")]
    group_by: Option<String>,

    /// Degrees of freedom of a group's standard deviation: 1 as in pandas, 0 as in NumPy.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    ddof: u8,

    /// Print the importance of each parameter for this column, instead of runs: fANOVA, a method of random
    /// forests.
    #[arg(long, value_name = "COLUMN")]
    #[arg(conflicts_with_all = ["columns", "sort", "reverse", "top", "group_by", "differing"])]
    importance: Option<String>,

    /// Only columns in which runs differ.
    #[arg(short, long)]
    differing: bool,

    /// Output format.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Name of the column with the number of runs in a group.
const RUNS: &str = "runs";
/// Explains the sign at the best values, in the footer.
const BEST: &str = "; * is the best of its column";
/// Prefix of the name of a column of deviations.
const DEVIATION: &str = "± ";

pub(super) fn run(args: &Args) -> Result<u8> {
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
    if let Some(metric) = &args.importance {
        let found = importance::print(metric, &names, &rows, args.format)?;
        return Ok(code.max(found));
    }
    let mut columns = columns(args, &names, &rows)?;
    if args.differing {
        columns.retain(|column| differs(column, &rows));
    }
    let sort = args.sort.as_deref().map(|name| names.column(name));
    let sort = sort.transpose()?;
    match &args.group_by {
        Some(by) => {
            let by = GroupBy::parse(by, &names)?;
            groups(args, &names, &by, columns, sort.as_ref(), &rows)?;
        }
        None => runs(args, &names, &columns, sort.as_ref(), rows, table.rows.len())?,
    }
    Ok(code)
}

fn columns(args: &Args, names: &ColumnNames<'_>, rows: &[&RunRow]) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    if args.columns.is_empty() {
        if args.group_by.is_none() {
            let fields = [Field::Start, Field::Duration, Field::Status, Field::Step];
            columns.extend(fields.map(Column::Run));
            // Parameters that are equal in all runs do not distinguish them: they come last.
            let params = names.params().map(|name| Column::Param(name.into()));
            let (differing, same): (Vec<_>, _) = params.partition(|column| differs(column, rows));
            columns.extend(differing);
            columns.extend(metrics(names));
            columns.extend(same);
        } else {
            columns.extend(metrics(names));
        }
        columns.retain(|column| rows.iter().any(|row| !column.of(row).is_empty()));
        return Ok(columns);
    }
    for pattern in &args.columns {
        for column in names.select(pattern)? {
            // The name of the run always comes first.
            let is_there = column == Column::Run(Field::Name) || columns.contains(&column);
            if !is_there {
                columns.push(column);
            }
        }
    }
    Ok(columns)
}

fn metrics(names: &ColumnNames<'_>) -> impl Iterator<Item = Column> {
    names.metrics().map(|tag| Column::Metric(tag.into(), Stat::Last))
}

fn differs(column: &Column, rows: &[&RunRow]) -> bool {
    let mut cells = rows.iter().map(|row| column.of(row));
    cells.next().is_some_and(|first| cells.any(|cell| !cell.is_same(&first)))
}

fn runs(
    args: &Args,
    names: &ColumnNames<'_>,
    columns: &[Column],
    sort: Option<&Column>,
    mut rows: Vec<&RunRow>,
    all: usize,
) -> Result<()> {
    if let Some(column) = sort {
        rows.sort_by(|a, b| compare(&column.of(a), &column.of(b), args.reverse));
    } else if args.reverse {
        rows.reverse();
    }
    let found = rows.len();
    let numbers = |column: &Column| rows.iter().map(|row| column.of(row)).collect();
    let best: Vec<_> = columns.iter().map(|column| best(column, numbers(column))).collect();
    rows.truncate(args.top.unwrap_or(usize::MAX));
    let mut grid = Grid::new();
    grid.otherwise("--columns");
    let run = Field::Name.name();
    grid.column(run, false);
    for (head, column) in names.heads(columns, &[run]).into_iter().zip(columns) {
        grid.column(head, column.is_numeric());
    }
    let sorted = sort.and_then(|sort| columns.iter().position(|column| column == sort));
    if args.columns.is_empty() {
        grid.keep(importance(columns, sorted).into_iter().map(|i| i + 1).collect());
    } else {
        grid.keep(sorted.map(|i| i + 1).into_iter().collect());
    }
    let mut marks = BTreeSet::new();
    for (i, row) in rows.iter().enumerate() {
        for ((j, column), best) in columns.iter().enumerate().zip(&best) {
            let number = column.of(row).number();
            marks.extend(best.filter(|best| number == Some(*best)).map(|_| (i, j + 1)));
        }
    }
    grid.mark(marks);
    for row in &rows {
        let cells = columns.iter().map(|column| column.of(row));
        grid.row([row.name.as_str().into()].into_iter().chain(cells).collect());
    }
    let has_sign = grid.print(args.format)?;
    if args.format == Format::Text {
        let shown = if rows.len() < found { format!("{} of ", rows.len()) } else { String::new() };
        let of_all = if found < all { format!(" of {all}") } else { String::new() };
        let mut line = format!("{shown}{}{of_all}", counted(found, "run"));
        line += if has_sign { BEST } else { "" };
        print_note(&line)?;
    }
    Ok(())
}

/// The best number of a column, if the name says whether more or less is better.
fn best(column: &Column, cells: Vec<Cell>) -> Option<f64> {
    Direction::of(column)?.best(cells.iter().filter_map(Cell::number))
}

/// Default columns, the most important first: the sort column; scalars and parameters that differ,
/// alternating; all other parameters; then the fields that every run has.
fn importance(columns: &[Column], sorted: Option<usize>) -> Vec<usize> {
    let places = |is: &dyn Fn(&Column) -> bool| -> Vec<usize> {
        columns.iter().enumerate().filter(|(_, column)| is(column)).map(|(i, _)| i).collect()
    };
    let metrics = places(&|column| matches!(column, Column::Metric(..)));
    let params = places(&|column| matches!(column, Column::Param(_)));
    let first = metrics.first().copied().unwrap_or(usize::MAX);
    let (differing, same): (Vec<_>, Vec<_>) = params.into_iter().partition(|i| *i < first);
    let mut order: Vec<usize> = sorted.into_iter().collect();
    for i in 0..differing.len().max(metrics.len()) {
        order.extend([metrics.get(i), differing.get(i)].into_iter().flatten());
    }
    order.extend(same);
    let fields = [Field::Step, Field::Status, Field::Duration, Field::Start];
    order.extend(fields.into_iter().flat_map(|field| places(&|c| *c == Column::Run(field))));
    let mut known = BTreeSet::new();
    order.retain(|i| known.insert(*i));
    order
}

fn groups(
    args: &Args,
    names: &ColumnNames<'_>,
    by: &GroupBy,
    mut columns: Vec<Column>,
    sort: Option<&Column>,
    rows: &[&RunRow],
) -> Result<()> {
    let mut groups = by.groups(rows.iter().copied());
    if let Some(column) = sort {
        let cell = |group: &Group<'_>| match group.spread(column, args.ddof) {
            _ if by.column() == Some(column) => group.key.clone(),
            spread if spread.count == 0 => Cell::Empty,
            spread => Cell::Number(spread.mean),
        };
        let mut sorted: Vec<_> = groups.into_iter().map(|group| (cell(&group), group)).collect();
        sorted.sort_by(|(a, _), (b, _)| compare(a, b, args.reverse));
        groups = sorted.into_iter().map(|(_, group)| group).collect();
    } else if args.reverse {
        groups.reverse();
    }
    let found = groups.len();
    // The key of a group is in the first column.
    columns.retain(|column| column.is_numeric() && by.column() != Some(column));
    let mean = |group: &Group<'_>, column| Cell::Number(group.spread(column, args.ddof).mean);
    let means = |column| groups.iter().map(|group| mean(group, column)).collect();
    let best: Vec<_> = columns.iter().map(|column| best(column, means(column))).collect();
    groups.truncate(args.top.unwrap_or(usize::MAX));
    let (key, heads) = heads(names, by, &columns);
    let mut grid = Grid::new();
    grid.otherwise("--columns");
    grid.column(key, false);
    grid.column(RUNS, true);
    for head in heads {
        let deviation = if args.format == Format::Text { "" } else { &head };
        let deviation = format!("{DEVIATION}{deviation}");
        grid.column(head, true);
        grid.bound_column(deviation);
    }
    let mut marks = BTreeSet::new();
    for (j, (column, best)) in columns.iter().zip(&best).enumerate() {
        for (i, group) in groups.iter().enumerate() {
            let mean = group.spread(column, args.ddof).mean;
            marks.extend(best.filter(|best| *best == mean).map(|_| (i, 2 + 2 * j)));
        }
    }
    grid.mark(marks);
    for group in &groups {
        let count = i64::try_from(group.rows.len()).unwrap_or(i64::MAX);
        let mut cells = vec![group.key.clone(), Cell::Int(count)];
        for column in &columns {
            let spread = group.spread(column, args.ddof);
            let cell = |number: f64| match spread.count {
                0 => Cell::Empty,
                _ => Cell::Number(number),
            };
            cells.extend([cell(spread.mean), cell(spread.std)]);
        }
        grid.row(cells);
    }
    let has_sign = grid.print(args.format)?;
    if args.format == Format::Text {
        let mut line = format!("{} of {}", counted(found, "group"), counted(rows.len(), "run"));
        line += "; means and standard deviations";
        line += if has_sign { BEST } else { "" };
        print_note(&line)?;
    }
    Ok(())
}

/// The headings of the first column and of the means. The headings of deviations are derived from the
/// latter, so no heading may look like one of them.
fn heads(names: &ColumnNames<'_>, by: &GroupBy, columns: &[Column]) -> (String, Vec<String>) {
    let deviations = columns.iter().flat_map(|column| [column.to_string(), column.qualified()]);
    let deviations: Vec<_> = deviations.map(|name| format!("{DEVIATION}{name}")).collect();
    let mut fixed: Vec<&str> = deviations.iter().map(String::as_str).collect();
    fixed.push(RUNS);
    let Some(key) = by.column() else {
        let key = by.head(names, &fixed);
        fixed.push(&key);
        let heads = names.heads(columns, &fixed);
        return (key, heads);
    };
    let all: Vec<_> = [key].into_iter().chain(columns).cloned().collect();
    let mut heads = names.heads(&all, &fixed).into_iter();
    (heads.next().unwrap_or_default(), heads.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use tbx::{LoadOptions, Logdir, SummaryWriter};
    use tbx_runs::table::{RunTable, TableOptions};

    const PIECES: &[&str] = &[
        "lr", "run", "runs", "step", "param.", "metric.", "run.", "± ", ":min", ":last", "\\n", " ",
    ];

    /// Names that look like other names.
    fn any_names() -> impl Strategy<Value = Vec<String>> {
        let name = prop::collection::vec(prop::sample::select(PIECES), 1..4);
        prop::collection::vec(name.prop_map(|pieces| pieces.concat()), 0..8)
    }

    /// The table of a log with these parameters and tags.
    fn table(params: &[String], tags: &[String]) -> RunTable {
        let dir = tempfile::tempdir().unwrap();
        let writer = SummaryWriter::create(dir.path()).unwrap();
        let hparams: Vec<_> = params.iter().map(|name| (name.as_str(), 1.0.into())).collect();
        writer.add_hparams(hparams, []).unwrap();
        for tag in tags {
            writer.add_scalar(tag, 1.0, 0).unwrap();
        }
        writer.close().unwrap();
        let logdir = Logdir::open(dir.path()).unwrap();
        RunTable::load(&logdir, &LoadOptions::new(), &TableOptions::new()).unwrap()
    }

    /// Every column of a table, with two statistics of each scalar.
    fn all_columns(names: &ColumnNames<'_>) -> Vec<Column> {
        let fields = Field::ALL.iter().map(|field| Column::Run(*field));
        let params = names.params().map(|name| Column::Param(name.into()));
        let metric =
            |tag: &str| [Stat::Last, Stat::Min].map(|stat| Column::Metric(tag.into(), stat));
        fields.chain(params).chain(names.metrics().flat_map(metric)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn groups_have_each_name_once(
            params in any_names(),
            tags in any_names(),
            by in any::<prop::sample::Index>(),
        ) {
            let table = table(&params, &tags);
            let names = ColumnNames::of(&table);
            let mut columns = all_columns(&names);
            let key = columns.remove(by.index(columns.len()));
            for by in [GroupBy::Column(key), GroupBy::parse("run~a", &names).unwrap()] {
                let (key, heads) = heads(&names, &by, &columns);
                let deviations = heads.iter().map(|head| format!("{DEVIATION}{head}"));
                let all: Vec<_> =
                    [key, RUNS.to_owned()].into_iter().chain(deviations).chain(heads.clone()).collect();
                let different: HashSet<&str> = all.iter().map(String::as_str).collect();
                prop_assert_eq!(different.len(), all.len(), "{:?}", all);
            }
        }
    }
}
