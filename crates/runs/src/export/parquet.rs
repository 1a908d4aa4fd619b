//! Parquet files: typed columns, compressed with Zstandard.
//!
//! The encodings are ones that pyarrow, polars and DuckDB can read and that suit the data: a
//! dictionary for names, differences for steps, and byte stream split for float64, since most
//! values are float32 or times.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::column::writer::{ColumnCloseResult, ColumnWriter, get_column_writer};
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, ColumnPath, Type as SchemaType};
use rayon::prelude::*;

use super::batch::{Batch, Column, Type, Values};
use super::output::Output;
use super::{Sheet, Target};
use crate::table::Cell;
use tbx::error::{ErrorKind, Result};

pub(super) const TARGET: Target = Target {
    name: "parquet",
    about: "Apache Parquet, typed columns",
    extension: "parquet",
    text: None,
    open: |columns, output| Ok(Box::new(Parquet::open(columns, output)?)),
};

/// Approximate number of values in a row group, and of bytes of text.
const GROUP: usize = 5 << 20;
const GROUP_TEXT: usize = 64 << 20;
/// Number of values that are passed to the writer at a time.
const PART: usize = 1 << 13;
/// Higher levels cost more time than they save in bytes.
const LEVEL: i32 = 1;

struct Parquet {
    columns: Vec<Column>,
    properties: WriterPropertiesPtr,
    writer: SerializedFileWriter<Vec<u8>>,
    output: Output,
    /// Number of rows in the next group.
    rows: usize,
    text: usize,
    waiting: Vec<Batch>,
}

impl Parquet {
    fn open(columns: &[Column], output: Output) -> Result<Self> {
        let properties = Arc::new(properties(columns).map_err(refused)?);
        let fields = columns.iter().map(|column| Ok(Arc::new(field(column)?)));
        let fields = fields.collect::<Result<_, _>>().map_err(refused)?;
        let schema = SchemaType::group_type_builder("table").with_fields(fields).build();
        let schema = Arc::new(schema.map_err(refused)?);
        let writer = SerializedFileWriter::new(Vec::new(), schema, properties.clone());
        Ok(Self {
            columns: columns.into(),
            properties,
            writer: writer.map_err(refused)?,
            output,
            rows: 0,
            text: 0,
            waiting: Vec::new(),
        })
    }

    /// Writes the waiting rows as a row group.
    fn group(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let descriptors = self.writer.schema_descr().columns().to_vec();
        let encoded: Vec<_> = descriptors
            .par_iter()
            .enumerate()
            .map(|(i, descriptor)| self.encode(i, descriptor))
            .collect();
        let mut group = self.writer.next_row_group().map_err(refused)?;
        for column in encoded {
            let (bytes, written) = column.map_err(refused)?;
            group.append_column(&bytes, written).map_err(refused)?;
        }
        group.close().map_err(refused)?;
        self.waiting.clear();
        (self.rows, self.text) = (0, 0);
        self.hand_over()
    }

    /// Encodes column `i` of the waiting rows.
    fn encode(
        &self,
        i: usize,
        descriptor: &ColumnDescPtr,
    ) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let mut sink = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut sink));
        let mut writer = get_column_writer(descriptor.clone(), self.properties.clone(), pages);
        let nullable = self.columns.get(i).is_some_and(|column| column.nullable);
        for batch in &self.waiting {
            match batch.values.get(i) {
                Some(Values::Names(runs)) => names(&mut writer, runs)?,
                Some(Values::Ints(numbers)) => put(&mut writer, Part::Ints(numbers), None)?,
                Some(Values::Floats(numbers)) => put(&mut writer, Part::Floats(numbers), None)?,
                Some(Values::Cells(all) | Values::Json(all)) => {
                    all.chunks(PART).try_for_each(|part| cells(&mut writer, part, nullable))?;
                }
                None => {}
            }
        }
        let written = writer.close()?;
        Ok((sink.into_inner()?.into(), written))
    }

    fn hand_over(&mut self) -> Result<()> {
        self.writer.flush().map_err(ErrorKind::from)?;
        self.output.write(self.writer.inner())?;
        self.writer.inner_mut().clear();
        Ok(())
    }
}

impl Sheet for Parquet {
    fn rows(&mut self, batch: Batch) -> Result<()> {
        let columns = self.columns.len().max(1);
        if (self.rows + batch.rows).saturating_mul(columns) > GROUP {
            self.group()?;
        }
        self.rows += batch.rows;
        self.text += batch.values.iter().map(text_bytes).sum::<usize>();
        self.waiting.push(batch);
        if self.text > GROUP_TEXT { self.group() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<Output> {
        self.group()?;
        self.writer.finish().map_err(refused)?;
        self.hand_over()?;
        Ok(self.output)
    }
}

/// Numbers or texts of some rows.
enum Part<'v> {
    Bools(&'v [bool]),
    Ints(&'v [i64]),
    Floats(&'v [f64]),
    Texts(&'v [ByteArray]),
}

/// Writes values; `present` flags the rows that have one, if not all do.
fn put(
    writer: &mut ColumnWriter<'_>,
    part: Part<'_>,
    present: Option<&[i16]>,
) -> Result<(), ParquetError> {
    match (writer, part) {
        (ColumnWriter::BoolColumnWriter(to), Part::Bools(values)) => {
            to.write_batch(values, present, None)?
        }
        (ColumnWriter::Int64ColumnWriter(to), Part::Ints(values)) => {
            to.write_batch(values, present, None)?
        }
        (ColumnWriter::DoubleColumnWriter(to), Part::Floats(values)) => {
            to.write_batch(values, present, None)?
        }
        (ColumnWriter::ByteArrayColumnWriter(to), Part::Texts(values)) => {
            to.write_batch(values, present, None)?
        }
        _ => return Err(ParquetError::General("a value has the wrong type".into())),
    };
    Ok(())
}

fn names(writer: &mut ColumnWriter<'_>, runs: &[(Arc<str>, usize)]) -> Result<(), ParquetError> {
    let mut part = Vec::with_capacity(PART);
    for (name, rows) in runs {
        let name = ByteArray::from(Bytes::copy_from_slice(name.as_bytes()));
        let mut rows = *rows;
        while rows > 0 {
            let some = rows.min(PART - part.len());
            part.resize(part.len() + some, name.clone());
            rows -= some;
            if part.len() == PART {
                put(writer, Part::Texts(&part), None)?;
                part.clear();
            }
        }
    }
    put(writer, Part::Texts(&part), None)
}

fn cells(
    writer: &mut ColumnWriter<'_>,
    cells: &[Cell],
    nullable: bool,
) -> Result<(), ParquetError> {
    let present: Vec<i16> = cells.iter().map(|cell| i16::from(!cell.is_empty())).collect();
    let present = nullable.then_some(&*present);
    match writer {
        ColumnWriter::BoolColumnWriter(_) => {
            let bool = |cell: &Cell| match cell {
                Cell::Bool(value) => Some(*value),
                _ => None,
            };
            let values: Vec<_> = cells.iter().filter_map(bool).collect();
            put(writer, Part::Bools(&values), present)
        }
        ColumnWriter::Int64ColumnWriter(_) => {
            let int = |cell: &Cell| match cell {
                Cell::Int(number) => Some(*number),
                _ => None,
            };
            let values: Vec<_> = cells.iter().filter_map(int).collect();
            put(writer, Part::Ints(&values), present)
        }
        ColumnWriter::DoubleColumnWriter(_) => {
            let values: Vec<_> = cells.iter().filter_map(Cell::number).collect();
            put(writer, Part::Floats(&values), present)
        }
        _ => {
            let text = |cell: &Cell| match cell {
                Cell::Empty => None,
                Cell::Text(text) => Some(ByteArray::from(text.as_str())),
                other => Some(ByteArray::from(other.to_string().into_bytes())),
            };
            let values: Vec<_> = cells.iter().filter_map(text).collect();
            put(writer, Part::Texts(&values), present)
        }
    }
}

fn text_bytes(values: &Values) -> usize {
    let (Values::Cells(cells) | Values::Json(cells)) = values else { return 0 };
    let bytes = |cell: &Cell| match cell {
        Cell::Text(text) => text.len(),
        _ => 0,
    };
    cells.iter().map(bytes).sum()
}

fn field(column: &Column) -> Result<SchemaType, ParquetError> {
    let (physical, logical) = match column.data {
        Type::Name | Type::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Type::Int => (Physical::INT64, None),
        Type::Float => (Physical::DOUBLE, None),
        Type::Bool => (Physical::BOOLEAN, None),
    };
    let repetition = if column.nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    SchemaType::primitive_type_builder(&column.name, physical)
        .with_logical_type(logical)
        .with_repetition(repetition)
        .build()
}

fn properties(columns: &[Column]) -> Result<WriterProperties, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("tbx version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for column in columns {
        // A name may contain dots, and is not a path.
        let path = ColumnPath::new(vec![column.name.clone()]);
        let encoding = match column.data {
            Type::Int => Encoding::DELTA_BINARY_PACKED,
            Type::Float => Encoding::BYTE_STREAM_SPLIT,
            Type::Name | Type::Text | Type::Bool => continue,
        };
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, encoding);
    }
    Ok(properties.build())
}

fn refused(error: ParquetError) -> ErrorKind {
    std::io::Error::from(error).into()
}
