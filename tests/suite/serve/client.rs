//! A running `tbx serve`, and requests to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use zip::write::{SimpleFileOptions, ZipWriter};

/// The program, stopped on drop.
pub(crate) struct Serve {
    child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    /// The directory of its page, kept as long as the program runs.
    page: Option<TempDir>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// An archive with a page of two words, in a directory that is removed on drop.
pub(crate) fn page() -> (TempDir, PathBuf) {
    let page = tempfile::tempdir().unwrap();
    let archive = page.path().join("webfiles.zip");
    let mut zip = ZipWriter::new(std::fs::File::create(&archive).unwrap());
    for name in ["index.html", "index.js"] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(b"the page").unwrap();
    }
    zip.finish().unwrap();
    (page, archive)
}

impl Serve {
    /// Serves `logdir` with a page of two words, and looks for new data often.
    pub(crate) fn start(logdir: &Path, options: &[&str]) -> Self {
        let (page, archive) = page();
        let archive = archive.to_str().unwrap();
        let options = [&["--webfiles", archive, "--reload", "0.1"], options].concat();
        let mut serve = Self::start_with_page(logdir, &options);
        serve.page = Some(page);
        serve
    }

    /// Serves `logdir` with the page that `options` name, or the one that is found.
    pub(crate) fn start_with_page(logdir: &Path, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
        command.arg("serve").arg(logdir).args(["--port", "0"]).args(options);
        Self::spawn(&mut command)
    }

    /// Starts the program with this command.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("no address: {line:?}")).to_owned();
        Self { child, address, page: None }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        serde_json::from_slice(&answer.body).unwrap()
    }

    pub(crate) fn post(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let len = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
             Content-Length: {len}\r\n\r\n{body}"
        ))
    }

    /// Sends raw bytes and reads until the server closes the connection.
    pub(crate) fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = answer.get(end + 4..).unwrap_or(&[]).to_vec();
        Answer { status, head, body }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.page = None;
    }
}
