//! Output on terminals of different widths; only the standard output decides.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use unicode_width::UnicodeWidthStr;

use super::{Folder, done};

/// A terminal with this width: the side that the program writes to, and the side that shows it.
fn terminal(columns: u16) -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&master, size).unwrap();
    let slave = File::options().read(true).write(true).open(path).unwrap();
    (slave, File::from(master))
}

/// The output of `command` on a terminal, and its exit code.
fn shown(mut command: Command, columns: u16) -> (String, Option<i32>) {
    let (slave, mut master) = terminal(columns);
    let [out, err] = [0; 2].map(|_| Stdio::from(slave.try_clone().unwrap()));
    let mut child = command.stdin(slave).stdout(out).stderr(err).spawn().unwrap();
    drop(command);
    let mut bytes = Vec::new();
    // After the other side is closed, Linux returns an error instead of an end of file.
    let _ = master.read_to_end(&mut bytes);
    (String::from_utf8(bytes).unwrap().replace("\r\n", "\n"), child.wait().unwrap().code())
}

/// Like [`shown`], without colors.
fn plain(folder: &Folder, args: &str, columns: u16) -> String {
    let mut command = folder.command(args);
    command.env("TERM", "xterm").env("NO_COLOR", "1");
    shown(command, columns).0
}

/// Tags that differ at the start, in the middle or at the end, with characters of all widths.
fn tags() -> Vec<String> {
    let mut tags = Vec::new();
    for block in ["block_00", "block_01", "größe_深い"] {
        for part in ["query", "key", "value"] {
            for of in ["weight", "bias"] {
                tags.push(format!("train/encoder/{block}/attention/{part}/{of}/gradient/norm"));
            }
        }
    }
    tags.extend(["loss", "val/accuracy"].map(String::from));
    tags
}

/// Runs with long names, many parameters and long tags.
fn wide() -> Folder {
    let folder = Folder::new();
    for run in 0..4 {
        let name = format!("logs/experiment_with_a_long_name_lr_{run}_and_a_tail_that_all_have");
        let writer = folder.run(&name);
        for (i, tag) in tags().iter().enumerate() {
            writer.add_scalar(tag, (run * 100 + i) as f64 / 7.0, 10).unwrap();
        }
        writer.close().unwrap();
        let mut yaml = format!("data: /data/sets/part_{run}/index.json\n");
        for param in 0..40 {
            yaml += &format!("param_{param:02}: {}\n", param * run);
        }
        std::fs::write(folder.path(format!("{name}/hparams.yaml")), yaml).unwrap();
    }
    folder
}

const A: &str = "logs/experiment_with_a_long_name_lr_0_and_a_tail_that_all_have";
const B: &str = "logs/experiment_with_a_long_name_lr_1_and_a_tail_that_all_have";

fn commands() -> [String; 15] {
    [
        "plot logs --tag loss".into(),
        "inspect logs".into(),
        "inspect logs --by tag".into(),
        "table logs".into(),
        "table logs --columns *".into(),
        "table logs --group-by param_01".into(),
        "reduce logs".into(),
        format!("diff {A} {B}"),
        "check logs".into(),
        "verify logs".into(),
        "verify --list-rules".into(),
        format!("meta show {A}"),
        "edit logs --dry-run --rename ^train training".into(),
        "gc logs --unregistered".into(),
        "models logs".into(),
    ]
}

#[test]
fn only_the_output_decides_how_wide_it_is() {
    let folder = wide();
    for args in commands() {
        let piped = done(&mut folder.command(&args));
        assert!(!piped.out.contains('…') && !piped.out.contains("not shown"), "{args}: {piped:?}");
        // All other streams are terminals, and the variables describe one.
        let (slave, _master) = terminal(60);
        let mut command = folder.command(&args);
        command.stdin(slave.try_clone().unwrap()).stderr(slave).env("COLUMNS", "40");
        let output = command.stdout(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), piped.out, "{args}");
    }
    let file = folder.path("out.txt");
    let (slave, _master) = terminal(60);
    let mut command = folder.command("table logs");
    command.stdin(slave.try_clone().unwrap()).stderr(slave).stdout(File::create(&file).unwrap());
    assert!(command.status().unwrap().success());
    let piped = folder.tbx("table logs").out;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), piped);
    for tag in tags() {
        assert!(piped.contains(&tag), "{tag}");
    }
}

#[test]
fn the_size_of_a_terminal_counts_before_columns() {
    let folder = wide();
    let width = |variable: &str, columns| {
        let mut command = folder.command("inspect logs");
        command.env("COLUMNS", variable).env("NO_COLOR", "1");
        shown(command, columns).0
    };
    assert_eq!(width("200", 80), width("60", 80));
    // If the terminal does not know its size, the variable counts.
    assert_eq!(width("80", 0), width("1", 80));
    assert_eq!(width("none", 0), done(&mut folder.command("inspect logs")).out);
}

#[test]
fn lines_fit_and_names_stay_apart() {
    let folder = wide();
    for columns in [60, 80, 120, 200] {
        for args in commands() {
            let text = plain(&folder, &args, columns);
            let tables = ["inspect", "table", "reduce"].iter().any(|name| args.starts_with(name));
            for line in text.lines().filter(|line| tables && !line.contains("not shown:")) {
                let is_row =
                    line.contains("  ") && !line.starts_with("experiment_with_a_long_name");
                assert!(!is_row || line.width() <= columns.into(), "{args} at {columns}: {line}");
            }
        }
        // Each run has the same tags in the same order; two different tags never look alike.
        let text = plain(&folder, "inspect logs --by run", columns);
        let names = text.lines().filter_map(|line| line.strip_prefix("  "));
        let names = names.filter_map(|line| line.split("  ").next());
        let names: Vec<&str> = names.filter(|name| *name != "TAG").collect();
        assert_eq!(names.len(), 4 * tags().len(), "at {columns}: {text}");
        let mut places = BTreeMap::new();
        for (i, name) in names.iter().enumerate() {
            let place = i % tags().len();
            assert_eq!(*places.entry(*name).or_insert(place), place, "{name} at {columns}: {text}");
        }
        for args in ["table logs", "table logs --columns loss"] {
            let text = plain(&folder, args, columns);
            let rows = text.lines().filter(|line| line.starts_with("exp") || line.starts_with('…'));
            let names: BTreeSet<_> = rows.filter_map(|line| line.split("  ").next()).collect();
            assert_eq!(names.len(), 4, "{args} at {columns}: {text}");
        }
    }
}

#[test]
fn a_table_keeps_what_tells_runs_apart_and_says_what_it_leaves_out() {
    let folder = Folder::new();
    for run in 0..3 {
        let writer = folder.run(format!("logs/run_{run}"));
        for tag in ["train/loss", "val/loss", "val/accuracy"] {
            writer.add_scalar(tag, 0.123_456_7 * f64::from(run + 1), 1000).unwrap();
        }
        writer.close().unwrap();
        let yaml = format!("learning_rate: 0.00{run}\noptimizer: adam{run}\n");
        std::fs::write(folder.path(format!("logs/run_{run}/hparams.yaml")), yaml).unwrap();
    }
    let text = plain(&folder, "table logs", 80);
    let head: Vec<&str> = text.lines().take_while(|line| !line.starts_with("run_0")).collect();
    let head = head.join(" ");
    for name in ["learning_", "optimizer", "train/", "val/", "accuracy"] {
        assert!(head.contains(name), "{text}");
    }
    let last: Vec<&str> = text.lines().rev().take(2).collect();
    assert!(last[1].contains("not shown: start") && last[1].contains("--columns"), "{text}");
    assert!(!head.contains("start"), "{text}");
    let all = plain(&folder, "table logs", 200);
    assert!(all.contains("start") && !all.contains("not shown"), "{all}");
    // Selected columns keep their order.
    let chosen =
        plain(&folder, "table logs --columns start,duration,status,val/*,train/*,lea*", 60);
    assert!(chosen.starts_with("run    start"), "{chosen}");
    assert!(chosen.contains("not shown:"), "{chosen}");
    // The sort column is shown.
    let sorted = plain(&folder, "table logs --sort start", 60);
    assert!(sorted.contains("\nrun    start  "), "{sorted}");
}

#[test]
fn the_best_value_is_marked_where_it_can_be_seen() {
    let folder = Folder::new();
    for (run, loss) in [("a", 0.5), ("b", 0.25), ("c", 0.75)] {
        let writer = folder.run(format!("logs/{run}"));
        writer.add_scalar("val/loss", loss, 1).unwrap();
        writer.add_scalar("accuracy", loss, 1).unwrap();
        writer.add_scalar("throughput", loss, 1).unwrap();
        writer.close().unwrap();
    }
    let args = "table logs --columns accuracy,val/loss,throughput";
    let unmarked = "\
run  accuracy  val/loss  throughput
a         0.5       0.5         0.5
b        0.25      0.25        0.25
c        0.75      0.75        0.75
3 runs
";
    assert_eq!(folder.tbx(args).fine(), unmarked);
    assert_eq!(
        plain(&folder, args, 80),
        "\
run  accuracy  val/loss  throughput
a        0.5       0.5          0.5
b       0.25      0.25*        0.25
c       0.75*     0.75         0.75
3 runs; * is the best of its column
"
    );
    let colored = |variables: &[(&str, &str)], more: &str, columns: Option<u16>| {
        let mut command = folder.command(&format!("{args} {more}"));
        command.env("TERM", "xterm-256color").envs(variables.iter().copied());
        match columns {
            Some(columns) => shown(command, columns).0,
            None => done(&mut command).out,
        }
    };
    let best = "\u{1b}[1m\u{1b}[32m0.25\u{1b}[0m";
    let text = colored(&[], "", Some(80));
    assert_eq!(text.matches("\u{1b}[32m").count(), 2, "{text:?}");
    assert!(text.contains(best) && !text.contains('*'), "{text:?}");
    for (variables, more) in [
        (&[("NO_COLOR", "1")][..], ""),
        (&[("TERM", "dumb")], ""),
        (&[], "--color never"),
        (&[("TBX_COLOR", "never")], ""),
    ] {
        let text = colored(variables, more, Some(80));
        assert!(
            !text.contains('\u{1b}') && text.contains("0.25*"),
            "{variables:?} {more}: {text:?}"
        );
    }
    // A file or a pipe gets neither, unless colors are forced.
    assert_eq!(colored(&[], "", None), unmarked);
    assert_eq!(colored(&[], "--color always", None), text);
    assert_eq!(colored(&[("CLICOLOR_FORCE", "1")], "", None), text);
    for format in ["csv", "json", "md"] {
        let text = colored(&[], &format!("--format {format}"), Some(80));
        assert!(!text.contains('\u{1b}') && !text.contains('*'), "{text:?}");
    }
}

#[test]
fn help_is_wrapped_once() {
    let folder = Folder::new();
    for columns in [60, 80, 100, 200] {
        for args in ["--help", "table --help", "reduce -h", "plot --help", "import -h", "watch -h"]
        {
            let text = plain(&folder, args, columns);
            let most = usize::from(columns.min(100));
            let lines: Vec<&str> = text.lines().collect();
            for line in lines.iter().filter(|line| !line.starts_with("Usage:")) {
                assert!(line.width() <= most, "{args} at {columns}: {line}");
            }
            // A line of a paragraph ends only where the next word would not fit.
            let paragraph = |line: &&str| {
                !line.is_empty() && !line.starts_with([' ', '[']) && !line.ends_with(':')
            };
            for pair in lines.windows(2).filter(|pair| pair.iter().all(paragraph)) {
                let next = pair[1].split(' ').next().unwrap_or_default();
                let is_full = pair[0].width() + 1 + next.width() > most;
                assert!(is_full, "{args} at {columns}: {pair:?}");
            }
        }
    }
}

#[test]
fn names_of_different_runs_do_not_look_alike() {
    let folder = Folder::new();
    // Shortened separately, both would look the same.
    for (run, start) in [("a", "training"), ("b", "validation")] {
        let writer = folder.run(format!("logs/{run}"));
        let tag =
            format!("{start}/a/rather/long/name/that/does/not/fit/into/the/column/loss_by_step");
        for step in 0..3 {
            writer.add_scalar(&tag, f64::from(step) / 7.0, step * 1_000_000_000).unwrap();
        }
        writer.close().unwrap();
    }
    for columns in [40, 60, 80] {
        let text = plain(&folder, "inspect logs", columns);
        let tags: BTreeSet<_> = text.lines().filter(|line| line.contains('…')).collect();
        let names = tags.iter().filter_map(|line| line.trim_start().split("  ").next());
        assert_eq!(names.collect::<BTreeSet<_>>().len(), 2, "{text}");
    }
}
