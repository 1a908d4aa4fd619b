//! Stock TensorBoard, with tbx as its data server.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::client::Serve;
use super::stock::{compare, logs, python, webfiles};

/// The data server as TensorBoard starts it.
fn data_server(logdir: &str, dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
    command
        .arg(format!("--logdir={logdir}"))
        .args(["--reload=1", "--samples-per-plugin=", "--port=0"])
        .arg(format!("--port-file={}", dir.join("port").display()))
        .arg("--die-after-stdin")
        .arg(format!("--error-file={}", dir.join("error").display()))
        .stdin(Stdio::piped());
    command
}

#[test]
fn the_port_is_in_its_file_and_the_end_of_the_input_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = data_server("nowhere", dir.path()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let port = loop {
        let text = fs::read_to_string(dir.path().join("port")).unwrap_or_default();
        if let Some(port) = text.strip_suffix('\n') {
            break port.parse::<u16>().unwrap();
        }
        assert!(Instant::now() < end, "no port");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_ne!(port, 0);
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}

#[test]
fn why_it_does_not_start_is_in_a_file() {
    let url =
        if cfg!(feature = "remote") { "unknown kind of URL" } else { "without support for URLs" };
    for (logdir, code, reason) in [("", 8, "empty"), ("ftp://host/logs", 8, url)] {
        let dir = tempfile::tempdir().unwrap();
        let mut server = data_server(logdir, dir.path()).stderr(Stdio::piped()).spawn().unwrap();
        // The end of its input would end it, too.
        let input = server.stdin.take();
        assert_eq!(server.wait().unwrap().code(), Some(code), "{logdir}");
        drop(input);
        let text = fs::read_to_string(dir.path().join("error")).unwrap();
        assert!(text.contains(reason), "{logdir}: {text}");
        let mut said = String::new();
        server.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "", "{logdir}");
    }
    let dir = tempfile::tempdir().unwrap();
    let wrong = data_server("x", dir.path()).arg("--nothing").stderr(Stdio::null()).status();
    assert_eq!(wrong.unwrap().code(), Some(2));
}

#[test]
fn stock_tensorboard_answers_as_tbx_serve_does() {
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("skipped: stock TensorBoard with tbx as data server: {reason}");
            return;
        }
    };
    let dir = logs();
    let serve = Serve::start_with_page(dir.path(), &["--webfiles", &webfiles(&python)]);
    compare(&python, dir.path(), &serve, Some(env!("CARGO_BIN_EXE_tbx")));
}
