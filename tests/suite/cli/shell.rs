//! Integration with the shell: completions, manual pages, colors, variables, messages.

use std::fs;
use std::process::{Command, Stdio};

use super::{Folder, done};

/// Every command except `help`.
const COMMANDS: &[&str] = &[
    "archive",
    "artifacts",
    "check",
    "completions",
    "diff",
    "edit",
    "export",
    "extract",
    "gc",
    "import",
    "inspect",
    "man",
    "meta",
    "mirror",
    "models",
    "plot",
    "reduce",
    "repair",
    "restore",
    #[cfg(feature = "serve")]
    "serve",
    "sweep",
    "table",
    #[cfg(feature = "serve")]
    "tensorboard",
    "verify",
    "watch",
];

/// True if a program accepts `script` or is not installed.
fn is_accepted(program: &str, args: &[&str], script: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script");
    fs::write(&path, script).unwrap();
    let mut command = Command::new(program);
    match command.args(args).arg(&path).stdin(Stdio::null()).output() {
        Ok(output) => output.status.success() && output.stderr.is_empty(),
        Err(_) => {
            println!("skipped: no {program} here");
            true
        }
    }
}

#[test]
fn shells_get_completions() {
    let folder = Folder::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let done = folder.tbx(&format!("completions {shell}"));
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
        for word in COMMANDS.iter().chain(&["restart", "group-by"]) {
            assert!(done.out.contains(word), "{shell}: {word}");
        }
        if ["bash", "fish", "zsh"].contains(&shell) {
            assert!(is_accepted(shell, &["-n"], &done.out), "{shell}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = Folder::new();
    let written = folder.tbx("man --out pages/man1");
    assert_eq!((written.code, written.out.as_str(), written.err.as_str()), (Some(0), "", ""));
    let mut names: Vec<_> = fs::read_dir(folder.path("pages/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = COMMANDS.iter().map(|name| format!("tbx-{name}.1"));
    assert_eq!(names, expected.chain(["tbx.1".to_owned()]).collect::<Vec<_>>());

    let page = folder.tbx("man table").out;
    assert_eq!(page, fs::read_to_string(folder.path("pages/man1/tbx-table.1")).unwrap());
    for part in [".TH tbx-table 1", "\\-\\-group\\-by", ".SH EXAMPLES", "tbx table runs"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let said = folder.tbx("man nothing").err;
    assert!(
        said.starts_with("tbx: there is no command \"nothing\"; the choices are inspect, "),
        "{said}"
    );
    let said = folder.tbx("man tabel").err;
    assert_eq!(said, "tbx: there is no command \"tabel\"; did you mean table?\n");
}

#[test]
fn colors_are_shown_when_asked_for() {
    let folder = Folder::with("torch");
    let colored = |text: &str| text.contains('\u{1b}');
    for args in ["inspect logs", "--help", "table --help", "inspect", "inspect nowhere"] {
        for (option, variable, expected) in [
            ("", "", false),
            ("--color always", "", true),
            ("--color=always", "never", true),
            ("--color never", "always", false),
            ("", "always", true),
        ] {
            let mut command = folder.command(&format!("{args} {option}"));
            if !variable.is_empty() {
                command.env("TBX_COLOR", variable);
            }
            let done = done(&mut command);
            let found = colored(&done.out) || colored(&done.err);
            assert_eq!(found, expected, "{args} {option} {variable:?}: {done:?}");
        }
    }
}

#[test]
fn variables_stand_for_options() {
    let folder = Folder::with("torch");
    let with = |args: &str, name: &str, value: &str| done(folder.command(args).env(name, value));
    let expected = folder.tbx("table logs --format csv");
    assert_eq!(with("table --format csv", "TBX_LOGDIR", "logs").out, expected.out);
    let kept = folder.tbx("inspect logs --restart keep-all");
    assert_eq!(with("inspect logs", "TBX_RESTART", "keep-all").out, kept.out);
    assert_ne!(kept.out, folder.tbx("inspect logs").out);
    assert_eq!(with("table logs --format csv", "TBX_THREADS", "1").out, expected.out);
    let wrong = with("table logs", "TBX_THREADS", "0");
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.starts_with("tbx: invalid value '0' for '--threads <N>'"), "{}", wrong.err);
}

#[test]
fn typos_suggest_what_was_meant() {
    let folder = Folder::with("torch");
    for (args, meant) in [
        ("tabel logs", "'table'"),
        ("table --colums lr logs", "'--columns'"),
        ("table --restart keep-al logs", "'keep-all'"),
        ("table logs --sort los", "did you mean loss"),
        ("table logs --tag los$", "no tag matches \"los$\"; did you mean loss"),
        ("inspect logs --tag los$", "no tag matches \"los$\"; did you mean loss"),
        ("plot logs --tag los$", "no tag matches \"los$\"; did you mean loss"),
        ("diff logs logs --tag los$", "no tag matches \"los$\"; did you mean loss"),
        ("reduce logs --tag los$", "no tag matches \"los$\"; did you mean loss"),
        ("verify logs --tag los$", "no tag matches \"los$\"; did you mean loss"),
        ("inspect logs --run resume$", "no run matches \"resume$\"; did you mean resumed?"),
        ("verify logs --run resume$", "no run matches \"resume$\"; did you mean resumed?"),
    ] {
        let done = folder.tbx(args);
        assert_eq!(done.code, Some(2), "{args}: {done:?}");
        assert!(done.err.starts_with("tbx: ") && done.err.contains(meant), "{args}: {}", done.err);
    }
}

#[test]
fn help_takes_a_flag_for_itself() {
    let folder = super::Folder::new();
    let help = folder.tbx("help").fine();
    for args in ["help -h", "help --help"] {
        assert_eq!(folder.tbx(args).fine(), help, "{args}");
    }
    assert_eq!(folder.tbx("help table -h").fine(), folder.tbx("help table").fine());
    assert_eq!(folder.tbx("models help -h").fine(), folder.tbx("models help").fine());
    // A command's own options come first, options of all commands last.
    for command in ["table", "inspect", "plot", "export", "extract", "reduce", "diff", "check"] {
        let help = folder.tbx(&format!("{command} -h")).fine();
        let own = help.find("Options:\n").unwrap_or_else(|| panic!("{help}"));
        let common = help.find("Common options:\n").unwrap_or_else(|| panic!("{help}"));
        let place = |option: &str| help.find(option).unwrap_or_else(|| panic!("{option}: {help}"));
        assert!(own < common, "{help}");
        for option in
            ["--restart", "--strict", "--allow-empty", "--threads", "--color", "-h, --help"]
        {
            assert!(place(option) > common, "{command} {option}: {help}");
        }
        if command != "check" {
            assert!(
                help.find("--format").or(help.find("--out")).unwrap() < common,
                "{command}: {help}"
            );
        }
    }
}
