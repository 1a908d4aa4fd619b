//! The progress line of long commands: only on a terminal, and removed at the end.

use std::process::Command;

use super::Folder;

/// Runs a command with its standard error on a terminal, paused before its first change on disk. Resumes it
/// once the terminal shows something besides `paused`, and prints the terminal's output.
const ON_A_TERMINAL: &str = r#"
import os, pty, subprocess, sys
ours, theirs = pty.openpty()
env = dict(os.environ, TBX_TEST_PAUSE_AT="1", TERM="xterm")
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs, env=env)
os.close(theirs)
shown = b""
while b"\x1b[K" not in shown:
    shown += os.read(ours, 1000)
child.stdin.close()
while True:
    try:
        more = os.read(ours, 1000)
    except OSError:
        more = b""
    if not more:
        break
    shown += more
child.wait()
sys.stdout.write(ascii(shown.decode()))
"#;

#[test]
fn a_long_command_shows_on_a_terminal_that_it_is_at_work() {
    if !cfg!(debug_assertions) {
        println!("skipped: a release cannot be held up from inside");
        return;
    }
    let folder = Folder::with("broken/flip_middle_payload");
    let tbx = env!("CARGO_BIN_EXE_tbx");
    let shown = Command::new("python3")
        .args(["-c", ON_A_TERMINAL, tbx, "repair", "logs", "--out", "new"])
        .current_dir(folder.path(""))
        .output();
    let Ok(shown) = shown else {
        println!("skipped: no python3 for a terminal");
        return;
    };
    let said = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success(), "{said} {}", String::from_utf8_lossy(&shown.stderr));
    let (_, line) = said.split_once("paused").unwrap();
    assert!(line.contains("\\r\\x1b[2m") && line.contains("s\\x1b[0m\\x1b[K"), "{said}");
    // The line is cleared before other output.
    let (_, last) = said.rsplit_once("\\r\\x1b[K").unwrap();
    assert!(!last.contains("\\x1b[2m"), "{said}");
    assert!(folder.path("new").is_dir());
}

/// The pause is longer than the delay of the line.
#[test]
fn a_pipe_gets_no_line() {
    let folder = Folder::with("broken/flip_middle_payload");
    let mut command = folder.command("repair logs --out new");
    command.env("TBX_TEST_PAUSE_AT", "1").stdin(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    drop(child.stdin.take());
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(!said.contains(['\r', '\u{1b}']), "{said:?}");
}
