//! Settings of a tracking server and its credentials.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fmt};

use percent_encoding::percent_decode_str;

use tbx::error::{Error, Result};
use tbx::redact;
use tbx::store;

/// The same values as MLflow's client.
const TIMEOUT: Duration = Duration::from_secs(120);
const RETRIES: u32 = 7;
/// One day, in seconds.
const MAX_TIMEOUT: u64 = 86_400;
const MAX_RETRIES: u64 = 100;
/// Maximum size in bytes of the file with credentials.
const MAX_CREDENTIALS: u64 = 1 << 20;

/// Settings of a tracking server, from the same environment variables as in MLflow's own client.
#[derive(Clone)]
pub struct ClientSettings {
    pub(super) uri: String,
    pub(super) auth: Option<Auth>,
    pub(super) workspace: Option<String>,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) is_insecure: bool,
    pub(super) server_certificate: Option<PathBuf>,
    pub(super) client_certificate: Option<PathBuf>,
}

/// Credentials.
#[derive(Clone)]
pub(super) enum Auth {
    Basic { user: String, password: String },
    Token(String),
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl ClientSettings {
    /// Settings for the server at `uri`, or at `MLFLOW_TRACKING_URI` if that is `None`. Credentials
    /// come from `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD` (otherwise from
    /// `~/.mlflow/credentials`), or from `MLFLOW_TRACKING_TOKEN`. `MLFLOW_TRACKING_INSECURE_TLS`,
    /// `MLFLOW_TRACKING_SERVER_CERT_PATH`, `MLFLOW_TRACKING_CLIENT_CERT_PATH`,
    /// `MLFLOW_HTTP_REQUEST_TIMEOUT` (default: 120 seconds), `MLFLOW_HTTP_REQUEST_MAX_RETRIES`
    /// (default: 7) and `MLFLOW_WORKSPACE` are respected.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there is no URI, it is not the URI of a
    /// server, or a variable has an invalid value.
    pub fn from_env(uri: Option<&str>) -> Result<Self> {
        let from_env = || variable("MLFLOW_TRACKING_URI");
        let Some(uri) = uri.map(str::to_owned).or_else(from_env) else {
            return Err(Error::argument(
                "no tracking server given: pass its address to `ClientSettings::from_env`, or set MLFLOW_TRACKING_URI",
            ));
        };
        let address = uri.trim();
        let (basic, plain) = match redact::split_login(address) {
            Some([scheme, login, rest]) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                let [user, password] = [user, password].map(decoded);
                (Some(Auth::Basic { user, password }), format!("{scheme}{rest}"))
            }
            None => plain_user(address),
        };
        let wrong =
            |what: &str| Err(Error::argument(format!("{:?} {what}", redact::address(address))));
        let Some((scheme @ ("http" | "https"), rest)) = plain.split_once("://") else {
            return wrong(
                "is not a server: its URI must begin with http:// or https://; to write a \
                 directory, use `MlflowTarget::Folder`",
            );
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !is_host(host) || path.contains(['?', '#']) || path.chars().any(char::is_control) {
            return wrong(
                "is not a valid server address: use http:// or https://, a host, and optionally a \
                 port and a path; in a user name or password, write %2F for /, %40 for @, %3F for \
                 ? and %23 for #",
            );
        }
        let is_true = |text: String| matches!(text.to_lowercase().as_str(), "true" | "1");
        let timeout = number("MLFLOW_HTTP_REQUEST_TIMEOUT", 1..=MAX_TIMEOUT)?;
        let retries = number("MLFLOW_HTTP_REQUEST_MAX_RETRIES", 0..=MAX_RETRIES)?;
        let settings = Self {
            uri: format!("{scheme}://{host}{}", path.trim_end_matches('/')),
            auth: basic.or_else(auth),
            workspace: variable("MLFLOW_WORKSPACE"),
            timeout: timeout.map_or(TIMEOUT, Duration::from_secs),
            retries: retries.and_then(|n| u32::try_from(n).ok()).unwrap_or(RETRIES),
            is_insecure: variable("MLFLOW_TRACKING_INSECURE_TLS").is_some_and(is_true),
            server_certificate: variable("MLFLOW_TRACKING_SERVER_CERT_PATH").map(PathBuf::from),
            client_certificate: variable("MLFLOW_TRACKING_CLIENT_CERT_PATH").map(PathBuf::from),
        };
        settings.check_headers()?;
        Ok(settings)
    }

    /// Sets the number of times that a request to a busy or failing server is retried.
    pub(crate) fn with_retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// The same with a timeout of at most `timeout`.
    #[cfg(feature = "track")]
    pub(crate) fn with_timeout_up_to(self, timeout: Duration) -> Self {
        Self { timeout: self.timeout.min(timeout), ..self }
    }

    /// Checks that values are valid in headers: a line break from a file, for example, is not.
    fn check_headers(&self) -> Result<()> {
        let token = match &self.auth {
            Some(Auth::Token(token)) => token,
            _ => "",
        };
        let workspace = self.workspace.as_deref().unwrap_or_default();
        for (name, value) in [("MLFLOW_TRACKING_TOKEN", token), ("MLFLOW_WORKSPACE", workspace)] {
            if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                let what = "contains characters that cannot be sent, such as a line break";
                return Err(Error::argument(format!("{name} {what}")));
            }
        }
        Ok(())
    }
}

/// Splits a URL into a user without a password, and the URL without that user.
fn plain_user(address: &str) -> (Option<Auth>, String) {
    let parts = address.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let at = rest.get(..end)?.rfind('@')?;
        Some((scheme, rest.get(..at)?, rest.get(at + 1..)?))
    });
    match parts {
        Some((scheme, user, rest)) => {
            let (user, password) = (decoded(user), String::new());
            (Some(Auth::Basic { user, password }), format!("{scheme}://{rest}"))
        }
        None => (None, address.to_owned()),
    }
}

/// Percent-decodes a text.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Whether a text is a host name or an IP address, with an optional port.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_of_name = |c: char| c.is_alphanumeric() || "-._[]:%".contains(c);
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    !name.is_empty() && name.chars().all(is_of_name) && is_port
}

/// The integer in a variable, if it is set.
fn number(name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>> {
    let Some(text) = variable(name) else { return Ok(None) };
    match text.trim().parse().ok().filter(|number| range.contains(number)) {
        Some(number) => Ok(Some(number)),
        None => {
            let (least, most) = (range.start(), range.end());
            let what = format!("{name} must be an integer from {least} to {most}");
            Err(Error::argument(what))
        }
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

fn auth() -> Option<Auth> {
    let names = ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"];
    let [user, password] = match names.map(variable) {
        [Some(user), Some(password)] => [Some(user), Some(password)],
        _ => credentials(names.map(str::to_lowercase)),
    };
    match (user, password) {
        (Some(user), Some(password)) => Some(Auth::Basic { user, password }),
        _ => variable("MLFLOW_TRACKING_TOKEN").map(Auth::Token),
    }
}

/// Values in the section `[mlflow]` of `~/.mlflow/credentials`, an INI file.
fn credentials(names: [String; 2]) -> [Option<String>; 2] {
    let path = env::home_dir().map(|home| home.join(".mlflow/credentials"));
    let bytes = path.and_then(|path| store::read(&path, MAX_CREDENTIALS).ok());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let section = text.lines().map(str::trim).skip_while(|line| *line != "[mlflow]").skip(1);
    let lines: Vec<_> = section.take_while(|line| !line.starts_with('[')).collect();
    names.map(|name| {
        let pairs = lines.iter().filter_map(|line| line.split_once('='));
        let mut values = pairs.filter(|(key, _)| key.trim() == name);
        values.next().map(|(_, value)| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_an_address_are_not_shown() {
        let settings =
            ClientSettings::from_env(Some("http://me:secret@host:5000/mlflow/")).unwrap();
        assert_eq!(settings.uri, "http://host:5000/mlflow");
        assert!(!format!("{settings:?}").contains("secret"));
        let Some(Auth::Basic { user, password }) = settings.auth else { panic!() };
        assert_eq!((&*user, &*password), ("me", "secret"));
        for uri in ["sqlite:///mlflow.db", "mlruns", "databricks"] {
            let said = ClientSettings::from_env(Some(uri)).unwrap_err().to_string();
            assert!(said.contains("`MlflowTarget::Folder`"), "{said}");
        }
        for (uri, server, name, secret) in [
            ("http://me:a%2Fb%40c@host", "http://host", "me", "a/b@c"),
            ("http://me:a/b@host:1/x", "http://host:1/x", "me", "a/b"),
            ("https://me:a@b@[::1]:80", "https://[::1]:80", "me", "a@b"),
            ("http://me@host", "http://host", "me", ""),
        ] {
            let settings = ClientSettings::from_env(Some(uri)).unwrap();
            let Some(Auth::Basic { user, password }) = settings.auth else { panic!("{uri}") };
            assert_eq!((&*settings.uri, &*user, &*password), (server, name, secret));
        }
        for uri in [
            "postgresql://u:hunter2@h/db",
            "mysql+pymysql://u:hun/ter2@h/db",
            "http://h?password=hunter2",
            "http://h:hunter2/x",
            "http://",
            "http:///x",
            "http://a b",
            "http://h/x#y",
            "http://u:hunter2@",
        ] {
            let said = ClientSettings::from_env(Some(uri)).unwrap_err();
            assert!(!format!("{said} {said:?}").contains("ter2"), "{said}");
        }
    }
}
