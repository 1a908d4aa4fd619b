//! Requests that a server refused, and those that it did not answer.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use serde_json::Value;
use ureq::Body;
use ureq::http::Response;

use super::Client;
use tbx::budget::{self, Limited, Spent};
use tbx::error::{Error, ErrorKind, Result, failed};

/// Maximum number of values in a response.
const MAX_VALUES: usize = 500_000;
/// Maximum number of bytes of a refusal that are read.
const MAX_REFUSAL: u64 = 1 << 20;
/// Maximum number of characters that are shown of a page that is not a valid response.
const MAX_SHOWN: usize = 300;

/// The server's reason for refusing a request.
#[derive(Debug)]
pub(crate) struct Refused {
    /// HTTP status.
    pub(crate) status: u16,
    /// MLflow's error code, such as `RESOURCE_DOES_NOT_EXIST`.
    pub(crate) code: String,
    /// The server's message.
    pub(crate) message: String,
}

impl Refused {
    /// Whether the server does not support the request.
    pub(in super::super) const fn is_unknown(&self) -> bool {
        matches!(self.status, 404 | 405)
    }
}

impl Client {
    pub(super) fn refusal(&self, response: Response<Body>) -> Refused {
        let status = response.status().as_u16();
        let elsewhere = response.headers().get("Location").and_then(|at| at.to_str().ok());
        let elsewhere = elsewhere.map(|at| format!("it has moved to {at}"));
        let body = response.into_body().into_reader();
        let mut body = Limited::new(body, MAX_REFUSAL, self.settings.timeout);
        let mut bytes = Vec::new();
        // Reads as much as arrives: the status is enough.
        let _ = io::Read::read_to_end(&mut body, &mut bytes);
        let json = budget::values(&bytes, MAX_VALUES).ok();
        let json: Value =
            json.and_then(|()| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let field = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        let message = field("message").or(elsewhere).unwrap_or_else(text);
        Refused { status, code: field("error_code").unwrap_or_default(), message }
    }

    /// Whether a retry would fail in the same way.
    pub(super) fn is_lasting(&self, error: &ureq::Error) -> bool {
        match error {
            // A response that exceeds a limit would do so again.
            ureq::Error::Io(error) if spent(error).is_some() => true,
            ureq::Error::Io(error) if is_local(error) => true,
            ureq::Error::Io(error) => match error.kind() {
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

    pub(super) fn parse(&self, path: &str, body: &[u8]) -> Result<Value> {
        budget::values(body, MAX_VALUES).map_err(|spent| self.failed(path, spent.to_string()))?;
        serde_json::from_slice(body).map_err(|error| self.no_answer(path, &error, body))
    }

    pub(in super::super) fn no_answer(
        &self,
        path: &str,
        error: &serde_json::Error,
        body: &[u8],
    ) -> Error {
        let start = body.get(..body.len().min(4 * MAX_SHOWN)).unwrap_or_default();
        let shown = shown(&String::from_utf8_lossy(start));
        self.failed(path, format!("not a response from MLflow ({error}): {shown}"))
    }

    pub(super) fn unreachable(&self, path: &str, error: &ureq::Error) -> Error {
        let advice = match error {
            ureq::Error::Io(error) if matches!(spent(error), Some(Spent::Rate(..))) => {
                "the server is at fault, or MLFLOW_HTTP_REQUEST_TIMEOUT is too short"
            }
            ureq::Error::Io(error) if spent(error).is_some() => "the server is at fault",
            ureq::Error::Timeout(_) => {
                "raise MLFLOW_HTTP_REQUEST_TIMEOUT or MLFLOW_HTTP_REQUEST_MAX_RETRIES; run it \
                 again to send the rest"
            }
            _ if self.has_answered.load(Ordering::Relaxed) => "run it again to send the rest",
            _ => "is the server running?",
        };
        let what = match error {
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        // The server may be reached later, but a bad certificate, a response that is too long and a local file that cannot
        // be read stay that way.
        let kind = match error {
            ureq::Error::Io(error) if spent(error).is_some() => io::ErrorKind::InvalidData,
            ureq::Error::Io(error) if is_local(error) => error.kind(),
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::BadUri(_) => {
                io::ErrorKind::InvalidData
            }
            _ => io::ErrorKind::NotConnected,
        };
        self.failed_as(kind, path, format!("{what}; {advice}"))
    }

    pub(crate) fn refused(&self, path: &str, refused: Refused) -> Error {
        let Refused { status, code, message } = refused;
        let advice = match status {
            401 => {
                "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or \
                 MLFLOW_TRACKING_TOKEN"
            }
            403 if message.contains("Host") => {
                "; add this host to the server's option --allowed-hosts"
            }
            301 | 302 | 307 | 308 => "; use that address",
            408 | 429 | 500.. => "; run it again to send the rest",
            404 | 405 if code.is_empty() => "; is this an MLflow tracking server?",
            _ => "",
        };
        let message = format!("{}{advice}", shown(&message));
        failed(ErrorKind::Server { status, code: shown(&code), message }, self.url(path))
    }

    pub(crate) fn failed(&self, path: &str, what: String) -> Error {
        self.failed_as(io::ErrorKind::Other, path, what)
    }

    pub(super) fn failed_as(&self, kind: io::ErrorKind, path: &str, what: String) -> Error {
        failed(io::Error::new(kind, what), self.url(path))
    }

    pub(super) fn url(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("{}{path}", self.settings.uri))
    }
}

/// Whether an error is about a file that is sent.
fn is_local(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// The limit that an error is about, if any.
fn spent(error: &io::Error) -> Option<&Spent> {
    error.get_ref()?.downcast_ref()
}

/// The beginning of a text, on one line.
fn shown(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = words.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
    if cut.len() < words.len() { cut + "..." } else { cut }
}
