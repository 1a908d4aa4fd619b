//! Output streams: pipes that close early, colors, control characters.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use serde_json::Value;

use super::{Folder, done};

/// Names that move the cursor, clear the screen, set the title or fake lines.
const HOSTILE: [&str; 7] = [
    "red\u{1b}[31m",
    "clear\u{1b}[2J\u{1b}[H",
    "title\u{1b}]0;owned\u{7}",
    "line\nfake: all is well",
    "return\rover",
    "csi\u{9b}31m",
    "delete\u{7f}",
];

/// Writes logs whose output is larger than the buffer of a pipe.
fn large(folder: &Folder) {
    let (writer, steps) = (folder.run("logs"), folder.run("steps"));
    for tag in 0..2000 {
        let tag = format!("{}/{tag}", "a long tag ".repeat(10));
        writer.add_scalar(&tag, 0.5, 0).unwrap();
        steps.add_scalar(&tag, 0.5, 0).unwrap();
        steps.add_scalar(&tag, 1.5, 0).unwrap();
    }
    writer.close().unwrap();
    steps.close().unwrap();
}

#[test]
fn a_closed_pipe_is_quiet() {
    let folder = Folder::new();
    large(&folder);
    for args in [
        "inspect logs",
        "inspect logs --format json",
        "inspect logs logs",
        "plot logs --tag .",
        "plot logs --tag . --out -",
        "export logs --to csv --out -",
        "export logs --to json --out -",
        "verify steps --rule steps_zero",
        "verify steps --format json",
    ] {
        let mut child =
            folder.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 10]).unwrap();
        drop(out);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{args}");
    }
}

#[test]
fn there_is_no_color_but_for_terminals() {
    let folder = Folder::with("broken/flip_middle_payload");
    let inspect = |variables: &[(&str, &str)]| {
        done(folder.command("inspect logs").envs(variables.iter().copied())).out
    };
    let plain = inspect(&[]);
    assert!(!plain.contains('\u{1b}'), "{plain}");
    assert_eq!(inspect(&[("NO_COLOR", "1")]), plain);
    assert_eq!(inspect(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), plain);
    // Without `NO_COLOR` there are colors.
    let colored = inspect(&[("CLICOLOR_FORCE", "1")]);
    assert!(colored.contains('\u{1b}') && colored.len() > plain.len(), "{colored}");
    let json = done(folder.command("inspect logs --format json").env("CLICOLOR_FORCE", "1")).out;
    assert!(!json.contains('\u{1b}'), "{json}");
}

/// A directory with a run whose tags are hostile.
fn hostile_tags() -> Folder {
    let folder = Folder::new();
    let writer = folder.run("logs");
    for tag in HOSTILE {
        writer.add_scalar(tag, 0.5, 0).unwrap();
    }
    writer.close().unwrap();
    folder
}

/// Fails if `text` contains anything that a terminal would interpret.
#[track_caller]
fn assert_harmless(text: &str) {
    // The program's own colors are used for errors and warnings.
    let text = text.replace("\u{1b}[1m\u{1b}[31mtbx:\u{1b}[0m ", "tbx: ");
    let text = text.replace("\u{1b}[1m\u{1b}[33mtbx:\u{1b}[0m ", "tbx: ");
    let obeyed: Vec<_> = text.chars().filter(|c| c.is_control() && *c != '\n').collect();
    assert!(obeyed.is_empty(), "{obeyed:?} in {text}");
    assert!(!text.lines().any(|line| line.starts_with("fake:")), "{text}");
}

#[test]
fn tags_cannot_play_with_the_terminal() {
    let folder = hostile_tags();
    for by in ["run", "tag"] {
        // Escaped even if the output is not a terminal.
        let args = format!("inspect logs --by {by}");
        let text = done(folder.command(&args).env("NO_COLOR", "1")).fine();
        assert_harmless(&text);
        for tag in
            ["red\\u{1b}[31m ", "line\\nfake: all is well ", "csi\\u{9b}31m ", "delete\\u{7f} "]
        {
            assert!(text.contains(tag), "{text}");
        }
    }
}

#[test]
fn tags_in_charts_cannot_play_with_the_terminal() {
    let folder = hostile_tags();
    assert_harmless(&done(folder.command("plot logs").env("NO_COLOR", "1")).fine());
    let svg = folder.tbx("plot logs --out -").out;
    assert_harmless(&svg);
    assert!(svg.contains("red\\u{1b}[31m<"), "{svg}");
}

#[test]
fn tags_in_markdown_cannot_play_with_the_terminal() {
    let folder = hostile_tags();
    let table = folder.tbx("table logs --format md").fine();
    assert_harmless(&table);
    assert!(table.contains("| red\\u{1b}\\[31m |"), "{table}");
}

/// Runs in a terminal that `script` creates.
#[cfg(target_os = "linux")]
#[test]
fn tags_in_csv_and_json_cannot_play_with_the_terminal_but_are_whole_in_a_file() {
    if std::process::Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: CSV and JSON in a terminal: there is no program `script`");
        return;
    }
    let folder = hostile_tags();
    for args in [
        "table logs --format csv",
        "table logs --format json",
        "inspect logs --format json",
        "export logs --to csv --out -",
        "export logs --to json --table tags --out -",
    ] {
        let line = format!("{} {args}", env!("CARGO_BIN_EXE_tbx"));
        let shown = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(folder.path(""))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap().replace("\r\n", "\n");
        let progress = shown.rsplit("\u{1b}[K").next().unwrap_or(&shown);
        assert_harmless(progress);
        let piped = folder.tbx(args).out;
        if args.ends_with("csv") || args.ends_with("csv --out -") {
            assert!(piped.contains("red\u{1b}[31m"), "{args}: {piped}");
            assert!(shown.contains("red\\u{1b}[31m"), "{args}: {shown}");
        }
    }
}

#[test]
fn tags_are_whole_in_json() {
    let folder = hostile_tags();
    let out = folder.tbx("inspect logs --format json").fine();
    let found: Value = serde_json::from_str(&out).unwrap();
    let tags = found["runs"][0]["tags"].as_array().unwrap().iter();
    let mut tags: Vec<_> = tags.map(|tag| tag["tag"].as_str().unwrap()).collect();
    let mut expected = HOSTILE;
    tags.sort_unstable();
    expected.sort_unstable();
    assert_eq!(tags, expected);
}

/// Directories can have such names, too, and appear in messages.
#[cfg(unix)]
#[test]
fn names_of_runs_cannot_play_with_the_terminal() {
    let folder = Folder::new();
    for name in HOSTILE {
        folder.copy("broken/flip_middle_payload", format!("logs/{name}"));
    }
    // Forced colors, so that escape sequences are not stripped.
    let said = |args: &str| done(folder.command(args).env("CLICOLOR_FORCE", "1"));
    assert_harmless(&done(folder.command("inspect logs").env("NO_COLOR", "1")).out);
    assert_harmless(&done(folder.command("plot logs").env("NO_COLOR", "1")).out);
    assert_harmless(&folder.tbx("plot logs --out -").out);
    assert_harmless(&said("inspect logs --strict").err);
    assert_harmless(&said("export logs --to csv --out x.csv").err);
    for args in ["verify logs", "repair logs --dry-run", "edit logs --dry-run --drop-run x|d"] {
        assert_harmless(&done(folder.command(args).env("NO_COLOR", "1")).out);
        assert_harmless(&said(args).err);
    }
    let missing = format!("logs/{}/missing", HOSTILE[0]);
    assert_harmless(&done(folder.command("inspect").arg(missing).env("CLICOLOR_FORCE", "1")).err);
    fs::remove_file(folder.path("x.csv")).unwrap();
}
