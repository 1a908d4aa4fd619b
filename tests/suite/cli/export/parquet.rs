//! `tbx export --to parquet`, read with the crate `parquet` alone.

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::printer::print_schema;

use super::super::{Folder, done};
use super::{Point, expected, point};
use crate::common::repository;

/// The schema as text, the number of rows in each group, and all rows.
fn read(path: &Path) -> (String, Vec<i64>, Vec<Row>) {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let metadata = reader.metadata();
    let mut schema = Vec::new();
    print_schema(&mut schema, metadata.file_metadata().schema());
    let groups = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    let rows = reader.get_row_iter(None).unwrap().collect::<Result<_, _>>().unwrap();
    (String::from_utf8(schema).unwrap(), groups, rows)
}

fn point_of(row: &Row) -> Point {
    let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
    match fields[..] {
        [
            Field::Str(run),
            Field::Str(tag),
            Field::Long(step),
            Field::Double(time),
            Field::Double(value),
        ] => point(run, tag, *step, *time, *value),
        _ => panic!("{row}"),
    }
}

#[test]
fn scalars_are_typed_columns_with_every_point_to_the_last_bit() {
    let folder = Folder::new();
    let mut command = folder.command("export --to parquet --out points.parquet");
    let done = done(command.arg(repository("fixtures")));
    assert_eq!((done.code, done.out.as_str()), (Some(2), ""));
    let (schema, groups, rows) = read(&folder.path("points.parquet"));
    assert_eq!(
        schema,
        "\
message table {
  REQUIRED BYTE_ARRAY run (STRING);
  REQUIRED BYTE_ARRAY tag (STRING);
  REQUIRED INT64 step;
  REQUIRED DOUBLE wall_time;
  REQUIRED DOUBLE value;
}
"
    );
    assert_eq!(groups.len(), 1);
    assert!(rows.iter().map(point_of).eq(expected()));
}

/// Bounds the memory of programs that read the file of a long run.
#[test]
fn row_groups_are_bounded() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    let points = 1_200_000;
    (0..points).for_each(|step| writer.add_scalar("loss", 0.5, step).unwrap());
    writer.close().unwrap();
    assert_eq!(folder.tbx("export logs --to parquet --out points.parquet").code, Some(0));
    let (_, groups, rows) = read(&folder.path("points.parquet"));
    assert!(groups.len() > 1 && groups.iter().all(|rows| *rows <= 1 << 20), "{groups:?}");
    let steps = rows.iter().map(|row| point_of(row).2);
    assert!(steps.eq(0..points));
}

#[test]
fn what_a_run_does_not_have_is_null_and_nan_is_not() {
    let folder = Folder::new();
    let writer = folder.run("logs/a");
    writer.add_hparams(tbx::Hparams::new().with("lr", 0.1), []).unwrap();
    writer.add_scalar("loss", f32::NAN, 7).unwrap();
    writer.close().unwrap();
    folder.run("logs/b").close().unwrap();
    assert_eq!(folder.tbx("export logs --to parquet --table runs --out runs").code, Some(0));
    let (schema, _, rows) = read(&folder.path("runs"));
    for column in ["DOUBLE param.lr;", "DOUBLE metric.loss:last;", "INT64 metric.loss:min_step;"] {
        assert!(schema.contains(&format!("  OPTIONAL {column}\n")), "{schema}");
    }
    let field = |row: &Row, name: &str| {
        row.get_column_iter().find(|(column, _)| *column == name).unwrap().1.clone()
    };
    assert!(matches!(field(&rows[0], "metric.loss:last"), Field::Double(value) if value.is_nan()));
    assert_eq!(field(&rows[0], "param.lr"), Field::Double(0.1));
    assert_eq!(field(&rows[1], "metric.loss:last"), Field::Null);
    assert_eq!(field(&rows[1], "run"), Field::Str("b".into()));
}
