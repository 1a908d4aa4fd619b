//! Writes files with the schema of Neptune's exporter.

use std::sync::Arc;

use parquet::basic::{Compression, Type};
use parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

/// The schema that pyarrow writes for the exporter.
pub(super) const SCHEMA: &str = "message schema {
    optional binary project_id (UTF8);
    optional binary run_id (UTF8);
    optional binary attribute_path (UTF8);
    optional binary attribute_type (UTF8);
    optional fixed_len_byte_array(8) step (DECIMAL(18,6));
    optional int64 timestamp (TIMESTAMP(MILLIS,true));
    optional int64 int_value;
    optional double float_value;
    optional binary string_value (UTF8);
    optional boolean bool_value;
    optional int64 datetime_value (TIMESTAMP(MILLIS,true));
    optional group string_set_value (LIST) { repeated group list { optional binary element (UTF8); } }
    optional group file_value { optional binary path (UTF8); }
    optional group histogram_value {
        optional binary type (UTF8);
        optional group edges (LIST) { repeated group list { optional double element; } }
        optional group values (LIST) { repeated group list { optional double element; } }
    }
}";

/// The type of a histogram, its edges and its counts or densities.
type NewHistogram = (&'static str, Vec<f64>, Vec<f64>);

/// A row. Steps are in millionths, times in milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) run: String,
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) step: Option<i64>,
    pub(super) time: Option<i64>,
    pub(super) int: Option<i64>,
    pub(super) float: Option<f64>,
    pub(super) string: Option<String>,
    pub(super) bool: Option<bool>,
    pub(super) datetime: Option<i64>,
    pub(super) set: Option<Vec<&'static str>>,
    pub(super) file: Option<String>,
    pub(super) histogram: Option<NewHistogram>,
}

/// A row without a value.
pub(super) fn row(path: &str, kind: &'static str) -> Row {
    Row { run: "run / 1".into(), path: path.into(), kind, ..Row::default() }
}

impl Row {
    /// The same row at a step, with a time that follows from it.
    pub(super) fn at(self, millionths: i64) -> Self {
        let time = 1_700_000_000_000 + millionths / 1000;
        Self { step: Some(millionths), time: Some(time), ..self }
    }
}

pub(super) fn text(path: &str, text: &str) -> Row {
    Row { string: Some(text.into()), ..row(path, "string") }
}

pub(super) fn float(path: &str, value: f64) -> Row {
    Row { float: Some(value), ..row(path, "float") }
}

/// A point of a series; NaN is written as no value.
pub(super) fn point(path: &str, millionths: i64, value: f64) -> Row {
    let float = Some(value).filter(|value| !value.is_nan());
    Row { float, ..row(path, "float_series") }.at(millionths)
}

pub(super) fn file(path: &str, kind: &'static str, place: &str) -> Row {
    Row { file: Some(place.into()), ..row(path, kind) }
}

/// A file of the exporter with one row group per element of `groups`.
pub(super) fn parquet(groups: &[Vec<Row>]) -> Vec<u8> {
    with_schema(SCHEMA, groups)
}

/// The same, with another schema that has the same columns.
pub(super) fn with_schema(schema: &str, groups: &[Vec<Row>]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let step = schema.get_fields()[4].get_physical_type();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties.into()).unwrap();
    for rows in groups {
        let mut group = writer.next_row_group().unwrap();
        let out = &mut group;
        let bytes = |text: &Option<String>| text.as_deref().map(Into::into);
        column::<ByteArrayType>(out, 1, rows.iter().map(|_| Some("team/x".into())));
        column::<ByteArrayType>(out, 1, rows.iter().map(|row| Some((*row.run).into())));
        column::<ByteArrayType>(out, 1, rows.iter().map(|row| Some((*row.path).into())));
        column::<ByteArrayType>(out, 1, rows.iter().map(|row| Some(row.kind.into())));
        if step == Type::INT64 {
            column::<Int64Type>(out, 1, rows.iter().map(|row| row.step));
        } else {
            let steps = rows.iter().map(|row| Some(row.step?.to_be_bytes().to_vec().into()));
            column::<FixedLenByteArrayType>(out, 1, steps);
        }
        column::<Int64Type>(out, 1, rows.iter().map(|row| row.time));
        column::<Int64Type>(out, 1, rows.iter().map(|row| row.int));
        column::<DoubleType>(out, 1, rows.iter().map(|row| row.float));
        column::<ByteArrayType>(out, 1, rows.iter().map(|row| bytes(&row.string)));
        column::<BoolType>(out, 1, rows.iter().map(|row| row.bool));
        column::<Int64Type>(out, 1, rows.iter().map(|row| row.datetime));
        let set = |set: &Vec<&str>| set.iter().map(|text| (*text).into()).collect();
        lists::<ByteArrayType>(out, 3, rows.iter().map(|row| row.set.as_ref().map(set)));
        column::<ByteArrayType>(out, 2, rows.iter().map(|row| bytes(&row.file)));
        let of = |row: &Row| row.histogram.clone();
        column::<ByteArrayType>(out, 2, rows.iter().map(|row| Some(of(row)?.0.into())));
        lists::<DoubleType>(out, 4, rows.iter().map(|row| Some(of(row)?.1)));
        lists::<DoubleType>(out, 4, rows.iter().map(|row| Some(of(row)?.2)));
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

/// Writes a column whose values have the level `full`.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    full: i16,
    values: impl Iterator<Item = Option<T::T>>,
) {
    let (mut levels, mut there) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(if value.is_some() { full } else { 0 });
        there.extend(value);
    }
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(&there, Some(&levels), None).unwrap();
    column.close().unwrap();
}

/// Writes a column of lists whose elements have the level `full`.
fn lists<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    full: i16,
    lists: impl Iterator<Item = Option<Vec<T::T>>>,
) {
    let (mut levels, mut repeats, mut there) = (Vec::new(), Vec::new(), Vec::new());
    for list in lists {
        repeats.push(0);
        match list {
            None => levels.push(0),
            Some(list) if list.is_empty() => levels.push(full - 2),
            Some(list) => {
                repeats.extend(vec![1; list.len() - 1]);
                levels.extend(vec![full; list.len()]);
                there.extend(list);
            }
        }
    }
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(&there, Some(&levels), Some(&repeats)).unwrap();
    column.close().unwrap();
}
