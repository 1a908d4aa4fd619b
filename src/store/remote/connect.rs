//! Parses URLs and connects to their servers.

use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::client::{HttpConnector, ReqwestConnector};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::limit::LimitStore;
use object_store::list::PaginatedListStore;
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientConfigKey, ClientOptions, HeaderMap, HeaderValue, ObjectStore, RetryConfig,
};
use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::error::failed;
use super::guard::{Guard, LeftOut};
use super::login::real;
use super::variables::{Meaning, Variables, has_sound_host, invalid};
use super::{MAX_URL, Store};
use crate::redact;
use crate::store::scheme;

/// The supported schemes.
const SCHEMES: &str = "s3, s3a, gs, az, azure, abfs, abfss, adl, http or https";
/// Maximum number of concurrent requests.
const MAX_REQUESTS: usize = 128;
/// A request that takes longer is repeated. It carries at most half a megabyte, or one part of an
/// upload.
const TIMEOUT: &str = "120 seconds";

/// The meaning of a URL.
#[derive(Debug, PartialEq)]
pub(super) struct Place {
    /// Scheme and bucket; the whole URL for a file of a web server.
    pub(super) origin: String,
    /// The key of the object in the bucket, empty for the bucket itself. It is used literally,
    /// without percent-decoding, as in the vendors' own programs.
    pub(super) key: Key,
    pub(super) is_web: bool,
    /// Whether it ends with a slash.
    pub(super) is_folder: bool,
}

impl Place {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let no_url = || invalid("not a URL in UTF-8".into());
        let url = real(path.to_str().ok_or_else(no_url)?);
        let (scheme, rest) = scheme(Path::new(&*url)).ok_or_else(no_url)?;
        let scheme = scheme.to_ascii_lowercase();
        let is_web = match scheme.as_str() {
            "http" | "https" => true,
            "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss" | "adl" => false,
            _ => return Err(invalid(format!("unknown kind of URL, not {SCHEMES}"))),
        };
        // Names that were joined to it contain the system's separators.
        let rest = if cfg!(windows) { &rest.replace('\\', "/") } else { rest };
        let (host, key) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() {
            return Err(invalid("the URL names no bucket or server".into()));
        }
        if url.len() > MAX_URL {
            return Err(invalid(format!("the URL has more than {MAX_URL} bytes")));
        }
        let file = rest.split(['?', '#']).next().unwrap_or(rest);
        let is_folder = file.ends_with('/') || !file.contains('/');
        if is_web {
            let origin = format!("{scheme}://{rest}");
            return Ok(Self { origin, key: Key::default(), is_web, is_folder });
        }
        // `container@account` is Azure's form.
        let is_of_bucket = |c: char| c.is_ascii_alphanumeric() || "-._$".contains(c);
        if redact::split_login(&url).is_some() || host.contains(':') {
            let what =
                "the URL contains a user or a password: set credentials in environment variables";
            return Err(invalid(what.into()));
        }
        let is_azure = !matches!(scheme.as_str(), "s3" | "s3a" | "gs");
        if !host.chars().all(|c| is_of_bucket(c) || (is_azure && c == '@')) {
            return Err(invalid("the bucket in the URL is not a valid name".into()));
        }
        let key = Key::parse(key).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { origin: format!("{scheme}://{host}"), key, is_web, is_folder })
    }
}

/// Connects to the store of a place's origin. Credentials and endpoints come from the variables
/// that the vendors' own programs use.
pub(super) fn connect(origin: &str) -> io::Result<Store> {
    // The first provider that is installed is kept: a program may have chosen another one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    connect_by(origin, ReqwestConnector::default, Variables::of_process)
}

/// The same with a given connector and variables.
fn connect_by<C: HttpConnector>(
    origin: &str,
    connector: impl Fn() -> C,
    variables: impl Fn(&'static str) -> Variables,
) -> io::Result<Store> {
    let left_out = LeftOut::default();
    let guard = Guard { connector: connector(), left_out: left_out.clone() };
    let (objects, lists): (_, Option<Box<dyn PaginatedListStore>>) =
        match origin.split(':').next().unwrap_or_default() {
            "http" | "https" => (limited(web(origin, guard)?), None),
            "s3" | "s3a" => {
                let store = s3(origin, guard, &variables("AWS_"))?;
                (limited(store.clone()), Some(Box::new(store)))
            }
            "gs" => {
                let store = google(origin, guard, &variables("GOOGLE_"))?;
                (limited(store.clone()), Some(Box::new(store)))
            }
            _ => {
                let store = azure(origin, guard, &variables("AZURE_"))?;
                (limited(store.clone()), Some(Box::new(store)))
            }
        };
    Ok(Store { objects, lists, left_out, known: Mutex::default(), whole: Mutex::default() })
}

fn limited(store: impl ObjectStore) -> Box<dyn ObjectStore> {
    Box::new(LimitStore::new(store, MAX_REQUESTS))
}

fn s3(
    origin: &str,
    guard: Guard<impl HttpConnector>,
    variables: &Variables,
) -> io::Result<AmazonS3> {
    use AmazonS3ConfigKey as Key;
    let builder = AmazonS3Builder::new().with_url(origin).with_retry(retry());
    let builder = builder.with_config(Key::Client(ClientConfigKey::Timeout), TIMEOUT);
    let meaning = |key: &Key| match key {
        Key::Endpoint | Key::S3Endpoint => Meaning::Endpoint,
        Key::MetadataEndpoint | Key::ContainerCredentialsFullUri | Key::StsEndpoint => {
            Meaning::Address
        }
        Key::Client(key) => of_client(key),
        _ => Meaning::Header,
    };
    let checked = variables.checked(|name| name.parse().ok(), meaning)?;
    if let Some((_, region)) =
        checked.iter().find(|(key, _)| matches!(key, Key::Region | Key::DefaultRegion))
    {
        is_part_of_host("AWS_REGION", region)?;
    }
    if let Some((_, uri)) =
        checked.iter().find(|(key, _)| *key == Key::ContainerCredentialsRelativeUri)
        && (!uri.starts_with('/') || uri.contains(char::is_whitespace))
    {
        let what = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path that begins with /";
        return Err(invalid(what.into()));
    }
    let builder =
        checked.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value));
    builder.with_http_connector(guard).build().map_err(failed)
}

fn google(
    origin: &str,
    guard: Guard<impl HttpConnector>,
    variables: &Variables,
) -> io::Result<GoogleCloudStorage> {
    use GoogleConfigKey as Key;
    let builder = GoogleCloudStorageBuilder::new().with_url(origin).with_retry(retry());
    let builder = builder.with_config(Key::Client(ClientConfigKey::Timeout), TIMEOUT);
    let meaning = |key: &Key| match key {
        Key::BaseUrl => Meaning::Endpoint,
        Key::ServiceAccount | Key::ServiceAccountKey | Key::ApplicationCredentials => {
            Meaning::Other
        }
        Key::Client(key) => of_client(key),
        _ => Meaning::Header,
    };
    let checked = variables.checked(|name| name.parse().ok(), meaning)?;
    for (key, value) in &checked {
        let base = match key {
            Key::ServiceAccountKey => base_url(value.as_bytes()),
            Key::ServiceAccount => std::fs::read(value).ok().and_then(|json| base_url(&json)),
            _ => None,
        };
        if let Some(base) = base {
            variables.endpoint("the gcs_base_url of the service account", &base)?;
        }
    }
    let builder =
        checked.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value));
    builder.with_http_connector(guard).build().map_err(failed)
}

/// The base URL of the store in a service account key.
fn base_url(json: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(json).ok()?;
    Some(json.get("gcs_base_url")?.as_str()?.to_owned())
}

fn azure(
    origin: &str,
    guard: Guard<impl HttpConnector>,
    variables: &Variables,
) -> io::Result<MicrosoftAzure> {
    use AzureConfigKey as Key;
    let builder = MicrosoftAzureBuilder::new().with_url(origin).with_retry(retry());
    let builder = builder.with_config(Key::Client(ClientConfigKey::Timeout), TIMEOUT);
    let meaning = |key: &Key| match key {
        Key::Endpoint => Meaning::Endpoint,
        Key::AuthorityHost
        | Key::MsiEndpoint
        | Key::FabricTokenServiceUrl
        | Key::FabricWorkloadHost => Meaning::Address,
        Key::FederatedTokenFile => Meaning::Other,
        Key::Client(key) => of_client(key),
        _ => Meaning::Header,
    };
    let checked = variables.checked(|name| name.parse().ok(), meaning)?;
    if let Some((_, account)) = checked.iter().find(|(key, _)| *key == Key::AccountName) {
        is_part_of_host("AZURE_STORAGE_ACCOUNT_NAME", account)?;
    }
    let builder =
        checked.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value));
    builder.with_http_connector(guard).build().map_err(failed)
}

fn of_client(key: &ClientConfigKey) -> Meaning {
    match key {
        ClientConfigKey::ProxyUrl | ClientConfigKey::ProxyCaCertificate => Meaning::Other,
        _ => Meaning::Header,
    }
}

/// Checks that a value is valid in a host name.
fn is_part_of_host(name: &str, value: &str) -> io::Result<()> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match is_plain {
        true => Ok(()),
        false => Err(invalid(format!("{name} has characters that are not allowed in it"))),
    }
}

fn web(origin: &str, guard: Guard<impl HttpConnector>) -> io::Result<impl ObjectStore> {
    let (url, login) = match redact::split_login(origin) {
        // Split as typed, because a parser would fail on characters in the login.
        Some([scheme, login, rest]) => {
            (parsed(&format!("{scheme}{rest}"))?, Some(login.to_owned()))
        }
        None => {
            let mut url = parsed(origin)?;
            let user = Some(url.username().to_owned()).filter(|user| !user.is_empty());
            let is_set = url.set_username("");
            is_set.map_err(|()| invalid("this URL cannot have a user".into()))?;
            (url, user)
        }
    };
    // A request to an encrypted URL must stay encrypted: no server may redirect it to plain HTTP.
    let is_plain = url.scheme() == "http";
    let mut options = ClientOptions::new()
        .with_allow_http(is_plain)
        .with_config(ClientConfigKey::Timeout, TIMEOUT);
    if let Some(login) = login {
        options = options.with_default_headers(basic(&login)?);
    }
    let builder = HttpBuilder::new().with_url(url).with_client_options(options).with_retry(retry());
    builder.with_http_connector(guard).build().map_err(failed)
}

/// The header with the credentials. It is sent to no other server.
fn basic(login: &str) -> io::Result<HeaderMap> {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let [user, password] =
        [user, password].map(|text| percent_decode_str(text).collect::<Vec<u8>>());
    let said = STANDARD.encode([user.as_slice(), b":", password.as_slice()].concat());
    let mut value = HeaderValue::from_str(&format!("Basic {said}"))
        .map_err(|_| invalid("the user or the password cannot be sent".into()))?;
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert("authorization", value);
    Ok(headers)
}

fn parsed(url: &str) -> io::Result<Url> {
    let parsed = Url::parse(url).map_err(|error| invalid(format!("not a valid URL: {error}")))?;
    match has_sound_host(&parsed) {
        true => Ok(parsed),
        false => Err(invalid("not a valid URL: it names no server".into())),
    }
}

/// A server that is down is reported within half a minute.
fn retry() -> RetryConfig {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(8), ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: 6, retry_timeout: Duration::from_secs(240) }
}

#[cfg(test)]
mod tests;
