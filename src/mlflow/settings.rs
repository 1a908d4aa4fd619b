//! Which server, and who asks.

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fmt};

use crate::error::{Error, Result};
use crate::store;

/// As MLflow's client has it.
const TIMEOUT: Duration = Duration::from_secs(120);
const RETRIES: u32 = 7;
/// Bytes of the file with credentials at most.
const MAX_CREDENTIALS: u64 = 1 << 20;

/// Which tracking server is asked, and how: what MLflow's own client takes from the same variables.
#[derive(Clone)]
pub struct Settings {
    pub(super) uri: String,
    pub(super) auth: Option<Auth>,
    pub(super) workspace: Option<String>,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) is_insecure: bool,
    pub(super) server_certificate: Option<PathBuf>,
    pub(super) client_certificate: Option<PathBuf>,
}

/// Who asks.
#[derive(Clone)]
pub(super) enum Auth {
    Basic { user: String, password: String },
    Token(String),
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl Settings {
    /// For the server at `uri`, else that of `MLFLOW_TRACKING_URI`. Who asks is told by
    /// `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD` (else by `~/.mlflow/credentials`), or
    /// by `MLFLOW_TRACKING_TOKEN`. `MLFLOW_TRACKING_INSECURE_TLS`,
    /// `MLFLOW_TRACKING_SERVER_CERT_PATH`, `MLFLOW_TRACKING_CLIENT_CERT_PATH`,
    /// `MLFLOW_HTTP_REQUEST_TIMEOUT` (120 seconds), `MLFLOW_HTTP_REQUEST_MAX_RETRIES` (7) and
    /// `MLFLOW_WORKSPACE` are heeded.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): there is no URI, or it does not begin
    /// with `http://` or `https://`.
    pub fn from_env(uri: Option<&str>) -> Result<Self> {
        let from_env = || variable("MLFLOW_TRACKING_URI");
        let Some(uri) = uri.map(str::to_owned).or_else(from_env) else {
            return Err(Error::argument("which server? --uri or MLFLOW_TRACKING_URI names it"));
        };
        let Some((scheme @ ("http" | "https"), rest)) = uri.split_once("://") else {
            let what = format!(
                "{uri:?} is no server, which begins with http:// or https://; folders are written by \
                 --to mlruns"
            );
            return Err(Error::argument(what));
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, host) = host.rsplit_once('@').map_or((None, host), |(u, h)| (Some(u), h));
        let basic = user.map(|user| {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            Auth::Basic { user: user.into(), password: password.into() }
        });
        let number = |name| variable(name).and_then(|text: String| text.parse().ok());
        let is_true = |text: String| matches!(text.to_lowercase().as_str(), "true" | "1");
        Ok(Self {
            uri: format!("{scheme}://{host}{}", path.trim_end_matches('/')),
            auth: basic.or_else(auth),
            workspace: variable("MLFLOW_WORKSPACE"),
            timeout: number("MLFLOW_HTTP_REQUEST_TIMEOUT").map_or(TIMEOUT, Duration::from_secs),
            retries: number("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
                .map_or(RETRIES, |n| u32::try_from(n).unwrap_or(RETRIES)),
            is_insecure: variable("MLFLOW_TRACKING_INSECURE_TLS").is_some_and(is_true),
            server_certificate: variable("MLFLOW_TRACKING_SERVER_CERT_PATH").map(PathBuf::from),
            client_certificate: variable("MLFLOW_TRACKING_CLIENT_CERT_PATH").map(PathBuf::from),
        })
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

/// What the section `[mlflow]` of `~/.mlflow/credentials` says, an INI file.
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
        let settings = Settings::from_env(Some("http://me:secret@host:5000/mlflow/")).unwrap();
        assert_eq!(settings.uri, "http://host:5000/mlflow");
        assert!(!format!("{settings:?}").contains("secret"));
        let Some(Auth::Basic { user, password }) = settings.auth else { panic!() };
        assert_eq!((&*user, &*password), ("me", "secret"));
        for uri in ["sqlite:///mlflow.db", "mlruns", "databricks"] {
            let said = Settings::from_env(Some(uri)).unwrap_err().to_string();
            assert!(said.contains("--to mlruns"), "{said}");
        }
    }
}
