//! Speaks to a tracking server: REST, one request at a time.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

use super::settings::{Auth, Settings};
use crate::error::{Error, ErrorKind, Location, Result};

/// What begins the paths of the API.
const API: &str = "/api/2.0/mlflow";
/// Where a server that keeps artifacts itself takes and gives them.
const ARTIFACTS: &str = "/api/2.0/mlflow-artifacts/artifacts";
/// What the UI uploads by, whatever keeps the artifacts; up to 10 MB.
const UPLOAD: &str = "/ajax-api/2.0/mlflow/upload-artifact";
/// And what it downloads by.
const DOWNLOAD: &str = "/get-artifact";
/// An answer is not longer: 25,000 points of a metric take 3 MB.
const MAX_ANSWER: u64 = 256 << 20;
/// Of a page that is no answer so much is shown.
const MAX_SHOWN: usize = 300;
/// How often a server is tried that never answered.
const FIRST_RETRIES: u32 = 2;
/// The longest pause before a request is tried again.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Characters that stay in parts of paths.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &PART.remove(b'/');

/// A tracking server of MLflow.
///
/// Requests that meet a busy or failing server (408, 429, 5xx, no connection) are sent again, after
/// pauses that double. They say the same each time, and MLflow takes that as one.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    settings: Settings,
    /// Whether it ever answered.
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
    /// A file's.
    File(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

impl Content {
    /// To be read from the beginning, and how many bytes that is.
    pub(crate) fn open(&self) -> io::Result<(Box<dyn Read + '_>, u64)> {
        match self {
            Self::File(path) => {
                let file = fs::File::open(path)?;
                let len = file.metadata()?.len();
                Ok((Box::new(file), len))
            }
            Self::Bytes(bytes) => {
                Ok((Box::new(bytes.as_slice()), u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
            }
        }
    }
}

enum Answer {
    Fine(Response<Body>),
    Refused(Refused),
}

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
            .timeout_per_call(Some(settings.timeout))
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
        let answer = self.ask(&full, &|url| {
            let request = query.iter().fold(self.agent.get(url), |r, (k, v)| r.query(k, v));
            self.with_headers(request).call()
        })?;
        match answer {
            Answer::Fine(response) => self.parse(&full, response).map(Some),
            Answer::Refused(refused) if refused.code == "RESOURCE_DOES_NOT_EXIST" => Ok(None),
            Answer::Refused(refused) => Err(self.refused(&full, refused)),
        }
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        self.json(&format!("{API}{path}"), &|url| {
            let request = self.agent.post(url).content_type("application/json");
            self.with_headers(request).send(body.as_bytes())
        })
    }

    /// The same; what the server says if it refuses.
    pub(crate) fn try_post(&self, path: &str, body: &Value) -> Result<Result<Value, Refused>> {
        let full = format!("{API}{path}");
        let body = body.to_string();
        let answer = self.ask(&full, &|url| {
            let request = self.agent.post(url).content_type("application/json");
            self.with_headers(request).send(body.as_bytes())
        })?;
        match answer {
            Answer::Fine(response) => self.parse(&full, response).map(Ok),
            Answer::Refused(refused) => Ok(Err(refused)),
        }
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        self.json(&format!("{API}{path}"), &|url| {
            let request = self.agent.patch(url).content_type("application/json");
            self.with_headers(request).send(body.as_bytes())
        })
    }

    /// Hands an artifact to a server that keeps them itself; `path` is that behind
    /// `mlflow-artifacts:/`.
    pub(crate) fn put_artifact(&self, path: &str, content: &Content) -> Result<()> {
        let path = format!("{ARTIFACTS}/{}", utf8_percent_encode(path, PATH));
        let answer = self.ask(&path, &|url| {
            let (mut reader, len) = content.open()?;
            let request = self.agent.put(url).content_type("application/octet-stream");
            let request = request.header("Content-Length", len.to_string());
            self.with_headers(request).send(SendBody::from_reader(&mut reader))
        })?;
        self.done(&path, answer)
    }

    /// Hands an artifact to a server whose artifacts are elsewhere, if it has up to 10 MB.
    pub(crate) fn upload_artifact(
        &self,
        run_id: &str,
        path: &str,
        content: &Content,
    ) -> Result<()> {
        let answer = self.ask(UPLOAD, &|url| {
            let (mut reader, len) = content.open()?;
            let request = self.agent.post(url).query("run_uuid", run_id).query("path", path);
            let request = request.header("Content-Length", len.to_string());
            let request = self.with_headers(request.content_type("application/octet-stream"));
            request.send(SendBody::from_reader(&mut reader))
        })?;
        self.done(UPLOAD, answer)
    }

    /// The content of an artifact.
    pub(crate) fn artifact(&self, run_id: &str, path: &str) -> Result<impl Read> {
        let answer = self.ask(DOWNLOAD, &|url| {
            let request = self.agent.get(url).query("run_id", run_id).query("path", path);
            self.with_headers(request).call()
        })?;
        match answer {
            Answer::Fine(response) => Ok(response.into_body().into_reader()),
            Answer::Refused(refused) => Err(self.refused(DOWNLOAD, refused)),
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

    fn json(
        &self,
        path: &str,
        send: &dyn Fn(&str) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Value> {
        match self.ask(path, send)? {
            Answer::Fine(response) => self.parse(path, response),
            Answer::Refused(refused) => Err(self.refused(path, refused)),
        }
    }

    fn done(&self, path: &str, answer: Answer) -> Result<()> {
        match answer {
            Answer::Fine(_) => Ok(()),
            Answer::Refused(refused) => Err(self.refused(path, refused)),
        }
    }

    /// Sends a request until it is answered, by an answer that would not be another next time.
    fn ask(
        &self,
        path: &str,
        send: &dyn Fn(&str) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.settings.uri);
        let mut pause = Duration::from_millis(500);
        let mut tries = self.settings.retries;
        loop {
            let sent = send(&url);
            if sent.is_ok() {
                self.has_answered.store(true, Ordering::Relaxed);
            } else if !self.has_answered.load(Ordering::Relaxed) {
                // More likely a wrong address than a server that is busy.
                tries = tries.min(FIRST_RETRIES);
            }
            let failure = match sent {
                Ok(response) if response.status().is_success() => {
                    return Ok(Answer::Fine(response));
                }
                Ok(response) => {
                    let asked_for = retry_after(&response);
                    let is_final = !is_passing(response.status());
                    let refused = refusal(response);
                    if is_final || tries == 0 {
                        return Ok(Answer::Refused(refused));
                    }
                    pause = asked_for.unwrap_or(pause).max(pause);
                    None
                }
                Err(error) => Some(error),
            };
            if let Some(error) = failure {
                // A file that cannot be read will not be the next time, either.
                let is_local = matches!(&error, ureq::Error::Io(error) if is_of_file(error));
                if tries == 0 || is_local {
                    return Err(self.unreachable(path, error));
                }
            }
            tries = tries.saturating_sub(1);
            thread::sleep(pause.min(MAX_PAUSE));
            pause *= 2;
        }
    }

    fn parse(&self, path: &str, response: Response<Body>) -> Result<Value> {
        let read = response.into_body().into_with_config().limit(MAX_ANSWER).read_to_vec();
        let bytes = read.map_err(|error| self.unreachable(path, error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let shown = shown(&String::from_utf8_lossy(&bytes));
            self.failed(path, format!("no answer of MLflow ({error}): {shown}"))
        })
    }

    fn unreachable(&self, path: &str, error: ureq::Error) -> Error {
        self.failed(
            path,
            format!("{error}; is the server there? What was sent stays sent: run it again"),
        )
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
            404 if code.is_empty() => "; is this a tracking server of MLflow?",
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

fn is_of_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get("Retry-After")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn refusal(response: Response<Body>) -> Refused {
    let status = response.status().as_u16();
    let read = response.into_body().into_with_config().limit(1 << 20).lossy_utf8(true);
    let text = read.read_to_string().unwrap_or_default();
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    let field = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    let message = field("message").unwrap_or(text);
    Refused { status, code: field("error_code").unwrap_or_default(), message }
}

/// The beginning of a text, in one line.
fn shown(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = words.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
    if cut.len() < words.len() { cut + "..." } else { cut }
}

fn tls(settings: &Settings) -> Result<TlsConfig> {
    let mut tls = TlsConfig::builder().disable_verification(settings.is_insecure);
    if let Some(path) = &settings.server_certificate {
        let items = pem(path)?.into_iter();
        let certificates: Vec<Certificate<'static>> = items
            .filter_map(|item| match item {
                PemItem::Certificate(certificate) => Some(certificate),
                _ => None,
            })
            .collect();
        tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
    }
    if let Some(path) = &settings.client_certificate {
        let (mut chain, mut key): (Vec<Certificate<'static>>, Option<PrivateKey<'static>>) =
            Default::default();
        for item in pem(path)? {
            match item {
                PemItem::Certificate(certificate) => chain.push(certificate),
                PemItem::PrivateKey(found) => key = Some(found),
                _ => {}
            }
        }
        let what = "no private key in this file, which MLFLOW_TRACKING_CLIENT_CERT_PATH names";
        let key = key.ok_or_else(|| at(io::Error::other(what), path))?;
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(tls.build())
}

fn pem(path: &Path) -> Result<Vec<PemItem<'static>>> {
    let bytes = fs::read(path).map_err(|error| at(error, path))?;
    let items: Result<Vec<_>, _> = ureq::tls::parse_pem(&bytes).collect();
    items.map_err(|error| at(io::Error::other(error.to_string()), path))
}

fn at(error: io::Error, path: &Path) -> Error {
    ErrorKind::from(error).at(Location::path(path))
}
