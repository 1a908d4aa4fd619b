//! Tables as Arrow record batches.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow_schema::{ArrowError, Field, Schema};

use super::frame::{self, Type};
use super::{Cell, PointTable, RunTable};
use tbx::error::{Error, Result};

impl PointTable {
    /// The table as a batch: `run` and `tag` as dictionaries of texts, `step` as int64, `wall_time`
    /// (seconds since the Unix epoch) and `value` as float64. Nothing is null; NaN stays NaN.
    ///
    /// ```
    /// use arrow_array::cast::AsArray;
    /// use arrow_array::types::Float64Type;
    /// use tbx_runs::table::PointTable;
    /// use tbx::{LoadOptions, Logdir};
    ///
    /// let table = PointTable::load(&Logdir::open("fixtures/keras")?, &LoadOptions::new())?;
    /// let batch = table.to_record_batch()?;
    /// assert_eq!(batch.num_rows(), table.len());
    /// let values = batch["value"].as_primitive::<Float64Type>().values();
    /// assert_eq!(Some(values[0]), table.iter().next().map(|point| point.value));
    /// # Ok::<(), tbx::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there are more than 2^31 different
    /// names, the maximum of an Arrow dictionary.
    pub fn to_record_batch(&self) -> Result<RecordBatch> {
        let rows = self.len();
        let mut names = [Names::default(), Names::default()];
        let (mut steps, mut wall_times) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut values = Vec::with_capacity(rows);
        for (run, series, scalars) in self.columns() {
            for (names, name) in names.iter_mut().zip([run, series.tag()]) {
                names.add(name, series.len())?;
            }
            steps.extend_from_slice(series.steps());
            wall_times.extend_from_slice(series.wall_times());
            values.extend(scalars.iter());
        }
        let [runs, tags] = names.map(Names::finish);
        let columns: [(&str, ArrayRef); 5] = [
            ("run", runs?),
            ("tag", tags?),
            ("step", Arc::new(Int64Array::from(steps))),
            ("wall_time", Arc::new(Float64Array::from(wall_times))),
            ("value", Arc::new(Float64Array::from(values))),
        ];
        batch(columns.map(|(name, column)| (name.to_owned(), column, false)))
    }
}

impl RunTable {
    /// The table as a batch with one row per run. Columns: `run`, `start` (seconds since the Unix
    /// epoch), `duration` (seconds), `status`, `step` (the largest of a scalar), then
    /// `param.<name>` for each parameter, and for each scalar `metric.<tag>:last`, `:min`, `:max`,
    /// `:min_step` and `:max_step`.
    ///
    /// A parameter that is a number or a bool in every run that has it gets that type; all others
    /// are text. Missing values are null.
    ///
    /// ```
    /// use tbx_runs::table::{Folding, RunTable, TableOptions};
    /// use tbx::{LoadOptions, Logdir};
    ///
    /// let logdir = Logdir::open("fixtures/keras")?;
    /// let options = TableOptions::new().folding(Folding::None);
    /// let table = RunTable::load(&logdir, &LoadOptions::new(), &options)?;
    /// let batch = table.to_record_batch()?;
    /// assert_eq!(batch.num_rows(), 2);
    /// assert!(batch.column_by_name("metric.epoch_loss:min").is_some());
    /// # Ok::<(), tbx::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`PointTable::to_record_batch`];
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there are more than 100,000 columns.
    pub fn to_record_batch(&self) -> Result<RecordBatch> {
        let columns = frame::of_runs(&self.rows)?.into_iter().map(|column| {
            let array = array(column.data, &column.cells(&self.rows));
            (column.name, array, column.data != Type::Name)
        });
        batch(columns)
    }
}

/// A batch of columns with their names; the bool is true if a column may contain nulls.
fn batch(columns: impl IntoIterator<Item = (String, ArrayRef, bool)>) -> Result<RecordBatch> {
    let with_field = |(name, array, nullable): (String, ArrayRef, bool)| {
        (Field::new(name, array.data_type().clone(), nullable), array)
    };
    let (fields, arrays): (Vec<_>, _) = columns.into_iter().map(with_field).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(refused)
}

/// The cells of a column of a run table.
fn array(data: Type, cells: &[Cell]) -> ArrayRef {
    let int = |cell: &Cell| match cell {
        Cell::Int(number) => Some(*number),
        _ => None,
    };
    let bool = |cell: &Cell| match cell {
        Cell::Bool(value) => Some(*value),
        _ => None,
    };
    let text = |cell: &Cell| (!cell.is_empty()).then(|| cell.to_string());
    match data {
        Type::Int => Arc::new(cells.iter().map(int).collect::<Int64Array>()),
        Type::Float => Arc::new(cells.iter().map(Cell::number).collect::<Float64Array>()),
        Type::Bool => Arc::new(cells.iter().map(bool).collect::<BooleanArray>()),
        Type::Name | Type::Text => Arc::new(cells.iter().map(text).collect::<StringArray>()),
    }
}

fn refused(error: ArrowError) -> Error {
    Error::argument(format!("Arrow: {error}"))
}

/// A column of names, each stored once.
#[derive(Default)]
struct Names {
    numbers: HashMap<String, i32>,
    names: Vec<String>,
    keys: Vec<i32>,
}

impl Names {
    /// Adds `rows` rows of the same name.
    fn add(&mut self, name: &str, rows: usize) -> Result<()> {
        let key = match self.numbers.get(name) {
            Some(key) => *key,
            None => {
                let key = i32::try_from(self.names.len());
                let key = key.map_err(|_| Error::argument("more than 2^31 different names"))?;
                self.names.push(name.to_owned());
                self.numbers.insert(name.to_owned(), key);
                key
            }
        };
        self.keys.resize(self.keys.len() + rows, key);
        Ok(())
    }

    fn finish(self) -> Result<ArrayRef> {
        let (keys, names) = (Int32Array::from(self.keys), StringArray::from(self.names));
        let column = DictionaryArray::<Int32Type>::try_new(keys, Arc::new(names));
        Ok(Arc::new(column.map_err(refused)?))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};
    use arrow_array::{Array, TypedDictionaryArray};

    use super::*;
    use crate::table::{RunRow, ScalarStats};
    use tbx::logdir::{LoadOptions, Logdir};
    use tbx::meta::Param;
    use tbx::writer::SummaryWriter;

    #[test]
    fn points_are_columns_without_nulls() {
        let dir = tempfile::tempdir().unwrap();
        for run in ["a", "b"] {
            let options = SummaryWriter::options().clock(|| 1.5);
            let writer = options.create(dir.path().join(run)).unwrap();
            writer.add_scalar("loss", f64::NAN, i64::MIN).unwrap();
            writer.add_scalar("loss", 0.1, 7).unwrap();
            writer.add_scalar("lr", 0.5, 7).unwrap();
            writer.close().unwrap();
        }
        let logdir = Logdir::open(dir.path()).unwrap();
        let table = PointTable::load(&logdir, &LoadOptions::new()).unwrap();
        let batch = table.to_record_batch().unwrap();
        assert!(batch.columns().iter().all(|column| column.null_count() == 0));
        let names = |column: &str| {
            let names: TypedDictionaryArray<'_, Int32Type, StringArray> =
                batch[column].as_dictionary::<Int32Type>().downcast_dict().unwrap();
            names.into_iter().map(|name| name.unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("run"), "a a a b b b");
        assert_eq!(names("tag"), "loss loss lr loss loss lr");
        let steps = batch["step"].as_primitive::<Int64Type>().values();
        assert_eq!(steps[..3], [i64::MIN, 7, 7]);
        let values = batch["value"].as_primitive::<Float64Type>().values();
        assert!(values[0].is_nan() && values[1] == f64::from(0.1f32), "{values:?}");
    }

    #[test]
    fn what_a_run_does_not_have_is_null_and_nan_is_not() {
        let stats = ScalarStats {
            count: 1,
            first: f64::NAN,
            last: f64::NAN,
            min: f64::NAN,
            max: f64::NAN,
            mean: f64::NAN,
            first_step: 3,
            last_step: 3,
            min_step: 3,
            max_step: 3,
            nan: 1,
            inf: 0,
        };
        let with_all = RunRow {
            name: "a".into(),
            params: [("big".to_owned(), Param::Bool(true))].into(),
            metrics: [("loss".into(), stats)].into(),
            ..RunRow::default()
        };
        let rows = vec![with_all, RunRow { name: "b".into(), ..RunRow::default() }];
        let batch = RunTable { rows, report: Default::default() }.to_record_batch().unwrap();
        let schema = batch.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let expected = "run start duration status step param.big metric.loss:last metric.loss:min \
                        metric.loss:max metric.loss:min_step metric.loss:max_step";
        assert_eq!(names.join(" "), expected);
        let last = batch["metric.loss:last"].as_primitive::<Float64Type>();
        assert!(last.is_valid(0) && last.value(0).is_nan() && last.is_null(1));
        let big = batch["param.big"].as_boolean();
        assert!(big.is_valid(0) && big.value(0) && big.is_null(1));
    }
}
