//! Reads rows of the exporter's files.

use parquet::basic::Type;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::RowGroupReader;

use super::columns::{self, Column, Lists, Steps};
use super::schema::Schema;

/// Number of rows that are read at a time.
const BATCH: usize = 8192;

/// A row. Values are there only in the column of the attribute's type.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) path: &'a [u8],
    pub(super) kind: &'a [u8],
    /// In millionths; the inner value is `None` if the step has too many digits.
    pub(super) step: Option<Option<i64>>,
    /// In units of the column.
    pub(super) time: Option<i64>,
    pub(super) int: Option<i64>,
    pub(super) float: Option<f64>,
    pub(super) string: Option<&'a [u8]>,
    pub(super) bool: Option<bool>,
    /// In units of the column.
    pub(super) datetime: Option<i64>,
    pub(super) set: Option<Vec<ByteArray>>,
    pub(super) file: Option<&'a [u8]>,
    pub(super) histogram: Option<RowHistogram<'a>>,
}

/// The histogram of a row.
#[derive(Debug)]
pub(super) struct RowHistogram<'a> {
    /// The kind of its values, such as `COUNTING`.
    pub(super) kind: Option<&'a [u8]>,
    pub(super) edges: Vec<f64>,
    pub(super) values: Vec<f64>,
}

/// The project and the run that rows belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) project: Vec<u8>,
    pub(super) run: Vec<u8>,
}

/// Counts of rows.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) rows: u64,
    /// Rows of another run than the first one.
    pub(super) of_others: u64,
}

/// Checks where the columns of a row group are, as the crate takes it for granted.
fn check(group: &RowGroupMetaData) -> Result<()> {
    let is_valid = |column: &ColumnChunkMetaData| {
        let starts = [Some(column.data_page_offset()), column.dictionary_page_offset()];
        let numbers = [column.compressed_size(), column.uncompressed_size(), column.num_values()];
        starts.into_iter().flatten().chain(numbers).all(|number| number >= 0)
    };
    match group.num_rows() >= 0 && group.columns().iter().all(is_valid) {
        true => Ok(()),
        false => Err(ParquetError::General("a column has a place or a size below 0".into())),
    }
}

/// The columns of a row group.
struct Group {
    path: Option<Column<ByteArrayType>>,
    kind: Option<Column<ByteArrayType>>,
    step: Option<Steps>,
    time: Option<Column<Int64Type>>,
    int: Option<Column<Int64Type>>,
    float: Option<Column<DoubleType>>,
    string: Option<Column<ByteArrayType>>,
    bool: Option<Column<BoolType>>,
    datetime: Option<Column<Int64Type>>,
    set: Option<Lists<ByteArrayType>>,
    file: Option<Column<ByteArrayType>>,
    histogram_type: Option<Column<ByteArrayType>>,
    edges: Option<Lists<DoubleType>>,
    counts: Option<Lists<DoubleType>>,
    owners: Option<Owners>,
}

impl Group {
    fn open(group: &dyn RowGroupReader, schema: &Schema, owner: Option<&Owner>) -> Result<Self> {
        let lists = |index: Option<usize>| index.filter(|index| has_elements(group, *index));
        // The statistics count elements, and a set without any is a value, too. But no point is a set.
        let set =
            schema.set.filter(|set| !has_only_points(group, schema) || has_elements(group, *set));
        let owners = match owner {
            Some(owner) if !is_owner(group, schema, owner) => Some(Owners {
                project: Column::open(group, schema.project)?,
                run: Column::open(group, schema.run)?,
            }),
            _ => None,
        };
        Ok(Self {
            path: Column::open(group, Some(schema.path))?,
            kind: Column::open(group, Some(schema.kind))?,
            step: Steps::open(group, schema.step)?,
            time: Column::open(group, schema.time)?,
            int: Column::open(group, schema.int)?,
            float: Column::open(group, schema.float)?,
            string: Column::open(group, schema.string)?,
            bool: Column::open(group, schema.bool)?,
            datetime: Column::open(group, schema.datetime)?,
            set: Lists::open(group, set)?,
            file: Column::open(group, schema.file)?,
            histogram_type: Column::open(group, schema.histogram_type)?,
            edges: Lists::open(group, lists(schema.edges))?,
            counts: Lists::open(group, lists(schema.counts))?,
            owners,
        })
    }

    fn fill(&mut self, rows: usize) -> Result<()> {
        columns::fill(&mut self.path, rows)?;
        columns::fill(&mut self.kind, rows)?;
        if let Some(step) = &mut self.step {
            step.fill(rows)?;
        }
        columns::fill(&mut self.time, rows)?;
        columns::fill(&mut self.int, rows)?;
        columns::fill(&mut self.float, rows)?;
        columns::fill(&mut self.string, rows)?;
        columns::fill(&mut self.bool, rows)?;
        columns::fill(&mut self.datetime, rows)?;
        columns::fill_lists(&mut self.set, rows)?;
        columns::fill(&mut self.file, rows)?;
        columns::fill(&mut self.histogram_type, rows)?;
        columns::fill_lists(&mut self.edges, rows)?;
        columns::fill_lists(&mut self.counts, rows)?;
        if let Some(owners) = &mut self.owners {
            columns::fill(&mut owners.project, rows)?;
            columns::fill(&mut owners.run, rows)?;
        }
        Ok(())
    }

    fn row(&mut self, row: usize) -> Row<'_> {
        let kind = columns::bytes(&mut self.histogram_type, row);
        let edges = self.edges.as_mut().and_then(Lists::next);
        let values = self.counts.as_mut().and_then(Lists::next);
        let histogram =
            edges.zip(values).map(|(edges, values)| RowHistogram { kind, edges, values });
        let set = self.set.as_mut().and_then(Lists::next);
        Row {
            path: columns::bytes(&mut self.path, row).unwrap_or_default(),
            kind: columns::bytes(&mut self.kind, row).unwrap_or_default(),
            step: self.step.as_mut().and_then(|step| step.get(row)),
            time: columns::get(&mut self.time, row).copied(),
            int: columns::get(&mut self.int, row).copied(),
            float: columns::get(&mut self.float, row).copied(),
            string: columns::bytes(&mut self.string, row),
            bool: columns::get(&mut self.bool, row).copied(),
            datetime: columns::get(&mut self.datetime, row).copied(),
            set,
            file: columns::bytes(&mut self.file, row),
            histogram,
        }
    }
}

/// The columns that say which run a row belongs to.
struct Owners {
    project: Option<Column<ByteArrayType>>,
    run: Option<Column<ByteArrayType>>,
}

impl Owners {
    fn is(&mut self, owner: &Owner, row: usize) -> bool {
        let project = columns::bytes(&mut self.project, row).unwrap_or_default() == owner.project;
        let run = columns::bytes(&mut self.run, row).unwrap_or_default() == owner.run;
        project && run
    }
}

/// Whether the statistics say that all rows of a group are of this run.
fn is_owner(group: &dyn RowGroupReader, schema: &Schema, owner: &Owner) -> bool {
    let is = |index: Option<usize>, expected: &[u8]| {
        let Some(index) = index else { return expected.is_empty() };
        only_value(group, index).is_some_and(|found| found == expected)
    };
    is(schema.project, &owner.project) && is(schema.run, &owner.run)
}

/// The only value of a column, if the statistics say that it is in all rows.
fn only_value(group: &dyn RowGroupReader, index: usize) -> Option<&[u8]> {
    let statistics = group.metadata().column(index).statistics()?;
    let is_exact = statistics.min_is_exact() && statistics.max_is_exact();
    let min = statistics.min_bytes_opt()?;
    let is_only = is_exact && statistics.null_count_opt() == Some(0);
    (is_only && statistics.max_bytes_opt() == Some(min)).then_some(min)
}

/// Whether a column of lists has elements, as far as its statistics say.
fn has_elements(group: &dyn RowGroupReader, index: usize) -> bool {
    let column = group.metadata().column(index);
    let nulls = column.statistics().and_then(|statistics| statistics.null_count_opt());
    nulls != u64::try_from(column.num_values()).ok()
}

/// Whether all rows of a group are points, as far as its statistics say.
pub(super) fn has_only_points(group: &dyn RowGroupReader, schema: &Schema) -> bool {
    let Some(step) = schema.step else { return false };
    let statistics = group.metadata().column(step).statistics();
    statistics.and_then(|statistics| statistics.null_count_opt()) == Some(0)
}

/// The project and the run of the first row of a group.
pub(super) fn owner(group: &dyn RowGroupReader, schema: &Schema) -> Result<Owner> {
    check(group.metadata())?;
    let first = |index: Option<usize>| -> Result<Vec<u8>> {
        if let Some(only) = index.and_then(|index| only_value(group, index)) {
            return Ok(only.to_vec());
        }
        let is_text =
            |index: &usize| group.metadata().column(*index).column_type() == Type::BYTE_ARRAY;
        let mut column = Column::open(group, index.filter(is_text))?;
        columns::fill(&mut column, 1)?;
        Ok(columns::bytes(&mut column, 0).unwrap_or_default().to_vec())
    };
    Ok(Owner { project: first(schema.project)?, run: first(schema.run)? })
}

/// Reads the rows of a group that belong to `owner`, at most `most`, until `take` returns false.
pub(super) fn read(
    group: &dyn RowGroupReader,
    schema: &Schema,
    owner: &Owner,
    most: u64,
    counts: &mut Counts,
    mut take: impl FnMut(Row<'_>) -> bool,
) -> Result<()> {
    let rows = u64::try_from(group.metadata().num_rows()).unwrap_or_default();
    let mut left = rows.min(most);
    check(group.metadata())?;
    let mut columns = Group::open(group, schema, Some(owner))?;
    while left > 0 {
        let batch = usize::try_from(left).unwrap_or(BATCH).min(BATCH);
        columns.fill(batch)?;
        for index in 0..batch {
            counts.rows = counts.rows.saturating_add(1);
            let is_own = columns.owners.as_mut().is_none_or(|owners| owners.is(owner, index));
            let row = columns.row(index);
            if !is_own {
                counts.of_others = counts.of_others.saturating_add(1);
            } else if !take(row) {
                return Ok(());
            }
        }
        left = left.saturating_sub(u64::try_from(batch).unwrap_or(left));
    }
    Ok(())
}
