//! Speaks to a tracking server: REST, one request at a time.

use std::collections::hash_map::RandomState;
use std::fmt;
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
use tbx::budget::{self, Limited, Spent};
use tbx::error::{Error, ErrorKind, Location, Result};
use tbx::store::Root;

/// What begins the paths of the API.
pub(super) const API: &str = "/api/2.0/mlflow";
/// Where a server that keeps artifacts itself takes and gives them.
const ARTIFACTS: &str = "/api/2.0/mlflow-artifacts/artifacts";
/// What the UI uploads by, whatever keeps the artifacts; up to 10 MB.
const UPLOAD: &str = "/ajax-api/2.0/mlflow/upload-artifact";
/// And what it downloads by.
const DOWNLOAD: &str = "/get-artifact";
/// The same of the models that runs logged.
const MODELS: &str = "/ajax-api/2.0/mlflow/logged-models";
/// Bytes of a page of a list: 25,000 points of a metric take 3 MB, a thousand runs up to 100.
const MAX_PAGE: u64 = 256 << 20;
/// Bytes of any other answer, and values in it.
const MAX_ANSWER: u64 = 64 << 20;
const MAX_VALUES: usize = 500_000;
/// Bytes of a refusal that are read.
const MAX_REFUSAL: u64 = 1 << 20;
/// Bytes of a file of which no list tells how long it is.
const MAX_UNLISTED: u64 = 10 << 30;
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
pub struct Client {
    agent: Agent,
    settings: Settings,
    /// Whether the server said anything yet.
    has_answered: AtomicBool,
}

/// How it is reached may have a password in it.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
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

impl Refused {
    /// Whether the server does not know the question.
    pub(super) const fn is_unknown(&self) -> bool {
        matches!(self.status, 404 | 405)
    }
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
        self.try_get(path, query)?.map_err(|refused| self.refused(&format!("{API}{path}"), refused))
    }

    fn try_get(&self, path: &str, query: &[(&str, &str)]) -> Result<Result<Value, Refused>> {
        let full = format!("{API}{path}");
        match self.ask(&full, &self.getting(query), &self.answer(), &|| Ok(None))? {
            Answer::Fine(body) => self.parse(&full, &body).map(Ok),
            Answer::Refused(refused) => Ok(Err(refused)),
        }
    }

    fn getting(
        &self,
        query: &[(&str, &str)],
    ) -> impl Fn(&str) -> Result<Response<Body>, ureq::Error> {
        move |url| {
            let request = query.iter().fold(self.agent.get(url), |r, (k, v)| r.query(k, v));
            self.with_headers(request).call()
        }
    }

    /// A page of a list, as it came.
    pub(super) fn get_page(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<u8>> {
        let full = format!("{API}{path}");
        match self.ask(&full, &self.getting(query), &self.page(), &|| Ok(None))? {
            Answer::Fine(body) => Ok(body),
            Answer::Refused(refused) => Err(self.refused(&full, refused)),
        }
    }

    /// The same; none if there is no such thing.
    pub(super) fn find_page(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Vec<u8>>> {
        let full = format!("{API}{path}");
        match self.ask(&full, &self.getting(query), &self.page(), &|| Ok(None))? {
            Answer::Fine(body) => Ok(Some(body)),
            Answer::Refused(refused) if refused.code == "RESOURCE_DOES_NOT_EXIST" => Ok(None),
            Answer::Refused(refused) => Err(self.refused(&full, refused)),
        }
    }

    /// A page of what a search finds, as it came; what the server says if it refuses.
    pub(super) fn post_page(&self, path: &str, json: &Value) -> Result<Result<Vec<u8>, Refused>> {
        let full = format!("{API}{path}");
        match self.ask(&full, &self.posting(json), &self.page(), &|| Ok(None))? {
            Answer::Fine(body) => Ok(Ok(body)),
            Answer::Refused(refused) => Ok(Err(refused)),
        }
    }

    /// Reads an answer whole.
    fn answer(&self) -> impl Fn(Response<Body>) -> Result<Vec<u8>, ureq::Error> {
        self.reading(MAX_ANSWER)
    }

    /// Reads a page of a list whole.
    fn page(&self) -> impl Fn(Response<Body>) -> Result<Vec<u8>, ureq::Error> {
        self.reading(MAX_PAGE)
    }

    fn reading(&self, max: u64) -> impl Fn(Response<Body>) -> Result<Vec<u8>, ureq::Error> {
        let patience = self.settings.timeout;
        move |response| {
            let mut bytes = Vec::new();
            let mut body = Limited::new(response.into_body().into_reader(), max, patience);
            io::Read::read_to_end(&mut body, &mut bytes)?;
            Ok(bytes)
        }
    }

    /// The same; none if the server does not know the question, as older ones.
    pub(crate) fn get_if_known(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Value>> {
        match self.try_get(path, query)? {
            Ok(answer) => Ok(Some(answer)),
            Err(refused) if refused.is_unknown() => Ok(None),
            Err(refused) => Err(self.refused(&format!("{API}{path}"), refused)),
        }
    }

    /// The same; none if there is no such thing.
    pub(crate) fn find(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Value>> {
        match self.try_get(path, query)? {
            Ok(answer) => Ok(Some(answer)),
            Err(refused) if refused.code == "RESOURCE_DOES_NOT_EXIST" => Ok(None),
            Err(refused) => Err(self.refused(&format!("{API}{path}"), refused)),
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
        match self.ask(&full, &self.posting(json), &self.answer(), &heard)? {
            Answer::Fine(body) => self.parse(&full, &body),
            Answer::Refused(refused) => Err(self.refused(&full, refused)),
        }
    }

    /// The same; what the server says if it refuses.
    pub(crate) fn try_post(&self, path: &str, json: &Value) -> Result<Result<Value, Refused>> {
        let full = format!("{API}{path}");
        match self.ask(&full, &self.posting(json), &self.answer(), &|| Ok(None))? {
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
        match self.ask(&path, &send, &self.answer(), &|| Ok(None))? {
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

    /// The content of an artifact, of which a list says how many bytes it has.
    pub(crate) fn artifact(
        &self,
        run_id: &str,
        path: &str,
        listed: Option<u64>,
    ) -> Result<impl io::Read + use<>> {
        self.download(DOWNLOAD, &[("run_id", run_id), ("path", path)], listed)
    }

    /// The content of a file of a logged model.
    pub(crate) fn model_file(
        &self,
        id: &str,
        path: &str,
        listed: Option<u64>,
    ) -> Result<impl io::Read + use<>> {
        let id = utf8_percent_encode(id, PART);
        let from = format!("{MODELS}/{id}/artifacts/files");
        self.download(&from, &[("artifact_file_path", path)], listed)
    }

    fn download(
        &self,
        from: &str,
        query: &[(&str, &str)],
        listed: Option<u64>,
    ) -> Result<impl io::Read + use<>> {
        match self.ask(from, &self.getting(query), &Ok, &|| Ok(None))? {
            Answer::Fine(response) => {
                // Who copies it tells one byte more from the end.
                let max = listed.map_or(MAX_UNLISTED, |size| size.saturating_add(1));
                let body = response.into_body().into_reader();
                Ok(Limited::new(body, max, self.settings.timeout))
            }
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

    fn done(&self, path: &str, send: Send<'_>) -> Result<()> {
        match self.ask(path, send, &self.answer(), &|| Ok(None))? {
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
                        Err(error) if tries == 0 || self.is_lasting(&error) => {
                            return Err(self.unreachable(path, &error));
                        }
                        Err(_) => {} // cut off in the middle
                    }
                }
                Ok((status, response)) => {
                    self.has_answered.store(true, Ordering::Relaxed);
                    let asked_for = retry_after(&response);
                    let refused = self.refusal(response);
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
            pause = pause.min(MAX_PAUSE);
            thread::sleep(jittered(pause));
            pause *= 2;
            if let Some(answer) = heard()? {
                return Ok(Answer::Fine(answer));
            }
        }
    }

    fn refusal(&self, response: Response<Body>) -> Refused {
        let status = response.status().as_u16();
        let elsewhere = response.headers().get("Location").and_then(|at| at.to_str().ok());
        let elsewhere = elsewhere.map(|at| format!("it is at {at}"));
        let body = response.into_body().into_reader();
        let mut body = Limited::new(body, MAX_REFUSAL, self.settings.timeout);
        let mut bytes = Vec::new();
        // As far as it came: the status says enough.
        let _ = io::Read::read_to_end(&mut body, &mut bytes);
        let json = budget::values(&bytes, MAX_VALUES).ok();
        let json: Value =
            json.and_then(|()| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let field = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        let message = field("message").or(elsewhere).unwrap_or_else(text);
        Refused { status, code: field("error_code").unwrap_or_default(), message }
    }

    /// Whether the next try would end like this one.
    fn is_lasting(&self, error: &ureq::Error) -> bool {
        match error {
            // What asks for too much once does so again.
            ureq::Error::Io(error) if spent(error).is_some() => true,
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
        budget::values(body, MAX_VALUES).map_err(|spent| self.failed(path, spent.to_string()))?;
        serde_json::from_slice(body).map_err(|error| self.no_answer(path, &error, body))
    }

    pub(super) fn no_answer(&self, path: &str, error: &serde_json::Error, body: &[u8]) -> Error {
        let start = body.get(..body.len().min(4 * MAX_SHOWN)).unwrap_or_default();
        let shown = shown(&String::from_utf8_lossy(start));
        self.failed(path, format!("no answer of MLflow ({error}): {shown}"))
    }

    fn unreachable(&self, path: &str, error: &ureq::Error) -> Error {
        let advice = match error {
            ureq::Error::Io(error) if matches!(spent(error), Some(Spent::Rate(..))) => {
                "the server is at fault, or MLFLOW_HTTP_REQUEST_TIMEOUT must be longer"
            }
            ureq::Error::Io(error) if spent(error).is_some() => "the server is at fault",
            ureq::Error::Timeout(_) => {
                "MLFLOW_HTTP_REQUEST_TIMEOUT and MLFLOW_HTTP_REQUEST_MAX_RETRIES allow more; what was sent \
                 stays sent: run it again"
            }
            _ if self.has_answered.load(Ordering::Relaxed) => {
                "what was sent stays sent: run it again"
            }
            _ => "is the server there?",
        };
        let what = match error {
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        self.failed_as(io::ErrorKind::NotConnected, path, format!("{what}; {advice}"))
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
        let message = format!("{}{advice}", shown(&message));
        ErrorKind::Server { status, code: shown(&code), message }.at(self.location(path))
    }

    pub(crate) fn failed(&self, path: &str, what: String) -> Error {
        self.failed_as(io::ErrorKind::Other, path, what)
    }

    fn failed_as(&self, kind: io::ErrorKind, path: &str, what: String) -> Error {
        ErrorKind::from(io::Error::new(kind, what)).at(self.location(path))
    }

    fn location(&self, path: &str) -> Location {
        Location::of(PathBuf::from(format!("{}{path}", self.settings.uri)))
    }
}

/// Whether another try may be answered otherwise.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// Which limit an error is about, if it is about one.
fn spent(error: &io::Error) -> Option<&Spent> {
    error.get_ref()?.downcast_ref()
}

/// Up to a quarter longer: clients that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(0) % 1024).unwrap_or_default();
    pause + pause * random / 4096
}

/// How long the server wants to be left alone; no longer than is waited for. A date is not heeded.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get("Retry-After")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_PAUSE))
}

/// The beginning of a text, in one line.
fn shown(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = words.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
    if cut.len() < words.len() { cut + "..." } else { cut }
}
