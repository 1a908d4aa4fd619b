//! Speaks to a tracking server: REST, one request at a time.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, SendBody};

use super::settings::{Auth, Settings};
use super::tls::tls;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::store::Root;

/// What begins the paths of the API.
const API: &str = "/api/2.0/mlflow";
/// Where a server that keeps artifacts itself takes and gives them.
const ARTIFACTS: &str = "/api/2.0/mlflow-artifacts/artifacts";
/// What the UI uploads by, whatever keeps the artifacts; up to 10 MB.
const UPLOAD: &str = "/ajax-api/2.0/mlflow/upload-artifact";
/// And what it downloads by.
const DOWNLOAD: &str = "/get-artifact";
/// The same of the models that runs logged.
const MODELS: &str = "/ajax-api/2.0/mlflow/logged-models";
/// An answer is not longer: 25,000 points of a metric take 3 MB.
const MAX_ANSWER: u64 = 256 << 20;
/// Of a page that is no answer so much is shown.
const MAX_SHOWN: usize = 300;
/// The longest pause before a request is tried again.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Characters that stay in parts of paths.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &PART.remove(b'/');

/// A tracking server of MLflow.
///
/// Requests that meet a busy or failing server (408, 429, 5xx, a lost connection) are sent again,
/// after pauses that double. They say the same each time, and MLflow takes that as one; of those that
/// it would not, it is asked first whether they were heard. A server that was not there at all is not
/// waited for.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    settings: Settings,
    /// Whether the server said anything yet.
    has_answered: AtomicBool,
}

/// Why the server did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Of HTTP.
    pub(crate) status: u16,
    /// MLflow's name for it, such as `RESOURCE_DOES_NOT_EXIST`.
    pub(crate) code: String,
    /// What it says.
    pub(crate) message: String,
}

/// What an artifact consists of.
#[derive(Debug)]
pub(crate) enum Content {
    /// Those of a file in a directory.
    File(Root, PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

impl Content {
    /// To be read from the beginning, and how many bytes that is.
    pub(crate) fn open(&self) -> io::Result<(Box<dyn io::Read + '_>, u64)> {
        match self {
            Self::File(root, path) => {
                let (file, len) = root.open(path)?;
                Ok((Box::new(file.into_reader(len)), len))
            }
            Self::Bytes(bytes) => {
                Ok((Box::new(bytes.as_slice()), u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
            }
        }
    }
}

enum Answer<T> {
    Fine(T),
    Refused(Refused),
}

type Send<'s> = &'s dyn Fn(&str) -> Result<Response<Body>, ureq::Error>;
type Read<'r, T> = &'r dyn Fn(Response<Body>) -> Result<T, ureq::Error>;
/// Whether a request was heard, though its answer was not.
type Heard<'h, T> = &'h dyn Fn() -> Result<Option<T>>;

impl Client {
    /// A client for these settings; it asks nothing yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: a certificate cannot be read; [`ErrorKind::Argument`]: the URI is not that
    /// of a server.
    pub fn new(settings: Settings) -> Result<Self> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Of each read, not of the whole: large artifacts take their time.
            .timeout_connect(Some(settings.timeout))
            .timeout_recv_response(Some(settings.timeout))
            .timeout_per_read(Some(settings.timeout))
            .timeout_per_write(Some(settings.timeout))
            // Elsewhere nobody is told who asks, and a POST would become a GET.
            .max_redirects(0)
            // A kept connection costs 40 ms a request with the server's default workers: its answer
            // waits for an acknowledgement that comes late.
            .max_idle_connections(0)
            .user_agent(concat!("tbx/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls(&settings)?);
        let agent = config.build().new_agent();
        Ok(Self { agent, settings, has_answered: AtomicBool::new(false) })
    }

    /// The server's address, without who asks.
    pub fn uri(&self) -> &str {
        &self.settings.uri
    }

    /// Asks for `path` below the API.
    pub(crate) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        self.json(&format!("{API}{path}"), &|url| {
            let request = query.iter().fold(self.agent.get(url), |r, (k, v)| r.query(k, v));
            self.with_headers(request).call()
        })
    }

    /// The same; none if there is no such thing.
    pub(crate) fn find(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Value>> {
        let full = format!("{API}{path}");
        let send = |url: &str| {
            let request = query.iter().fold(self.agent.get(url), |r, (k, v)| r.query(k, v));
            self.with_headers(request).call()
        };
        match self.ask(&full, &send, &body, &|| Ok(None))? {
            Answer::Fine(body) => self.parse(&full, &body).map(Some),
            Answer::Refused(refused) if refused.code == "RESOURCE_DOES_NOT_EXIST" => Ok(None),
            Answer::Refused(refused) => Err(self.refused(&full, refused)),
        }
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.try_post(path, body)?.map_err(|refused| self.refused(&format!("{API}{path}"), refused))
    }

    /// The same for what must not be done twice: before it is sent again, `heard` tells whether it
    /// was done, and what its answer would have been.
    pub(crate) fn post_once(
        &self,
        path: &str,
        json: &Value,
        heard: Heard<'_, Value>,
    ) -> Result<Value> {
        let full = format!("{API}{path}");
        let heard = || Ok(heard()?.map(|answer| answer.to_string().into_bytes()));
        match self.ask(&full, &self.posting(json), &body, &heard)? {
            Answer::Fine(body) => self.parse(&full, &body),
            Answer::Refused(refused) => Err(self.refused(&full, refused)),
        }
    }

    /// The same; what the server says if it refuses.
    pub(crate) fn try_post(&self, path: &str, json: &Value) -> Result<Result<Value, Refused>> {
        let full = format!("{API}{path}");
        match self.ask(&full, &self.posting(json), &body, &|| Ok(None))? {
            Answer::Fine(body) => self.parse(&full, &body).map(Ok),
            Answer::Refused(refused) => Ok(Err(refused)),
        }
    }

    fn posting(&self, json: &Value) -> impl Fn(&str) -> Result<Response<Body>, ureq::Error> {
        let body = json.to_string();
        move |url| {
            let request = self.agent.post(url).content_type("application/json");
            self.with_headers(request).send(body.as_bytes())
        }
    }

    /// Changes a part of what is there.
    pub(crate) fn patch(&self, path: &str, json: &Value) -> Result<()> {
        let body = json.to_string();
        self.done(&format!("{API}{path}"), &|url| {
            let request = self.agent.patch(url).content_type("application/json");
            self.with_headers(request).send(body.as_bytes())
        })
    }

    /// Removes something, unless it is gone already.
    pub(crate) fn remove(&self, path: &str, json: &Value) -> Result<()> {
        let (path, text) = (format!("{API}{path}"), json.to_string());
        let send = |url: &str| {
            let request = self.agent.delete(url).force_send_body();
            self.with_headers(request.content_type("application/json")).send(text.as_bytes())
        };
        match self.ask(&path, &send, &body, &|| Ok(None))? {
            Answer::Refused(refused) if refused.code != "RESOURCE_DOES_NOT_EXIST" => {
                Err(self.refused(&path, refused))
            }
            _ => Ok(()),
        }
    }

    /// Hands an artifact to a server that keeps them itself; `path` is that behind
    /// `mlflow-artifacts:/`.
    pub(crate) fn put_artifact(&self, path: &str, content: &Content) -> Result<()> {
        let path = format!("{ARTIFACTS}/{}", utf8_percent_encode(path, PATH));
        self.done(&path, &|url| {
            let (mut reader, len) = content.open()?;
            let request = self.agent.put(url).content_type("application/octet-stream");
            let request = request.header("Content-Length", len.to_string());
            self.with_headers(request).send(SendBody::from_reader(&mut reader))
        })
    }

    /// Hands an artifact to a server whose artifacts are elsewhere, if it has up to 10 MB.
    pub(crate) fn upload_artifact(
        &self,
        run_id: &str,
        path: &str,
        content: &Content,
    ) -> Result<()> {
        self.done(UPLOAD, &|url| {
            let (mut reader, len) = content.open()?;
            let request = self.agent.post(url).query("run_uuid", run_id).query("path", path);
            let request = request.header("Content-Length", len.to_string());
            let request = self.with_headers(request.content_type("application/octet-stream"));
            request.send(SendBody::from_reader(&mut reader))
        })
    }

    /// The content of an artifact.
    pub(crate) fn artifact(&self, run_id: &str, path: &str) -> Result<impl io::Read + use<>> {
        self.download(DOWNLOAD, &[("run_id", run_id), ("path", path)])
    }

    /// The content of a file of a logged model.
    pub(crate) fn model_file(&self, id: &str, path: &str) -> Result<impl io::Read + use<>> {
        let id = utf8_percent_encode(id, PART);
        let from = format!("{MODELS}/{id}/artifacts/files");
        self.download(&from, &[("artifact_file_path", path)])
    }

    fn download(&self, from: &str, query: &[(&str, &str)]) -> Result<impl io::Read + use<>> {
        let send = |url: &str| {
            let request = query.iter().fold(self.agent.get(url), |r, (k, v)| r.query(k, v));
            self.with_headers(request).call()
        };
        match self.ask(from, &send, &Ok, &|| Ok(None))? {
            Answer::Fine(response) => Ok(response.into_body().into_reader()),
            Answer::Refused(refused) => Err(self.refused(from, refused)),
        }
    }

    fn with_headers<T>(&self, request: ureq::RequestBuilder<T>) -> ureq::RequestBuilder<T> {
        let request = match &self.settings.auth {
            Some(Auth::Basic { user, password }) => {
                let said = STANDARD.encode(format!("{user}:{password}"));
                request.header("Authorization", format!("Basic {said}"))
            }
            Some(Auth::Token(token)) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        };
        match &self.settings.workspace {
            Some(workspace) => request.header("X-MLFLOW-WORKSPACE", workspace),
            None => request,
        }
    }

    fn json(&self, path: &str, send: Send<'_>) -> Result<Value> {
        match self.ask(path, send, &body, &|| Ok(None))? {
            Answer::Fine(body) => self.parse(path, &body),
            Answer::Refused(refused) => Err(self.refused(path, refused)),
        }
    }

    fn done(&self, path: &str, send: Send<'_>) -> Result<()> {
        match self.ask(path, send, &body, &|| Ok(None))? {
            Answer::Fine(_) => Ok(()),
            Answer::Refused(refused) => Err(self.refused(path, refused)),
        }
    }

    /// Sends a request until it is answered, by an answer that would not be another next time.
    fn ask<T>(
        &self,
        path: &str,
        send: Send<'_>,
        read: Read<'_, T>,
        heard: Heard<'_, T>,
    ) -> Result<Answer<T>> {
        let url = format!("{}{path}", self.settings.uri);
        let mut pause = Duration::from_millis(500);
        let mut tries = self.settings.retries;
        loop {
            match send(&url).map(|response| (response.status(), response)) {
                Ok((status, response)) if status.is_success() => {
                    self.has_answered.store(true, Ordering::Relaxed);
                    match read(response) {
                        Ok(answer) => return Ok(Answer::Fine(answer)),
                        Err(error) if tries == 0 => return Err(self.unreachable(path, &error)),
                        Err(_) => {} // cut off in the middle
                    }
                }
                Ok((status, response)) => {
                    self.has_answered.store(true, Ordering::Relaxed);
                    let asked_for = retry_after(&response);
                    let refused = refusal(response);
                    if tries == 0 || !is_passing(status) {
                        return Ok(Answer::Refused(refused));
                    }
                    pause = asked_for.unwrap_or(pause).max(pause);
                }
                Err(error) if tries == 0 || self.is_lasting(&error) => {
                    return Err(self.unreachable(path, &error));
                }
                Err(_) => {}
            }
            tries -= 1;
            thread::sleep(jittered(pause.min(MAX_PAUSE)));
            pause *= 2;
            if let Some(answer) = heard()? {
                return Ok(Answer::Fine(answer));
            }
        }
    }

    /// Whether the next try would end like this one.
    fn is_lasting(&self, error: &ureq::Error) -> bool {
        match error {
            ureq::Error::Io(error) => match error.kind() {
                // A file that cannot be read.
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => true,
                io::ErrorKind::ConnectionRefused => !self.has_answered.load(Ordering::Relaxed),
                _ => false,
            },
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
                !self.has_answered.load(Ordering::Relaxed)
            }
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::BadUri(_) => true,
            _ => false,
        }
    }

    fn parse(&self, path: &str, body: &[u8]) -> Result<Value> {
        serde_json::from_slice(body).map_err(|error| {
            let shown = shown(&String::from_utf8_lossy(body));
            self.failed(path, format!("no answer of MLflow ({error}): {shown}"))
        })
    }

    fn unreachable(&self, path: &str, error: &ureq::Error) -> Error {
        let advice = match self.has_answered.load(Ordering::Relaxed) {
            true => "what was sent stays sent: run it again",
            false => "is the server there?",
        };
        self.failed(path, format!("{error}; {advice}"))
    }

    pub(crate) fn refused(&self, path: &str, refused: Refused) -> Error {
        let Refused { status, code, message } = refused;
        let advice = match status {
            401 => {
                "; MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, say who asks"
            }
            403 if message.contains("Host") => {
                "; the server's option --allowed-hosts must name this host"
            }
            301 | 302 | 307 | 308 => "; name that address",
            408 | 429 | 500.. => "; what was sent stays sent: run it again",
            404 | 405 if code.is_empty() => "; is this a tracking server of MLflow?",
            _ => "",
        };
        let code = if code.is_empty() { code } else { format!(" {code}") };
        self.failed(path, format!("{status}{code}: {}{advice}", shown(&message)))
    }

    pub(crate) fn failed(&self, path: &str, what: String) -> Error {
        let url = PathBuf::from(format!("{}{path}", self.settings.uri));
        ErrorKind::from(io::Error::other(what)).at(Location::path(url))
    }
}

/// Whether another try may be answered otherwise.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// The whole of an answer.
fn body(response: Response<Body>) -> Result<Vec<u8>, ureq::Error> {
    response.into_body().into_with_config().limit(MAX_ANSWER).read_to_vec()
}

/// Up to a quarter longer: clients that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(0) % 1024).unwrap_or_default();
    pause + pause * random / 4096
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get("Retry-After")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn refusal(response: Response<Body>) -> Refused {
    let status = response.status().as_u16();
    let elsewhere = response.headers().get("Location").and_then(|at| at.to_str().ok());
    let elsewhere = elsewhere.map(|at| format!("it is at {at}"));
    let read = response.into_body().into_with_config().limit(1 << 20).lossy_utf8(true);
    let text = read.read_to_string().unwrap_or_default();
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    let field = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    let message = field("message").or(elsewhere).unwrap_or(text);
    Refused { status, code: field("error_code").unwrap_or_default(), message }
}

/// The beginning of a text, in one line.
fn shown(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = words.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
    if cut.len() < words.len() { cut + "..." } else { cut }
}
