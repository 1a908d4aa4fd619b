//! Client of a tracking server: REST, one request at a time.

mod failure;

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

use super::settings::{Auth, ClientSettings};
use super::tls::tls;
pub(crate) use failure::Refused;
use tbx::budget::Limited;
use tbx::error::Result;
use tbx::store::Root;

/// Prefix of the paths of the API.
pub(super) const API: &str = "/api/2.0/mlflow";
/// Path for artifacts on a server that stores them itself.
const ARTIFACTS: &str = "/api/2.0/mlflow-artifacts/artifacts";
/// Path through which the UI uploads, wherever the artifacts are stored; up to 10 MB.
const UPLOAD: &str = "/ajax-api/2.0/mlflow/upload-artifact";
/// Path through which the UI downloads.
const DOWNLOAD: &str = "/get-artifact";
/// The same for models that runs logged.
const MODELS: &str = "/ajax-api/2.0/mlflow/logged-models";
/// Maximum size in bytes of a page of a list: 25,000 points of a metric take 3 MB, 1000 runs up to
/// 100 MB.
const MAX_PAGE: u64 = 256 << 20;
/// Maximum size in bytes of any other response.
const MAX_ANSWER: u64 = 64 << 20;
/// Maximum size in bytes of a file whose size is not in any list.
const MAX_UNLISTED: u64 = 10 << 30;
/// Maximum pause before a request is retried.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Characters that are not encoded in parts of paths.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &PART.remove(b'/');

/// A tracking server of MLflow.
///
/// Requests to a busy or failing server (408, 429, 5xx, a lost connection) are retried after pauses
/// that double. Retries have the same content, and MLflow ignores duplicates of most requests;
/// before it retries any other request, the client asks whether the first attempt succeeded. It
/// does not wait for a server that has never responded.
///
/// ```no_run
/// use tbx_runs::trackers::mlflow::{Client, ClientSettings};
///
/// let client = Client::new(ClientSettings::from_env(Some("http://127.0.0.1:5000"))?)?;
/// println!("{}", client.uri());
/// # Ok::<(), tbx::Error>(())
/// ```
pub struct Client {
    agent: Agent,
    settings: ClientSettings,
    /// Whether the server has responded yet.
    has_answered: AtomicBool,
}

/// The settings may contain a password.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The content of an artifact.
#[derive(Debug)]
pub(crate) enum Content {
    /// The content of a file in a directory.
    File(Root, PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

impl Content {
    /// A reader from the beginning, and the size in bytes.
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
/// Checks whether a request succeeded although its response was lost.
type Heard<'h, T> = &'h dyn Fn() -> Result<Option<T>>;

impl Client {
    /// A client for these settings; it sends nothing yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): a certificate cannot be read;
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): no server has such a URI.
    pub fn new(settings: ClientSettings) -> Result<Self> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A limit for each read, not for the whole body: large artifacts take long.
            .timeout_connect(Some(settings.timeout))
            .timeout_recv_response(Some(settings.timeout))
            .timeout_per_read(Some(settings.timeout))
            .timeout_per_write(Some(settings.timeout))
            // A redirect would send the credentials elsewhere or drop them, and turn a POST into a
            // GET.
            .max_redirects(0)
            // With the server's default workers, a kept connection costs 40 ms per request: its
            // response waits for a late acknowledgement.
            .max_idle_connections(0)
            .user_agent(concat!("tbx/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls(&settings)?);
        let agent = config.build().new_agent();
        Ok(Self { agent, settings, has_answered: AtomicBool::new(false) })
    }

    /// The server's address, without credentials.
    pub fn uri(&self) -> &str {
        &self.settings.uri
    }

    /// Requests `path` below the API.
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

    /// A page of a list, unparsed.
    pub(super) fn get_page(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<u8>> {
        let full = format!("{API}{path}");
        match self.ask(&full, &self.getting(query), &self.page(), &|| Ok(None))? {
            Answer::Fine(body) => Ok(body),
            Answer::Refused(refused) => Err(self.refused(&full, refused)),
        }
    }

    /// Like [`get_page`](Self::get_page); `None` if the object does not exist.
    pub(super) fn find_page(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Vec<u8>>> {
        let full = format!("{API}{path}");
        match self.ask(&full, &self.getting(query), &self.page(), &|| Ok(None))? {
            Answer::Fine(body) => Ok(Some(body)),
            Answer::Refused(refused) if refused.code == "RESOURCE_DOES_NOT_EXIST" => Ok(None),
            Answer::Refused(refused) => Err(self.refused(&full, refused)),
        }
    }

    /// A page of search results, unparsed; the server's reason if it refuses.
    pub(super) fn post_page(&self, path: &str, json: &Value) -> Result<Result<Vec<u8>, Refused>> {
        let full = format!("{API}{path}");
        match self.ask(&full, &self.posting(json), &self.page(), &|| Ok(None))? {
            Answer::Fine(body) => Ok(Ok(body)),
            Answer::Refused(refused) => Ok(Err(refused)),
        }
    }

    /// Reads a whole response.
    fn answer(&self) -> impl Fn(Response<Body>) -> Result<Vec<u8>, ureq::Error> {
        self.reading(MAX_ANSWER)
    }

    /// Reads a whole page of a list.
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

    /// Like [`get`](Self::get); `None` if the server does not support the request, as older ones.
    pub(crate) fn get_if_known(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Value>> {
        match self.try_get(path, query)? {
            Ok(answer) => Ok(Some(answer)),
            Err(refused) if refused.is_unknown() => Ok(None),
            Err(refused) => Err(self.refused(&format!("{API}{path}"), refused)),
        }
    }

    /// Like [`get`](Self::get); `None` if the object does not exist.
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

    /// Like [`post`](Self::post), for requests that must not be executed twice: before a retry,
    /// `heard` checks whether the first attempt succeeded, and returns the response that it would
    /// have had.
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

    /// Like [`post`](Self::post); returns the server's reason if it refuses.
    pub(crate) fn try_post(&self, path: &str, json: &Value) -> Result<Result<Value, Refused>> {
        let full = format!("{API}{path}");
        match self.ask(&full, &self.posting(json), &self.answer(), &|| Ok(None))? {
            Answer::Fine(body) => self.parse(&full, &body).map(Ok),
            Answer::Refused(refused) => Ok(Err(refused)),
        }
    }

    /// Like [`try_post`](Self::try_post), for a request that not every server executes only once: `is_done` checks
    /// before a retry whether the first attempt succeeded.
    pub(crate) fn try_post_once(
        &self,
        path: &str,
        json: &Value,
        is_done: &dyn Fn() -> Result<bool>,
    ) -> Result<Result<(), Refused>> {
        let full = format!("{API}{path}");
        let heard = || Ok(is_done()?.then(Vec::new));
        match self.ask(&full, &self.posting(json), &self.answer(), &heard)? {
            Answer::Fine(_) => Ok(Ok(())),
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

    /// Changes a part of an existing object.
    pub(crate) fn patch(&self, path: &str, json: &Value) -> Result<()> {
        let body = json.to_string();
        self.done(&format!("{API}{path}"), &|url| {
            let request = self.agent.patch(url).content_type("application/json");
            self.with_headers(request).send(body.as_bytes())
        })
    }

    /// Removes an object, unless it is already gone.
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

    /// Uploads an artifact to a server that stores artifacts itself; `path` is the part after
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

    /// Uploads an artifact of up to 10 MB to a server whose artifacts are stored elsewhere.
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

    /// The content of an artifact whose size in bytes comes from a list.
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
                // One more byte lets the caller detect a file that is too long.
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

    /// Sends a request until it gets a response that a retry would not change.
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
}

/// Whether a retry may succeed.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// Adds up to a quarter, so that clients that failed together do not retry together.
fn jittered(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(0) % 1024).unwrap_or_default();
    pause + pause * random / 4096
}

/// The pause that the server asks for, up to the maximum pause. A date is ignored.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get("Retry-After")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_PAUSE))
}
