//! The columns of the exporter's files (`src/neptune_exporter/model.py`).

use parquet::basic::Type;
use parquet::schema::types::SchemaDescriptor;

use super::columns::units_per_millisecond;

/// Indices of the columns. Only those that tell attributes apart are required.
#[derive(Debug, Clone, Default)]
pub(super) struct Schema {
    pub(super) path: usize,
    pub(super) kind: usize,
    pub(super) project: Option<usize>,
    pub(super) run: Option<usize>,
    pub(super) step: Option<usize>,
    pub(super) time: Option<usize>,
    pub(super) int: Option<usize>,
    pub(super) float: Option<usize>,
    pub(super) string: Option<usize>,
    pub(super) bool: Option<usize>,
    pub(super) datetime: Option<usize>,
    pub(super) set: Option<usize>,
    pub(super) file: Option<usize>,
    pub(super) histogram_type: Option<usize>,
    pub(super) edges: Option<usize>,
    pub(super) counts: Option<usize>,
    /// How many units of the two columns of times are a millisecond.
    pub(super) time_units: i64,
    pub(super) datetime_units: i64,
}

impl Schema {
    /// The columns of a file, or what is wrong with them.
    pub(super) fn of(schema: &SchemaDescriptor) -> Result<Self, String> {
        let find = |path: &[&str], kind: Type, repeats: i16| -> Result<Option<usize>, String> {
            // Writers name what is between a list and its elements in several ways.
            let is_it = |parts: &[String]| {
                let starts = parts.iter().zip(path).filter(|(a, b)| a == b).count() == path.len();
                starts && (repeats > 0 || parts.len() == path.len())
            };
            let columns = schema.columns().iter();
            let Some(index) = columns.clone().position(|column| is_it(column.path().parts()))
            else {
                return Ok(None);
            };
            let found = schema.column(index);
            if found.physical_type() != kind || found.max_rep_level() != repeats {
                let name = path.join(".");
                let what = found.physical_type();
                return Err(format!("its column {name} has the type {what}, not {kind}"));
            }
            Ok(Some(index))
        };
        let required = |name: &str| {
            find(&[name], Type::BYTE_ARRAY, 0)?.ok_or_else(|| format!("it has no column {name}"))
        };
        let units = |index: Option<usize>| match index {
            Some(index) => units_per_millisecond(&schema.column(index))
                .ok_or_else(|| format!("its column {} has no times", schema.column(index).name())),
            None => Ok(1),
        };
        let step = schema.columns().iter().position(|column| column.path().parts() == ["step"]);
        if let Some(index) = step {
            let column = schema.column(index);
            let is_decimal = matches!(
                column.physical_type(),
                Type::FIXED_LEN_BYTE_ARRAY | Type::INT64 | Type::INT32
            );
            if !is_decimal || column.max_rep_level() != 0 {
                let what = column.physical_type();
                return Err(format!("its column step has the type {what}, not a decimal number"));
            }
        }
        let time = find(&["timestamp"], Type::INT64, 0)?;
        let datetime = find(&["datetime_value"], Type::INT64, 0)?;
        Ok(Self {
            path: required("attribute_path")?,
            kind: required("attribute_type")?,
            project: find(&["project_id"], Type::BYTE_ARRAY, 0)?,
            run: find(&["run_id"], Type::BYTE_ARRAY, 0)?,
            step,
            time,
            int: find(&["int_value"], Type::INT64, 0)?,
            float: find(&["float_value"], Type::DOUBLE, 0)?,
            string: find(&["string_value"], Type::BYTE_ARRAY, 0)?,
            bool: find(&["bool_value"], Type::BOOLEAN, 0)?,
            datetime,
            set: find(&["string_set_value"], Type::BYTE_ARRAY, 1)?,
            file: find(&["file_value", "path"], Type::BYTE_ARRAY, 0)?,
            histogram_type: find(&["histogram_value", "type"], Type::BYTE_ARRAY, 0)?,
            edges: find(&["histogram_value", "edges"], Type::DOUBLE, 1)?,
            counts: find(&["histogram_value", "values"], Type::DOUBLE, 1)?,
            time_units: units(time)?,
            datetime_units: units(datetime)?,
        })
    }
}
