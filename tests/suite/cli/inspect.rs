//! `tbx inspect` as text, and its exit codes.

use std::fs;

use super::{FILE, Folder, START};

#[test]
fn inspect_shows_runs_tags_and_numbers() {
    let folder = Folder::with("torch/scalars");
    assert_eq!(
        folder.tbx("inspect logs").fine(),
        "\
logs: 3 runs, 3 files, 1.9 kB, 35 events

.  2023-11-14 22:13:20 +1.8s  1 file, 1.2 kB, 21 events
  TAG           KIND    COUNT  STEPS      LAST       MIN       MAX  NOTES
  double        scalar      6   0..5     0.125     0.125  0.333333
  new_style     scalar      6   0..5  0.333333  0.333333         2
  no_step       scalar      1      0         1         1         1
  not_a_number  scalar      1      0       NaN                      1 NaN
  old_style     scalar      6   0..5  0.166667  0.166667         1

group_two_cos  2023-11-14 22:13:20 +1.2s  1 file, 368 B, 7 events
  TAG        KIND    COUNT  STEPS      LAST        MIN  MAX  NOTES
  group/two  scalar      6   0..5  0.283662  -0.989992    1

group_two_sin  2023-11-14 22:13:20 +1.2s  1 file, 368 B, 7 events
  TAG        KIND    COUNT  STEPS       LAST        MIN       MAX  NOTES
  group/two  scalar      6   0..5  -0.958924  -0.958924  0.909297
"
    );
}

#[test]
fn inspect_shows_what_is_damaged_and_fails() {
    let folder = Folder::with("broken/flip_middle_payload");
    let done = folder.tbx("inspect logs");
    assert_eq!((done.code, done.err.as_str()), (Some(2), ""));
    assert_eq!(
        done.out,
        format!(
            "\
logs: 1 run, 1 file, 1.6 kB, 16 events, 1 problem

.  2023-11-14 22:13:20 +3.8s  1 file, 1.6 kB, 16 events
  TAG                          KIND       COUNT  STEPS  LAST  MIN  MAX  NOTES
  histogram/histogram_summary  histogram      3   0..3
  scalar/scalar_summary        scalar         4   0..3     1    0    1
  text/text_summary            text           4   0..3
  v1                           scalar         4   0..3     1    0    1

problems
  logs/{FILE} at byte 591: payload checksum is 0xd698385d, \
the record says 0xd6c3b670; skipped this record
"
        )
    );
}

#[test]
fn an_unfinished_record_is_shown_and_no_damage() {
    let folder = Folder::with("broken/cut_in_payload");
    let out = folder.tbx("inspect logs").fine();
    let line = format!(
        "  {FILE} ends with 20 B of an unfinished record: the program is still writing it, or was killed\n"
    );
    assert!(out.ends_with(&line), "{out}");
    assert!(out.starts_with("logs: 1 run, 1 file, 1.5 kB, 16 events\n"), "{out}");
}

#[test]
fn what_a_restart_dropped_is_shown_and_no_damage() {
    let folder = Folder::with("restarts/resumed_twice");
    assert_eq!(
        folder.tbx("inspect logs").fine(),
        "\
logs: 1 run, 3 files, 416 B, 11 events

.  2023-11-14 22:13:20 +3m 20s  3 files, 416 B, 11 events
  TAG  KIND    COUNT  STEPS  LAST  MIN  MAX  NOTES
  a    scalar      3   1..4   201    0  201  1 restart

dropped after restarts
  run ., tag a: 2 points with steps 2 to 3 dropped by restart policy session-start
  run ., tag b: 1 point with step 3 dropped by restart policy session-start
"
    );
    let all = folder.tbx("inspect logs --restart keep-all").fine();
    assert!(!all.contains("dropped") && all.contains("\n  b "), "{all}");
}

#[test]
fn the_exit_code_says_whether_everything_could_be_read() {
    let folder = Folder::with("keras");
    folder.copy("broken/flip_first_length_crc", "damaged");
    folder.copy("odd/scalar_unreadable", "values");
    folder.copy("broken/cut_in_footer", "torn");
    folder.copy("odd/empty_file", "empty_file");
    fs::create_dir_all(folder.path("empty")).unwrap();
    let codes = [
        ("logs", 0),
        ("empty", 1),
        ("empty_file", 0),
        ("torn", 0),
        ("damaged", 2),
        ("values", 2),
        ("missing", 2),
        (".", 2),
    ];
    for (name, code) in codes {
        for format in ["text", "json"] {
            let done = folder.tbx(&format!("inspect {name} --format {format}"));
            assert_eq!(done.code, Some(code), "{name}: {done:?}");
        }
    }
    let none = "empty: no event files (their names contain \"tfevents\")\n";
    assert_eq!(folder.tbx("inspect empty --allow-empty").fine(), none);
    let said = folder.tbx("inspect missing").failed();
    assert!(said.starts_with("tbx: missing: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn strict_stops_at_the_first_damage() {
    let folder = Folder::with("broken/flip_middle_payload");
    let said = folder.tbx("inspect logs --strict").failed();
    let expected = format!(
        "tbx: logs/{FILE} at byte 591: payload checksum is 0xd698385d, \
         the record says 0xd6c3b670\n"
    );
    assert_eq!(said, expected);
    let sound = Folder::with("broken/cut_in_payload");
    assert_eq!(sound.tbx("inspect logs --strict").fine(), sound.tbx("inspect logs").fine());
}

/// The runs and tags that `inspect` shows.
fn shown(folder: &Folder, args: &str) -> Vec<String> {
    let out = folder.tbx(&format!("inspect logs --by run {args}")).fine();
    let words = out.lines().skip(1).filter(|line| !line.starts_with("  TAG"));
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    words.filter_map(first).collect()
}

#[test]
fn runs_tags_and_kinds_are_chosen() {
    let folder = Folder::with("torch");
    let scalars = ["scalars", "double", "new_style", "no_step", "not_a_number", "old_style"];
    assert_eq!(shown(&folder, "--run ^scalars$"), scalars);
    assert_eq!(
        shown(&folder, "--run two_ --tag ^group"),
        ["scalars/group_two_cos", "group/two", "scalars/group_two_sin", "group/two"]
    );
    assert_eq!(
        shown(&folder, "--run ^scalars$ --tag style"),
        ["scalars", "new_style", "old_style"]
    );
    assert_eq!(shown(&folder, "--run ^scalars$ --kind histogram"), ["scalars"]);
    let kinds = |args| {
        let out = folder.tbx(&format!("inspect logs --run ^media$ {args}")).fine();
        let lines = out.lines().skip(4);
        let mut kinds: Vec<_> =
            lines.filter_map(|line| Some(line.split_whitespace().nth(1)?.to_owned())).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds("--kind histogram,image"), ["histogram", "image"]);
    assert_eq!(kinds("--kind histogram --kind text"), ["histogram", "text"]);
    assert!(kinds("").len() > 3);
    let nothing = folder.tbx("inspect logs --run no_such_run");
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(2), ""));
    assert!(nothing.err.starts_with("tbx: no run matches \"no_such_run\"; "), "{}", nothing.err);
}

#[test]
fn a_single_file_may_have_any_name() {
    let folder = Folder::with("keras/train");
    let dir = folder.path("logs");
    let name = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().file_name();
    fs::rename(dir.join(name), folder.path("copy.bin")).unwrap();
    let out = folder.tbx("inspect copy.bin").fine();
    assert!(out.starts_with("copy.bin: 1 run, 1 file, "), "{out}");
    assert!(out.contains("\n.  ") && out.contains("epoch_loss"), "{out}");
}

#[test]
fn one_missing_folder_does_not_hide_the_others() {
    let folder = Folder::with("keras");
    folder.copy("restarts/one_start", "more");
    let done = folder.tbx("inspect logs missing more");
    assert_eq!(done.code, Some(2));
    assert!(done.err.starts_with("tbx: missing: ") && done.err.lines().count() == 1);
    let [logs, more] = ["logs", "more"].map(|name| folder.tbx(&format!("inspect {name}")).fine());
    assert_eq!(done.out, format!("{logs}\n{more}"));
    let json = folder.tbx("inspect missing logs more --format json");
    assert_eq!((json.code, json.out.lines().count()), (Some(2), 2));
}

/// Makes runs, each with a scalar and a text.
fn make_runs(folder: &Folder, count: i32) {
    for i in 0..count {
        let writer = folder.run(format!("logs/seed_{i:03}"));
        for step in 0..3 {
            writer.with_wall_time(START + 60.0).unwrap().add_scalar("loss", i, step).unwrap();
            writer.add_text("note", "text", step).unwrap();
        }
        writer.close().unwrap();
    }
}

#[test]
fn many_runs_are_summed_up() {
    let folder = Folder::new();
    make_runs(&folder, 300);
    let out = folder.tbx("inspect logs").fine();
    let (head, rest) = out.split_once("\n\n").unwrap();
    assert!(head.starts_with("logs: 300 runs, 300 files, "), "{head}");
    assert!(head.ends_with(", 2,100 events"), "{head}");
    let (tags, runs) = rest.split_once("\n\n").unwrap();
    assert_eq!(
        tags,
        "\
TAG   KIND    RUNS  POINTS  STEPS  MEDIAN LAST  MIN  MAX  NOTES
loss  scalar   300     900   0..2          150    0  299
note  text     300     900   0..2"
    );
    let lines: Vec<_> = runs.lines().collect();
    assert_eq!(lines.len(), 1 + 20 + 1, "{runs}");
    assert_eq!(lines[1], "seed_000  2023-11-14 22:13:20  1m 0s       7     2");
    assert!(lines[21].starts_with("... and 280 more runs"), "{runs}");
    let by_run = folder.tbx("inspect logs --by run").fine();
    assert_eq!(by_run.matches("\nseed_").count(), 300);
}

#[test]
fn few_runs_can_be_summed_up_too() {
    let folder = Folder::new();
    make_runs(&folder, 12);
    assert_eq!(folder.tbx("inspect logs").fine(), folder.tbx("inspect logs --by run").fine());
    make_runs(&folder, 1); // a second file in the first run
    let by_tag = folder.tbx("inspect logs --by tag").fine();
    assert!(
        by_tag.contains("\nloss  scalar    12      39   0..2            6    0   11"),
        "{by_tag}"
    );
}

#[test]
fn damaged_runs_come_first_among_many() {
    let folder = Folder::new();
    make_runs(&folder, 40);
    folder.copy("broken/flip_middle_payload", "logs/zzz");
    let done = folder.tbx("inspect logs");
    assert_eq!(done.code, Some(2));
    assert!(done.out.starts_with("logs: 41 runs, 41 files, "), "{}", done.out);
    let mut lines = done.out.lines().skip_while(|line| !line.starts_with("RUN "));
    let first = lines.nth(1).unwrap();
    assert!(first.starts_with("zzz ") && first.ends_with("  1 problem"), "{first}");
    assert!(done.out.contains("\nproblems\n  logs/zzz/"), "{}", done.out);
}

/// A file of garbage has thousands of problems.
#[test]
fn problems_are_listed_up_to_twenty() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    (0..50).for_each(|step| writer.add_scalar("loss", 0.5, step).unwrap());
    writer.close().unwrap();
    let mut bytes = fs::read(writer.path().unwrap()).unwrap();
    let len = bytes.len();
    // The values are the last bytes of the records; each is 42 bytes long here.
    (0..40).for_each(|i| bytes[len - 5 - 42 * i] ^= 1);
    fs::write(writer.path().unwrap(), bytes).unwrap();
    let done = folder.tbx("inspect logs");
    assert_eq!(done.code, Some(2));
    assert!(done.out.lines().next().unwrap().ends_with(", 11 events, 40 problems"), "{}", done.out);
    assert_eq!(done.out.matches("payload checksum is").count(), 20);
    assert!(done.out.ends_with("  ... and 20 more: --format json lists all\n"), "{}", done.out);
    let json = folder.tbx("inspect logs --format json");
    assert_eq!(json.out.matches("payload checksum is").count(), 40);
}

#[test]
fn embeddings_are_named_with_their_shape_and_files() {
    let folder = Folder::new();
    let writer = folder.run("logs/run");
    writer.add_scalar("loss", 0.5, 0).unwrap();
    let points = tbx::Embedding::new([[0.5f32, 1.0, 2.0], [1.5, 2.0, 3.0]]).labels(["a", "b"]);
    writer.add_embedding("points", &points, 3).unwrap();
    writer
        .add_embedding("more/points", &tbx::Embedding::new([[0.5f32, 1.0], [0.0, 2.0]]), 4)
        .unwrap();
    writer.close().unwrap();
    let text = folder.tbx("inspect logs").fine();
    let table: Vec<&str> = text.lines().skip_while(|line| !line.contains("EMBEDDING")).collect();
    let [head, first, second] = table.as_slice() else { panic!("{text}") };
    assert!(head.starts_with("  EMBEDDING          SHAPE  FILES"), "{text}");
    assert!(first.starts_with("  points:00003         2×3  00003/"), "{text}");
    assert!(
        first.contains("tensors.tsv (24 B), ") && first.contains("metadata.tsv (4 B)"),
        "{text}"
    );
    assert!(second.starts_with("  more/points:00004    2×2  00004/"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&folder.tbx("inspect logs --format json").fine()).unwrap();
    let embedding = &json["runs"][0]["embeddings"][0];
    assert_eq!(embedding["name"], "points:00003");
    assert_eq!(embedding["shape"], serde_json::json!([2, 3]));
    assert_eq!(embedding["files"][0]["role"], "tensor");
    assert_eq!(embedding["files"][1]["bytes"], 4);
    // Embeddings are selected by tag; they have no kind.
    let chosen = folder.tbx("inspect logs --tag ^points$").fine();
    assert!(chosen.contains("points:00003") && !chosen.contains("more/points"), "{chosen}");
    assert!(!folder.tbx("inspect logs --kind scalar").fine().contains("points:"));
    let over_runs = folder.tbx("inspect logs --by tag").fine();
    assert!(over_runs.contains("EMBEDDING          RUN  SHAPE  FILES"), "{over_runs}");
    // A missing file is reported.
    let path = first.split("  ").last().unwrap().split(' ').next().unwrap();
    fs::remove_file(folder.path("logs/run").join(path)).unwrap();
    let done = folder.tbx("inspect logs");
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.out.contains(&format!("{path} (missing)")), "{done:?}");
}
