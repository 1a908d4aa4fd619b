//! Lists and tables of texts.

use tbx::{ErrorKind, Kind, Text};

use super::{fixed, run};
use crate::common::{load, repository};

#[test]
fn lists_and_tables_are_read_back_as_they_were_given() {
    let rows = [vec!["größe 🎉", ""], vec!["`b`", "a\0c"], vec!["| |", "**"]];
    let table = Text::table(rows).unwrap();
    let lines: Vec<String> = (0..1000).map(|line| format!("line {line}")).collect();
    let texts = [
        Text::from("one"),
        Text::list(["one"]),
        Text::list(&lines),
        Text::list([""; 0]),
        table.clone(),
        Text::table([["a", "b", "c"]]).unwrap(),
        Text::table([[""; 2]; 0]).unwrap(),
        Text::new([1, 2, 1, 2], ["a", "b", "c", "d"]),
    ];
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        for (text, step) in texts.iter().zip(0..) {
            writer.add_text("note", text, step).unwrap();
        }
        let string = String::from("one");
        writer.add_text("strings", &string, 0).unwrap();
        writer.add_text("strings", string, 1).unwrap();
        writer.close().unwrap();
        let run = run(dir.path());
        let series = run.get("note").unwrap();
        assert_eq!((series.kind(), series.metadata().plugin.as_str()), (Kind::Text, "text"));
        let read: Vec<_> = series.raw().unwrap().iter().map(|v| Text::read(v).unwrap()).collect();
        assert_eq!(read, texts);
        let strings = run.get("strings").unwrap().raw().unwrap();
        assert!(strings.iter().all(|value| Text::read(value).unwrap() == Text::from("one")));
    }
    assert_eq!(table.shape, [3, 2]);
}

#[test]
fn a_text_whose_shape_is_wrong_fails_at_the_call_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    for shape in [vec![], vec![3], vec![2, 2], vec![usize::MAX, 3]] {
        let text = Text::new(shape, ["a", "b"]);
        let error = writer.add_text("bad", text, 7).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
        assert!(error.to_string().starts_with("tag \"bad\", step 7: "), "{error}");
    }
    writer.close().unwrap();
    assert_eq!(run(dir.path()).files[0].events, 1);
}

#[test]
fn texts_of_other_programs_are_read() {
    let read = |folder: &str, run: &str, tag: &str| -> Vec<Text> {
        let loaded = load(&repository(&format!("fixtures/{folder}")), &tbx::LoadOptions::new());
        let run = loaded.runs.iter().find(|other| other.name == run).unwrap();
        let values = run.get(tag).unwrap().raw().unwrap();
        values.iter().map(|value| Text::read(value).unwrap()).collect()
    };
    let table = |step| Text::table([["a", "b"], ["c", step]]).unwrap();
    assert_eq!(read("tf2", "media", "table"), ["0", "1"].map(table));
    let notes = ["step **0**, ünïcode", "step **1**, ünïcode"];
    assert_eq!(read("tf2", "media", "note"), notes.map(Text::from));
    for folder in ["torch", "tensorboardx"] {
        let notes = ["step **0**", "step **1**"];
        assert_eq!(read(folder, "media", "note/text_summary"), notes.map(|n| Text::list([n])));
    }
}
