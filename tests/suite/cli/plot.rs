//! `tbx plot`: the chart, and the messages about everything that is not drawn.

mod times;

use std::fs;

use tbx::SummaryWriter;

use super::{Done, Folder, START, done};

/// Two runs of different lengths, and a tag that only one has.
fn two_runs() -> Folder {
    let folder = Folder::new();
    for (name, steps, factor) in [("slow", 41, 0.05), ("fast/seed 1", 21, 0.2)] {
        let writer = folder.run(format!("logs/{name}"));
        for step in 0..steps {
            let writer = writer.with_wall_time(START + 60.0 * step as f64).unwrap();
            writer.add_scalar("loss", (-factor * step as f64).exp(), step).unwrap();
        }
        writer.add_scalar("rate", 0.5, 0).unwrap();
        writer.close().unwrap();
    }
    folder
}

fn scalars(writer: &SummaryWriter, tag: &str, values: &[f64]) {
    for (value, step) in values.iter().zip(0..) {
        let writer = writer.with_wall_time(START + step as f64).unwrap();
        writer.add_scalar(tag, *value, step).unwrap();
    }
}

#[test]
fn a_chart_has_a_line_a_run_with_its_last_value() {
    let out = two_runs().tbx("plot logs --tag loss --width 60 --height 10").fine();
    assert_eq!(
        out,
        "\
loss
1.0 ┤a⠤⡀
    │ ⢣⠈⠑⠒⠤⣀
    │  ⢣    b⠢⠤⣀⡀
    │   ⠑⢄      ⠈⠑⠒⠒⠤⢄⡀
0.5 ┤    ⠈⠢⡀          ⠈⠉⠒⠒b⠤⣀⣀⡀
    │      ⠈⠢⢄⡀               ⠈⠉⠉⠒⠒⠢⠤⠤⣀⣀b⣀
    │         ⠈⠑⠢⢄⣀a                      ⠉⠉⠉⠉⠒⠒⠒⠒⠒⠤⠤⠤b⠤⣀b
  0 ┤               ⠉⠉⠑⠒⠒⠒⠢⠤⠤⠤⠤⠄a
    └┬────────────┬────────────┬───────────┬────────────┬
     0           10           20          30            step
    RUN               LAST  STEP
  a fast/seed 1  0.0183156    20
  b slow          0.135335    40
"
    );
}

/// The plot area of a chart, without axes and legend.
fn cells(out: &str) -> String {
    let drawn = out.lines().skip(1).take_while(|line| !line.contains('└') && !line.contains("+-"));
    drawn.map(|line| line.split(['│', '┤', '|', '+']).nth(1).unwrap_or("")).collect()
}

#[test]
fn without_unicode_lines_are_drawn_with_their_letters() {
    let out = two_runs().tbx("plot logs --tag loss --width 50 --height 8 --ascii").fine();
    assert!(out.is_ascii(), "{out}");
    let cells = cells(&out);
    assert!(cells.matches('a').count() > 10 && cells.matches('b').count() > 10, "{out}");
    let one = two_runs().tbx("plot logs --tag loss --run slow --height 8 --ascii").fine();
    assert!(one.contains('*') && !one.contains("  a "), "{one}");
}

#[test]
fn colors_are_for_terminals() {
    let folder = two_runs();
    let plot = |name: &str| done(folder.command("plot logs --tag loss").env(name, "1")).fine();
    let plain = folder.tbx("plot logs --tag loss").fine();
    assert!(!plain.contains('\u{1b}'), "{plain}");
    assert_eq!(plot("NO_COLOR"), plain);
    let colored = plot("CLICOLOR_FORCE");
    assert!(
        colored.contains("\u{1b}[38;5;33m") && colored.contains("\u{1b}[38;5;208m"),
        "{colored}"
    );
    // With colors, there are no letters along the lines.
    assert!(cells(&plain).matches('a').count() > cells(&colored).matches('a').count(), "{colored}");
}

#[test]
fn what_is_not_finite_is_a_gap_with_a_mark() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    let mut values = [1.0; 50];
    values[10..20].fill(f64::NAN);
    values[30] = f64::INFINITY;
    values[40] = f64::NEG_INFINITY;
    scalars(&writer, "x", &values);
    writer.close().unwrap();
    let out = folder.tbx("plot logs --width 57 --height 7").fine();
    assert_eq!(
        out,
        "\
x
1.1 ┤                               ↑
    │
1.0 ┤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤          ⠠⠤⠤⠤⠤⠤⠤⠤⠤⠤⠄ ⠤⠤⠤⠤⠤⠤⠤⠤⠄ ⠠⠤⠤⠤⠤⠤⠤⠤⠤
    │
0.9 ┤                                         ↓
    └┬─────────××××××××××┬────────────────────┬─────────
     0                  20                   40      step
  RUN  LAST  STEP  NOTES
  .       1    49  10 NaN, 2 infinite
"
    );
}

#[test]
fn a_logarithmic_axis_says_what_it_has_no_place_for() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    scalars(&writer, "x", &[1000.0, 100.0, 10.0, 0.0, -5.0, 1.0, 0.1]);
    writer.close().unwrap();
    let out = folder.tbx("plot logs --width 40 --height 9 --log").fine();
    assert!(out.starts_with("x  logarithmic\n"), "{out}");
    for label in ["100 ┤", "1 ┤"] {
        assert!(out.contains(label), "{label}: {out}");
    }
    assert!(out.contains("  .     0.1     6  2 not above 0\n"), "{out}");
}

#[test]
fn smoothing_shows_both_values() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    scalars(&writer, "x", &[1.0, 2.0, 4.0]);
    writer.close().unwrap();
    let out = folder.tbx("plot logs --height 6 --smooth 0.5").fine();
    assert!(out.starts_with("x  smoothed 0.5\n"), "{out}");
    assert!(out.contains("  RUN  LAST  SMOOTHED  STEP\n  .       4         3     2\n"), "{out}");
}

#[test]
fn the_lower_axis_has_steps_or_times() {
    let folder = two_runs();
    let axis = |args: &str| {
        let out = folder.tbx(&format!("plot logs --tag loss --width 60 --height 6 {args}")).fine();
        out.lines().nth(6).unwrap().trim().to_owned()
    };
    assert_eq!(axis(""), "0           10            20           30            step");
    assert_eq!(axis("--x relative"), "0           10m           20m  time since the first point");
    assert_eq!(axis("--x wall"), "22:20        22:30        22:40    UTC, 2023-11-14");
    assert_eq!(axis("--xlim 10:20"), "10                        15                        step");
    let later = axis("--x relative --xlim 30m:");
    assert!(later.starts_with("30m") && later.ends_with("point"), "{later}");
    let day = axis("--x wall --xlim 2023-11-14T22:20:2023-11-14T22:30Z");
    assert!(day.starts_with("22:20 ") && day.ends_with("UTC, 2023-11-14"), "{day}");
}

#[test]
fn outliers_are_told_and_left_out_only_if_that_was_asked_for() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    let mut values: Vec<f64> = (0..100).map(|i| 1.0 + f64::from(i) / 100.0).collect();
    values[50] = 1e4;
    scalars(&writer, "x", &values);
    writer.close().unwrap();
    let out = folder.tbx("plot logs --height 8").fine();
    assert!(out.contains("10k ┤") || out.contains("5k ┤") || out.contains("5000 ┤"), "{out}");
    assert!(
        out.ends_with("  1 value far from the others: --ignore-outliers leaves them out\n"),
        "{out}"
    );
    let out = folder.tbx("plot logs --height 8 --ignore-outliers").fine();
    assert!(out.contains("1.4 ┤"), "{out}");
    assert!(out.ends_with(" values outside the chart\n"), "{out}");
    let out = folder.tbx("plot logs --height 8 --ylim 1.2:1.4").fine();
    assert!(out.contains("1.3") && out.contains("values outside the chart\n"), "{out}");
}

/// Runs `r00` to `r49`; the last one has the lowest loss.
fn fifty() -> Folder {
    let folder = Folder::new();
    for i in 0..50 {
        let writer = folder.run(format!("logs/r{i:02}"));
        scalars(&writer, "loss", &[1.0, 1.0 - f64::from(i) / 100.0]);
        writer.close().unwrap();
    }
    folder
}

/// The names in the legend.
fn named(out: &str) -> Vec<String> {
    let legend = out.lines().skip_while(|line| !line.starts_with("    RUN")).skip(1);
    let rows = legend.filter(|line| line.get(..2) == Some("  ") && line.get(3..4) == Some(" "));
    rows.map(|line| line[4..].split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn of_many_runs_the_first_have_names() {
    let folder = fifty();
    let out = folder.tbx("plot logs").fine();
    assert_eq!(named(&out), ["r00", "r01", "r02", "r03", "r04", "r05", "r06", "r07", "r08", "r09"]);
    let band = "40 more runs not drawn one by one; · min to max and ~ median of all 50 runs: \
                --sort and --top select runs";
    assert!(out.ends_with(&format!("  {band}\n")), "{out}");
    assert!(cells(&out).matches('·').count() > 100 && out.contains('~'), "{out}");
    let out = done(folder.command("plot logs").env("CLICOLOR_FORCE", "1")).fine();
    assert!(out.contains(band), "{out}");
    let few = "plot logs --run r0|r1[0-4]";
    let out = done(folder.command(few).env("CLICOLOR_FORCE", "1")).fine();
    assert!(out.contains("5 more runs in gray: --sort and --top select runs"), "{out}");
    assert!(folder.tbx(few).fine().contains("5 more runs as dots"));
    let out = folder.tbx("plot logs --sort loss --top 2").fine();
    assert_eq!(named(&out), ["r49", "r48"]);
    let out = folder.tbx("plot logs --sort loss --reverse --top 3").fine();
    assert_eq!(named(&out), ["r00", "r01", "r02"]);
    let out = done(folder.command("plot logs --where").arg("loss < 0.525")).fine();
    assert_eq!(named(&out), ["r48", "r49"]);
    assert!(!out.contains("more runs"), "{out}");
}

#[test]
fn more_names_than_letters_are_no_problem() {
    let folder = fifty();
    for i in 50..70 {
        let writer = folder.run(format!("logs/r{i}"));
        scalars(&writer, "loss", &[1.0, 0.5]);
        writer.close().unwrap();
    }
    let out = folder.tbx("plot logs --top 1000").fine();
    assert!(
        out.contains("  a r00 ") && out.contains("  X r49 ") && !out.contains(" r50 "),
        "{out}"
    );
    assert!(out.contains("20 more runs not drawn one by one"), "{out}");
    // Runs with the same rank among 50 differ if they are drawn together.
    let out = folder.tbx("plot logs --run r[05]1").fine();
    assert!(out.contains("  b r01 ") && out.contains("  c r51 "), "{out}");
}

/// The letters and colors of runs in the legend.
fn looks(out: &str) -> Vec<(String, String)> {
    let rows = out.lines().filter_map(|line| line.strip_prefix("  \u{1b}[1m\u{1b}[38;5;"));
    let look = |row: &str| {
        let (look, rest) = row.split_once("\u{1b}[0m ").unwrap();
        (rest.split_whitespace().next().unwrap().to_owned(), look.to_owned())
    };
    rows.map(look).collect()
}

#[test]
fn a_run_looks_the_same_whatever_is_drawn_with_it() {
    let folder = fifty();
    let colored = |args: &[&str]| {
        let mut command = folder.command("plot logs");
        done(command.args(args).env("CLICOLOR_FORCE", "1")).fine()
    };
    let mut seen = std::collections::BTreeMap::new();
    for args in [
        &["--top", "50"] as &[&str],
        &[],
        &["--sort", "loss"],
        &["--sort", "loss", "--reverse", "--top", "3"],
        &["--reverse"],
        &["--run", "r[24]7|r03"],
        &["--where", "loss < 0.7", "--x", "relative"],
        &["--tag", "loss", "--log", "--smooth", "0.5"],
    ] {
        let looks = looks(&colored(args));
        assert!(looks.len() >= 3, "{args:?}");
        for (run, look) in looks {
            assert_eq!(*seen.entry(run.clone()).or_insert(look.clone()), look, "{run} {args:?}");
        }
    }
    assert_eq!(seen.len(), 50);
    // The file has the same letters and colors: orange is b.
    let svg = folder.tbx("plot logs --run r[0-2]1 --out -").out;
    let strokes = svg.split("stroke=\"").skip(1).filter_map(|rest| rest.get(..7));
    let colors: std::collections::BTreeSet<_> = strokes.filter(|c| *c != "#e8e8e8").collect();
    let orange = ["#808080", "#d55e00"];
    assert_eq!(colors.into_iter().collect::<Vec<_>>(), orange, "b, l and v differ in dashes");
    assert!(svg.contains("stroke-dasharray=\"7 3\"") && svg.contains("stroke-dasharray=\"2 2\""));
}

/// A run that began later gets the next letter, wherever its name is sorted.
#[test]
fn a_new_run_changes_no_other() {
    let folder = Folder::new();
    let run = |name: &str, time: u32| {
        let options = SummaryWriter::options().clock(move || START + f64::from(time));
        let writer = options.create(folder.path(format!("logs/{name}"))).unwrap();
        scalars(&writer, "loss", &[1.0, 0.5]);
        writer.close().unwrap();
    };
    run("run_1", 0);
    run("run_9", 60);
    let out = folder.tbx("plot logs").fine();
    assert!(out.contains("  a run_1 ") && out.contains("  b run_9 "), "{out}");
    run("run_10", 120);
    let out = folder.tbx("plot logs").fine();
    assert!(out.contains("  a run_1 ") && out.contains("  b run_9 "), "{out}");
    assert!(out.contains("  c run_10 "), "{out}");
    assert!(named(&out).is_sorted(), "lines are still sorted by name: {out}");
}

#[test]
fn a_file_has_a_band_for_many_runs() {
    let folder = fifty();
    let svg = folder.tbx("plot logs --out -").out;
    assert_eq!(svg.matches("<polygon ").count(), 1);
    assert!(svg.contains(">40 more: band from min to max and gray median of all 50<"), "{svg}");
    let few = folder.tbx("plot logs --run r0|r1[0-4] --out -").out;
    assert!(few.contains(">5 more in gray<") && !few.contains("<polygon "), "{few}");
    assert_eq!(folder.tbx("plot logs --out band.png").code, Some(0));
    let photo = image::open(folder.path("band.png")).unwrap().to_rgb8();
    let band = photo.pixels().filter(|pixel| pixel.0 == [0xe3, 0xe3, 0xe3]).count();
    assert!(band > 10_000, "{band}");
}

#[test]
fn short_axes_have_more_than_one_number() {
    let folder = two_runs();
    for args in ["", "--log", "--ylim 0.2:0.9 --log", "--ylim 0.3:1.7", "--x relative", "--x wall"]
    {
        for size in ["--height 5", "--height 7 --width 30", "--height 6 --width 24"] {
            let out = folder.tbx(&format!("plot logs --tag loss {size} {args}")).fine();
            let labels = out
                .lines()
                .filter(|line| line.find('┤').is_some_and(|at| line[..at].ends_with(' ')));
            assert!(labels.count() >= 2, "{size} {args}: {out}");
            let below = out.lines().skip_while(|line| !line.contains('└')).nth(1).unwrap();
            let numbers =
                below.split_whitespace().filter(|w| w.starts_with(|c: char| c.is_ascii_digit()));
            assert!(numbers.count() >= 2, "{size} {args}: {out}");
        }
        let svg =
            folder.tbx(&format!("plot logs --tag loss --width 120 --height 90 {args} --out -")).out;
        let labels = |anchor: &str| {
            let with = format!("text-anchor=\"{anchor}\">");
            svg.lines()
                .filter(|line| line.contains("fill=\"#606060\"") && line.contains(&with))
                .count()
        };
        assert!(labels("end") >= 2 && labels("middle") >= 2, "{args}: {svg}");
    }
}

/// A label that is longer than half the chart.
#[test]
fn a_label_without_room_is_no_other_number() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    scalars(&writer, "x", &[123_456_789.0; 2]);
    writer.close().unwrap();
    let out = folder.tbx("plot logs --width 20 --height 8 --ylim 123456789:123456789.00001").fine();
    let labels: Vec<&str> =
        out.lines().filter_map(|line| line.split_once('┤')).map(|l| l.0.trim()).collect();
    assert!(labels.len() >= 2 && labels.iter().all(|label| *label == "…"), "{out}");
}

/// As in TensorBoard; conditions treat them as one run.
#[test]
fn parts_of_a_run_are_lines_of_one_chart() {
    let folder = Folder::new();
    for (lr, run) in [(0.1, "a"), (0.2, "b")] {
        for part in ["train", "validation"] {
            let writer = folder.run(format!("logs/{run}/{part}"));
            scalars(&writer, "loss", &[1.0, lr]);
            writer.close().unwrap();
        }
    }
    let out = folder.tbx("plot logs").fine();
    assert_eq!(out.lines().next(), Some("loss"));
    assert_eq!(named(&out), ["a/train", "a/validation", "b/train", "b/validation"]);
    let out = done(folder.command("plot logs --where").arg("train/loss < 0.15")).fine();
    assert_eq!(named(&out), ["a/train", "a/validation"]);
}

#[test]
fn a_run_has_the_same_letter_in_every_chart() {
    let folder = Folder::new();
    for (run, tags) in [("a", vec!["x"]), ("b", vec!["x", "y"]), ("c", vec!["y"])] {
        let writer = folder.run(format!("logs/{run}"));
        tags.iter().for_each(|tag| scalars(&writer, tag, &[1.0, 2.0]));
        writer.close().unwrap();
    }
    let out = folder.tbx("plot logs").fine();
    let rows: Vec<_> = out.lines().filter(|line| line.ends_with("  2     1")).collect();
    let expected = [
        "  a a       2     1",
        "  b b       2     1",
        "  b b       2     1",
        "  c c       2     1",
    ];
    assert_eq!(rows, expected, "{out}");
}

/// Runs without any scalar are not counted.
#[test]
fn each_chart_names_the_first_of_its_own_lines() {
    let folder = Folder::new();
    for (run, tag) in [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")] {
        let writer = folder.run(format!("logs/{run}"));
        scalars(&writer, tag, &[1.0, 2.0]);
        writer.close().unwrap();
    }
    folder.run("logs/0").close().unwrap();
    let out = folder.tbx("plot logs --top 1").fine();
    let rows: Vec<_> = out.lines().filter(|line| line.ends_with("  2     1")).collect();
    // The letter a belongs to the run without scalars.
    assert_eq!(rows, ["  b a       2     1", "  d c       2     1"], "{out}");
}

#[test]
fn many_tags_are_drawn_if_they_were_asked_for() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    for tag in 0..15 {
        scalars(&writer, &format!("tag{tag:02}"), &[1.0, 2.0]);
    }
    writer.close().unwrap();
    let charts = |out: &str| out.lines().filter(|line| line.starts_with("tag")).count();
    let out = folder.tbx("plot logs").fine();
    assert_eq!(charts(&out), 12);
    assert!(out.ends_with("3 more tags: --tag selects tags\n"), "{out}");
    let Done { out, err, .. } = folder.tbx("plot logs --out -");
    assert!(out.ends_with("</svg>\n"), "{out}");
    assert_eq!(err, "12 charts written to -\n3 more tags: --tag selects tags\n");
    let out = folder.tbx("plot logs --tag tag").fine();
    assert_eq!(charts(&out), 15);
    assert!(!out.contains("more"), "{out}");
}

#[test]
fn nothing_to_draw_is_a_no() {
    let folder = Folder::with("torch");
    let Done { code, out, err } = folder.tbx("plot logs --run media");
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(err, "tbx: no run has matching scalars\n");
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = two_runs();
    for (args, said) in [
        ("--smooth 1.5", "must be a number from 0 to 1"),
        ("--xlim 5", "\"5\" is not FROM:TO"),
        ("--xlim a:b", "\"a:b\" is not FROM:TO"),
        ("--ylim 2:1", "\"2:1\" ends before it begins"),
        ("--ylim nan:1", "is not FROM:TO"),
        ("--x stp", "'step'"),
        ("--sort los", "there is no column \"los\"; did you mean loss"),
        ("--out x.pdf", "must end in .svg or .png"),
        ("--width 5", "20..=10000"),
        ("--width 2000", "at most 1000 columns"),
        ("--width 10000 --height 10000 --out x.png", "is too large for a PNG"),
        ("--force", "--out"),
        ("--ascii --out x.svg", "cannot be used with"),
    ] {
        let err = folder.tbx(&format!("plot logs --tag loss {args}")).failed();
        assert!(err.contains(said), "{args}: {err}");
    }
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 1, "nothing was written");
}

#[test]
fn damage_is_told_and_the_rest_drawn() {
    let folder = Folder::with("broken/flip_middle_payload");
    let Done { code, out, err } = folder.tbx("plot logs --tag v1 --height 6");
    assert_eq!(code, Some(2));
    assert!(out.starts_with("v1\n") && err.contains("payload checksum"), "{out}{err}");
}

#[test]
fn a_picture_is_a_new_file() {
    let folder = two_runs();
    let args = "plot logs --tag loss --smooth 0.6 --out loss.svg";
    let Done { code, out, err } = folder.tbx(args);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", "1 chart written to loss.svg\n"));
    let svg = fs::read_to_string(folder.path("loss.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    for text in [">loss<", ">smoothed 0.6<", ">fast/seed 1<", ">slow<", ">step<", ">1.0<"] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
    let again = folder.tbx(args);
    assert_eq!(again.code, Some(2));
    assert!(again.err.contains("loss.svg: the file exists"), "{}", again.err);
    assert_eq!(folder.tbx(&format!("{args} --force")).code, Some(0));
    assert_eq!(folder.tbx("plot logs --tag loss --smooth 0.6 --out -").out, svg);
}

#[test]
fn a_png_has_two_pixels_for_each_unit_and_its_own_letters() {
    let folder = two_runs();
    let done = folder.tbx("plot logs --out charts.png --width 300 --height 200");
    assert_eq!(done.code, Some(0), "{done:?}");
    let photo = image::open(folder.path("charts.png")).unwrap().to_rgb8();
    assert_eq!(photo.width(), 2 * 2 * 300, "two charts side by side");
    assert!(photo.height() > 2 * 200, "a legend below");
    let count = |color: [u8; 3]| photo.pixels().filter(|pixel| pixel.0 == color).count();
    assert!(count([0x00, 0x72, 0xb2]) > 100 && count([0xd5, 0x5e, 0x00]) > 100, "lines");
    assert!(count([0x20, 0x20, 0x20]) > 100, "letters");
    let all: usize = photo.pixels().count();
    assert!(count([255; 3]) > all / 2, "the background");
}
