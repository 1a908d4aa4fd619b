//! `tbx export --table`, `--wide`, `--sample`: the contents of each table.

use std::fs;

use tbx::{Hparams, pb};

use super::super::{FILE, Folder};
use super::names;

/// Two runs with a bit of everything.
fn two_runs() -> Folder {
    let folder = Folder::new();
    let writer = folder.run("logs/a");
    writer
        .add_hparams(Hparams::new().with("lr", 0.1).with("opt", "adam, W").with("bn", true), [])
        .unwrap();
    for step in 0..4 {
        writer.add_scalar("loss", 1.0 / (step + 1) as f32, step).unwrap();
    }
    writer.add_scalar("loss", 9.0, 3).unwrap();
    writer.add_scalar("lr", 0.5, 2).unwrap();
    writer.close().unwrap();
    let writer = folder.run("logs/b");
    writer.add_scalar("acc", f32::NAN, 1).unwrap();
    writer.add_scalar("step", 0.25, 9).unwrap();
    writer.close().unwrap();
    folder
}

fn table(folder: &Folder, args: &str) -> String {
    let done = folder.tbx(&format!("export logs --to csv --out - {args}"));
    assert_eq!(done.code, Some(0), "{}", done.err);
    done.out
}

#[test]
fn wide_has_a_row_a_step_and_a_column_a_tag() {
    let folder = two_runs();
    let expected = "\
run,step,wall_time,acc,loss,lr,metric.step
a,0,1700000000.5,,1.0,,
a,1,1700000000.5,,0.5,,
a,2,1700000000.5,,0.3333333432674408,0.5,
a,3,1700000000.5,,9.0,,
b,1,1700000000.5,NaN,,,
b,9,1700000000.5,,,,0.25
";
    assert_eq!(table(&folder, "--wide"), expected);
    assert_eq!(table(&folder, "--table wide"), expected);
    let first = expected.replace("9.0", "0.25");
    assert_eq!(table(&folder, "--wide --duplicates keep-first"), first);
    let refused = folder.tbx("export logs --to csv --wide --duplicates refuse --out w.csv");
    let said = refused.failed();
    assert_eq!(said, "tbx: run \"a\": tag \"loss\" has 2 points at step 3\n");
    assert_eq!(names(&folder), ["logs"]);
}

#[test]
fn parameters_are_rows() {
    let folder = two_runs();
    let expected = "\
run,name,type,value,number
a,bn,bool,true,
a,lr,number,0.1,0.1
a,opt,text,\"adam, W\",
";
    assert_eq!(table(&folder, "--table hparams"), expected);
}

#[test]
fn runs_are_rows_with_their_parameters_and_the_numbers_of_scalars() {
    let folder = two_runs();
    let text = table(&folder, "--table runs --tag ^loss");
    let expected = "\
run,start,duration,status,step,param.bn,param.lr,param.opt,metric.loss:last,metric.loss:min,\
metric.loss:max,metric.loss:min_step,metric.loss:max_step
a,1700000000.5,0.0,finished,3,true,0.1,\"adam, W\",9.0,0.25,9.0,3,3
b,1700000000.5,,,,,,,,,,,
";
    assert_eq!(text, expected);
}

#[test]
fn tags_of_all_kinds_are_rows_with_what_the_log_says_about_them() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    let named = writer.with_display_name("The loss").with_description("a *mean*");
    named.add_scalar("loss", 0.5, 3).unwrap();
    writer.add_text("note", "hello", 4).unwrap();
    writer.close().unwrap();
    let expected = "\
run,tag,kind,plugin,data_class,display_name,description,count,first_step,last_step,\
first_wall_time,last_wall_time,first,last,min,max,mean,min_step,max_step,nan,inf
.,loss,scalar,scalars,scalar,The loss,a *mean*,1,3,3,1700000000.5,1700000000.5,\
0.5,0.5,0.5,0.5,0.5,3,3,0,0
.,note,text,text,tensor,,,1,4,4,1700000000.5,1700000000.5,,,,,,,,,
";
    assert_eq!(table(&folder, "--table tags"), expected);
}

#[test]
fn several_tables_are_a_folder_with_a_file_each() {
    let folder = two_runs();
    let done = folder.tbx("export logs --to json --table all --out data/json");
    assert_eq!((done.code, done.out.as_str()), (Some(0), ""));
    assert_eq!(
        done.err,
        "\
scalars.jsonl  8 rows   584 B
runs.jsonl     2 rows  1.2 kB
tags.jsonl     6 rows  2.0 kB
hparams.jsonl  3 rows   205 B
meta.jsonl      1 row   158 B
2 runs written to data/json
"
    );
    let files = |of: &str| {
        let files = fs::read_dir(folder.path(of)).unwrap();
        let mut files: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    };
    let all = ["hparams.jsonl", "meta.jsonl", "runs.jsonl", "scalars.jsonl", "tags.jsonl"];
    assert_eq!(files("data/json"), all);
    // Each table is the same as when it is exported alone.
    for name in ["scalars", "runs", "tags", "hparams", "meta"] {
        let alone = folder.tbx(&format!("export logs --to json --table {name} --out -")).out;
        let path = folder.path(format!("data/json/{name}.jsonl"));
        assert_eq!(fs::read_to_string(path).unwrap(), alone, "{name}");
    }
    let said = folder.tbx("export logs --to csv --table runs,tags --out -").failed();
    assert!(said.contains("write several tables to a directory"), "{said}");
}

#[test]
fn scalars_are_thinned_out_by_a_named_method() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    for step in 0..1000 {
        writer.add_scalar("loss", if step == 700 { 9.0 } else { 0.5 }, step).unwrap();
    }
    writer.close().unwrap();
    let steps = |method: &str| {
        let text = table(&folder, &format!("--sample {method}"));
        let step = |line: &str| line.split(',').nth(2).unwrap().parse::<i64>().unwrap();
        text.lines().skip(1).map(step).collect::<Vec<_>>()
    };
    assert_eq!(steps("every:400"), [0, 400, 800, 999]);
    // The steps that TensorBoard's Python loader keeps.
    assert_eq!(steps("reservoir:5"), [304, 668, 784, 929, 999]);
    for method in ["minmax:10", "lttb:10"] {
        let kept = steps(method);
        assert!(kept.len() <= 10 && kept.contains(&700), "{method}: {kept:?}");
    }
    let said = folder.tbx("export logs --to csv --out - --sample median:5").failed();
    let told =
        "\"median:5\" is not one of reservoir:N, minmax:N, every:N, lttb:N, or N is too small";
    assert!(said.contains(told), "{said}");
}

/// A run with one value of each kind that has a table.
fn every_kind() -> Folder {
    let folder = Folder::new();
    let writer = folder.run("logs");
    let moments = tbx::Moments { min: -1.0, max: 2.0, num: 3.0, sum: 1.5, sum_squares: 5.0 };
    writer.add_histogram_raw("h", moments, &[0.0, 2.0], &[1.0, 2.0], 5).unwrap();
    writer.add_text("t", tbx::Text::list(["one, two", "three\nfour"]), 6).unwrap();
    let curve = tbx::PrCurve::new(
        &[true, false],
        &[0.9f32, 0.1],
        &tbx::PrCurveOptions::new().thresholds(2),
    );
    writer.add_pr_curve_raw("p", &curve.unwrap(), 7).unwrap();
    let pixels = image::RgbImage::from_pixel(3, 2, image::Rgb([255, 0, 0]));
    writer.add_image("i", &pixels, 8).unwrap();
    let clip = tbx::Clip::mono(&[0.5f32, -0.5], 8000).unwrap();
    writer.add_audio("a", &clip, 9).unwrap();
    writer.close().unwrap();
    folder
}

#[test]
fn values_of_each_kind_are_rows() {
    let folder = every_kind();
    assert_eq!(
        table(&folder, "--table histograms"),
        "\
run,tag,step,wall_time,bucket,left,right,count
.,h,5,1700000000.5,0,-1.0,0.0,1.0
.,h,5,1700000000.5,1,0.0,2.0,2.0
"
    );
    assert_eq!(
        table(&folder, "--table texts"),
        "\
run,tag,step,wall_time,index,text
.,t,6,1700000000.5,0,\"one, two\"
.,t,6,1700000000.5,1,\"three
four\"
"
    );
    assert_eq!(
        table(&folder, "--table pr_curves"),
        "\
run,tag,step,wall_time,threshold,true_positives,false_positives,true_negatives,false_negatives,\
precision,recall
.,p,7,1700000000.5,0.0,1.0,1.0,0.0,0.0,0.5,1.0
.,p,7,1700000000.5,1.0,0.0,0.0,1.0,1.0,0.0,0.0
"
    );
    let images = table(&folder, "--table images");
    let (head, row) = images.split_once('\n').unwrap();
    assert_eq!(head, "run,tag,step,wall_time,index,width,height,format,bytes");
    assert!(row.starts_with(".,i,8,1700000000.5,0,3,2,png,"), "{row}");
    let audio = table(&folder, "--table audio");
    let (head, row) = audio.split_once('\n').unwrap();
    assert_eq!(head, "run,tag,step,wall_time,index,sample_rate,channels,frames,bytes");
    assert!(row.starts_with(".,a,9,1700000000.5,0,8000,1,2,"), "{row}");
    let done = folder.tbx("export logs --to csv --table all --out data");
    let files = done.err.lines().filter_map(|line| line.split_once(".csv"));
    let files: Vec<_> = files.map(|(name, _)| name).collect();
    let all = ["scalars", "runs", "tags", "histograms", "pr_curves", "texts", "images", "audio"];
    assert_eq!(files, all);
}

#[test]
fn values_that_cannot_be_read_are_told_and_left_out() {
    let folder = Folder::new();
    fs::create_dir(folder.path("logs")).unwrap();
    let file = fs::File::create(folder.path("logs").join(FILE)).unwrap();
    let mut writer = tbx::event::EventWriter::new(file, "", 1.5).unwrap();
    for (step, texts) in [(1, true), (2, false), (3, true)] {
        let mut value = tbx::summary::text::v2("t", "hello");
        if !texts {
            let number = pb::TensorProto {
                dtype: pb::DataType::DtFloat.into(),
                float_val: vec![0.5],
                ..Default::default()
            };
            value.value = Some(pb::summary::value::Value::Tensor(number));
        }
        let summary = pb::Summary { value: vec![value] };
        let what = Some(pb::event::What::Summary(summary));
        writer.write(&pb::Event { wall_time: 1.5, step, what, ..Default::default() }).unwrap();
    }
    drop(writer);
    let done = folder.tbx("export logs --to csv --table texts --out -");
    let rows = ".,t,1,1.5,0,hello\n.,t,3,1.5,0,hello\n";
    assert_eq!(done.out, format!("run,tag,step,wall_time,index,text\n{rows}"));
    assert_eq!(done.code, Some(2));
    let told = done.err.lines().next().unwrap();
    assert!(told.starts_with(&format!("tbx: logs/{FILE} at byte ")), "{told}");
    assert!(told.contains(", tag \"t\", step 2: "), "{told}");
    assert!(told.ends_with("; skipped this value"), "{told}");
    folder.tbx("export logs --to csv --table texts --out texts.csv --strict").failed();
    assert_eq!(names(&folder), ["logs"]);
}

#[test]
fn what_runs_are_is_an_object_in_json_and_text_elsewhere() {
    let folder = two_runs();
    let said = r#"{"schema":"tbx.run/1","id":"ab","later":[1,{"x":null}]}"#;
    fs::write(folder.path("logs/b/tbx.json"), said).unwrap();
    let json = folder.tbx("export logs --to json --table meta --run b --out -");
    assert_eq!(json.out, format!("{{\"run\":\"b\",\"meta\":{said}}}\n"));
    let quoted = said.replace('"', "\"\"");
    assert_eq!(table(&folder, "--table meta --run b"), format!("run,meta\nb,\"{quoted}\"\n"));
    // The hparams records count, and a run without metadata has no row.
    fs::remove_file(folder.path("logs/b/tbx.json")).unwrap();
    let a = table(&folder, "--table meta");
    assert!(a.starts_with("run,meta\na,") && a.contains("\"\"lr\"\":0.1"), "{a}");
    assert_eq!(a.lines().count(), 2);
}
