//! `tbx watch` without a terminal: one line per run that changed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::{FILE, Folder, START};

/// A running program, which is killed on drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program and its output.
struct Watch {
    _child: Running,
    lines: Receiver<String>,
}

impl Watch {
    fn start(folder: &Folder, args: &str) -> Self {
        let mut command = folder.command(&format!("watch {args} --interval 0.05"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let out = child.stdout.take().unwrap();
        let err = child.stderr.take().unwrap();
        for (source, mark) in
            [(Box::new(out) as Box<dyn std::io::Read + Send>, ""), (Box::new(err), "! ")]
        {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(source).lines().map_while(Result::ok) {
                    let _ = sender.send(format!("{mark}{line}"));
                }
            });
        }
        Self { _child: Running(child), lines }
    }

    /// The next line, without the time at its start.
    #[track_caller]
    fn line(&self) -> String {
        let line = self.lines.recv_timeout(Duration::from_secs(20)).expect("a line");
        match line.get(..21) {
            Some(time) if time.starts_with("20") && time.ends_with("  ") => line[21..].to_owned(),
            _ => line,
        }
    }

    #[track_caller]
    fn is_silent(&self) {
        let line = self.lines.recv_timeout(Duration::from_millis(300));
        assert!(line.is_err(), "{line:?}");
    }
}

#[test]
fn each_run_that_changed_is_a_line() {
    let folder = Folder::new();
    let writer = folder.run("logs/a");
    writer.add_scalar("loss", 0.5, 0).unwrap();
    writer.add_scalar("loss", 0.25, 1).unwrap();
    writer.add_scalar("accuracy", 0.75, 1).unwrap();
    writer.flush().unwrap();
    let watch = Watch::start(&folder, "logs");
    assert_eq!(watch.line(), "a  step 1  accuracy 0.75  loss 0.25");
    writer.add_scalar("loss", 0.125, 2).unwrap();
    writer.flush().unwrap();
    assert_eq!(watch.line(), "a  step 2  loss 0.125");
    watch.is_silent();
    let other = folder.run("logs/b/c");
    (0..9).for_each(|tag| other.add_scalar(&format!("tag{tag}"), 1.0, 5).unwrap());
    other.close().unwrap();
    assert_eq!(watch.line(), "b/c  step 5  tag0 1  tag1 1  tag2 1  tag3 1  tag4 1  tag5 1  3 more");
    fs::remove_dir_all(folder.path("logs/b")).unwrap();
    assert_eq!(watch.line(), "b/c  removed");
    drop(writer);
}

#[test]
fn a_file_that_is_cut_short_is_read_anew() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    writer.add_scalar("loss", 0.5, 0).unwrap();
    writer.add_scalar("loss", 0.25, 1).unwrap();
    writer.close().unwrap();
    let watch = Watch::start(&folder, "logs");
    assert_eq!(watch.line(), ".  step 1  loss 0.25");
    let path = fs::read_dir(folder.path("logs")).unwrap().next().unwrap().unwrap().path();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(fs::metadata(&path).unwrap().len() - 5).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert_eq!(watch.line(), format!(".  read again: {name} was cut short  step 0  loss 0.5"));
}

#[test]
fn runs_and_tags_are_chosen_and_folders_named() {
    let folder = Folder::new();
    for name in ["one/a", "one/b", "two/a"] {
        let writer = folder.run(name);
        writer.add_scalar("loss", 0.5, 0).unwrap();
        writer.add_scalar("rate", 0.5, 0).unwrap();
        writer.close().unwrap();
    }
    let watch = Watch::start(&folder, "one two --run a --tag loss");
    assert_eq!(watch.line(), "one/a  step 0  loss 0.5");
    assert_eq!(watch.line(), "two/a  step 0  loss 0.5");
    watch.is_silent();
}

#[test]
fn damage_is_told_on_the_standard_error() {
    let folder = Folder::with("broken/flip_middle_payload");
    let file = File::options().write(true).open(folder.path("logs").join(FILE)).unwrap();
    let past = std::time::UNIX_EPOCH + Duration::from_secs_f64(START);
    file.set_modified(past).unwrap();
    let watch = Watch::start(&folder, "logs");
    let mut lines = [watch.line(), watch.line()];
    lines.sort();
    assert!(lines[0].starts_with("! tbx: logs/events"), "{lines:?}");
    assert!(lines[0].contains("at byte 591: payload checksum"), "{lines:?}");
    assert!(lines[1].starts_with(".  step 3  "), "{lines:?}");
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    writer.add_scalar("loss", 0.5, 0).unwrap();
    writer.flush().unwrap();
    let mut command = folder.command("watch logs --interval 0.05");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    drop(out);
    let mut step = 1;
    while child.try_wait().unwrap().is_none() {
        assert!(step < 1000, "the program is still running");
        writer.add_scalar("loss", 0.5, step).unwrap();
        writer.flush().unwrap();
        thread::sleep(Duration::from_millis(20));
        step += 1;
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn names_in_lines_cannot_play_with_the_terminal() {
    let folder = Folder::new();
    let writer = folder.run("logs/a\u{1b}[2J");
    writer.add_scalar("loss\u{1b}[31m\nfake", 0.5, 0).unwrap();
    writer.close().unwrap();
    let watch = Watch::start(&folder, "logs");
    assert_eq!(watch.line(), "a\\u{1b}[2J  step 0  loss\\u{1b}[31m\\nfake 0.5");
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let folder = Folder::new();
    assert!(folder.tbx("watch missing").failed().contains("missing: No such file"));
    File::create_new(folder.path("x")).unwrap().write_all(b"").unwrap();
    for args in ["--interval 0", "--interval x", "--smooth 2"] {
        assert!(
            folder.tbx(&format!("watch . {args}")).failed().contains("must be a number"),
            "{args}"
        );
    }
}

/// Runs in a terminal that `script` creates, with 80 columns and 24 rows.
#[cfg(target_os = "linux")]
#[test]
fn the_screen_shows_new_points_and_leaves_the_terminal_as_it_was() {
    if std::process::Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: tbx watch in a terminal: there is no program `script`");
        return;
    }
    let folder = Folder::new();
    let writer = folder.run("logs/first");
    writer.add_scalar("loss", 0.5, 12345).unwrap();
    writer.flush().unwrap();
    let tbx = env!("CARGO_BIN_EXE_tbx");
    let line =
        format!("stty cols 80 rows 24; {tbx} watch logs --interval 0.05; echo code $?; stty -a");
    let child = std::process::Command::new("script")
        .args(["-qfec", &line, "/dev/null"])
        .current_dir(folder.path(""))
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Running(child);
    let mut out = child.0.stdout.take().unwrap();
    let (sender, bytes) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = std::io::Read::read(&mut out, &mut buffer) {
            let _ = sender.send(buffer[..n].to_vec());
        }
    });
    let mut seen = Vec::new();
    let start = std::time::Instant::now();
    let mut wait_for = |what: &str| {
        while !String::from_utf8_lossy(&seen).contains(what) {
            let left = Duration::from_secs(30).saturating_sub(start.elapsed());
            let more = bytes.recv_timeout(left);
            seen.extend(
                more.unwrap_or_else(|_| panic!("{what}: {}", String::from_utf8_lossy(&seen))),
            );
        }
    };
    wait_for("\u{1b}[?1049h"); // enters the alternate screen
    wait_for("12345");
    wait_for("idle");
    writer.add_scalar("loss", 0.25, 67890).unwrap();
    writer.flush().unwrap();
    wait_for("67890");
    wait_for("growing");
    child.0.stdin.as_mut().unwrap().write_all(b"q").unwrap();
    wait_for("\u{1b}[?1049l"); // and leaves it
    wait_for("code 0");
    wait_for(" icanon");
    wait_for(" echo ");
    drop(child.0.stdin.take());
    assert!(child.0.wait().unwrap().success());
}
