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
mod tests {
    use std::future::Future;
    use std::pin::Pin;

    use object_store::ObjectStoreExt;
    use object_store::client::{
        HttpClient, HttpError, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    };

    use super::*;

    fn place(url: &str) -> (String, String) {
        let place = Place::of(Path::new(url)).unwrap();
        (place.origin, place.key.to_string())
    }

    #[test]
    fn a_url_is_a_bucket_and_a_key_as_it_stands() {
        let of = |url, origin: &str, key: &str| assert_eq!(place(url), (origin.into(), key.into()));
        of("s3://b", "s3://b", "");
        of("S3://b/", "s3://b", "");
        of("s3://b/a b/c%20d/é/", "s3://b", "a b/c%20d/é");
        of("gs://b/x?y#z", "gs://b", "x?y#z");
        of("abfss://c@a.dfs.core.windows.net/p", "abfss://c@a.dfs.core.windows.net", "p");
        of("https://h:1/a/b?c=d/e", "https://h:1/a/b?c=d/e", "");
        let long = format!("s3://b/{}", "x".repeat(MAX_URL));
        for url in [
            "s3:///x",
            "ftp://h/x",
            "s3://b/a//c",
            "s3://b/../c",
            "s3://b/a\nb",
            "s3://key:secret@b/c",
            "s3://b:9/c",
            "s3://a b/c",
            "s3://b?/c",
            "gs://b@c/d",
            &long,
        ] {
            assert!(Place::of(Path::new(url)).is_err(), "{url}");
        }
    }

    /// Answers everything with 404 and connects to no server.
    #[derive(Debug, Clone, Copy)]
    struct Nobody {
        /// Whether the options are validated, which takes long.
        is_strict: bool,
    }

    impl HttpConnector for Nobody {
        fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
            if self.is_strict {
                ReqwestConnector::default().connect(options)?;
            }
            Ok(HttpClient::new(*self))
        }
    }

    type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

    impl HttpService for Nobody {
        fn call<'s, 'a>(&'s self, request: HttpRequest) -> Answer<'a>
        where
            's: 'a,
            Self: 'a,
        {
            // Like reqwest's service.
            request.uri().to_string().parse::<Url>().unwrap();
            let mut answer = HttpResponse::new(HttpResponseBody::from(String::new()));
            *answer.status_mut() = 404u16.try_into().unwrap();
            Box::pin(async { Ok(answer) })
        }
    }

    /// Reads an object and a list with these variables, and returns the error.
    fn asked(origin: &str, variables: &[(&str, &str)]) -> Result<(), String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let all = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let all: Vec<_> = all.collect();
        let is_strict =
            all.iter().any(|(name, _)| name.contains("PROXY") || name.contains("USER_AGENT"));
        let connector = || Nobody { is_strict };
        let store = connect_by(origin, connector, |prefix| Variables::new(prefix, all.clone()));
        let store = store.map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let key = Key::parse("a b/c%é").unwrap();
            let _ = store.objects.head(&key).await;
            let _ = store.objects.get(&key).await;
            if let Some(lists) = &store.lists {
                let _ = lists.list_paginated(Some("a b/"), Default::default()).await;
            }
        });
        Ok(())
    }

    const NAMES: &[&str] = &[
        "AWS_ENDPOINT",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_STS",
        "AWS_METADATA_ENDPOINT",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_TIMEOUT",
        "AWS_ALLOW_HTTP",
        "AWS_PROXY_URL",
        "AWS_PROXY_CA_CERTIFICATE",
        "AWS_USER_AGENT",
        "AWS_SKIP_SIGNATURE",
        "AWS_CHECKSUM_ALGORITHM",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
        "AWS_S3_EXPRESS",
        "AWS_BUCKET",
        "AWS_REQUEST_PAYER",
        "AWS_ROLE_ARN",
        "AWS_SERVER_SIDE_ENCRYPTION",
        "AWS_SSE_CUSTOMER_KEY_BASE64",
        "AWS_CONDITIONAL_PUT",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "GOOGLE_BASE_URL",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_BEARER_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_PROXY_URL",
        "GOOGLE_ALLOW_HTTP",
        "GOOGLE_TIMEOUT",
        "GOOGLE_SKIP_SIGNATURE",
        "AZURE_STORAGE_ENDPOINT",
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_SAS_KEY",
        "AZURE_STORAGE_TOKEN",
        "AZURE_MSI_ENDPOINT",
        "AZURE_STORAGE_AUTHORITY_HOST",
        "AZURE_AUTHORITY_HOST",
        "AZURE_STORAGE_CLIENT_ID",
        "AZURE_STORAGE_CLIENT_SECRET",
        "AZURE_STORAGE_TENANT_ID",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_STORAGE_USE_EMULATOR",
        "AZURE_PROXY_URL",
        "AZURE_TIMEOUT",
        "AZURE_FABRIC_TOKEN_SERVICE_URL",
    ];
    const VALUES: &[&str] = &[
        "",
        " ",
        "x",
        "127.0.0.1:47411",
        "localhost:9000",
        "http://",
        "http:///",
        "https://",
        "://",
        "http://[::1",
        "http://[::1]:99999",
        "http://a b",
        "http://a\nb",
        "http://u:p@h",
        "http://h?x",
        "http://h#x",
        "mailto:x",
        "file:///x",
        "http://\u{202e}",
        "https://é.test",
        "http://h:port",
        "ftp://h",
        "http://%zz",
        "//h",
        "/x",
        "/x y",
        "http:\\h",
        "\0",
        "a\nb",
        "é",
        "{",
        "true",
        "https://h/a b",
        "https://h/%",
        "https://h:0",
        "https://h.",
        "https://.",
        "https://-",
        "https://a..b",
        "@h/x",
        "a@b",
        "a/b",
        "{\"gcs_base_url\": \"h:1\", \"disable_oauth\": true, \"client_email\": \"\", \"private_key\": \"\", \"private_key_id\": \"\"}",
        "{\"gcs_base_url\": \"http://a b\", \"disable_oauth\": true, \"client_email\": \"\", \"private_key\": \"\", \"private_key_id\": \"\"}",
        "https://h/<>\"{}|^`",
        "1h",
        "-1",
        "99999999999999999999s",
        "sv=1&sig=\n",
        "=&=",
        "Zm9v",
    ];

    /// No value of a variable may cause a panic: the crates below have many where they expect an
    /// address.
    #[test]
    fn any_value_of_a_variable_is_an_error_at_most() {
        let long = "https://h/".to_owned() + &"x".repeat(80_000);
        let sound = [
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_ALLOW_HTTP", "true"),
            ("GOOGLE_ALLOW_HTTP", "true"),
            ("AZURE_ALLOW_HTTP", "true"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "name"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "Zm9v"),
            ("GOOGLE_BEARER_TOKEN", "token"),
        ];
        for name in NAMES {
            let origin = match &name[..2] {
                "AW" => "s3://bucket",
                "GO" => "gs://bucket",
                _ => "az://bucket",
            };
            for value in VALUES.iter().copied().chain([long.as_str()]) {
                // Alone, and with all other variables valid.
                let _ = asked(origin, &[(*name, value)]);
                let others = sound.iter().copied().filter(|(other, _)| other != name);
                let _ = asked(origin, &others.chain([(*name, value)]).collect::<Vec<_>>());
            }
        }
        for value in VALUES {
            for url in [
                format!("http://{value}"),
                format!("http://h/{value}"),
                format!("https://u:{value}@h/x"),
            ] {
                if let Ok(place) = Place::of(Path::new(&url)) {
                    let _ = asked(&place.origin, &[]);
                }
                for scheme in ["s3", "gs", "az", "abfss"] {
                    let url = format!("{scheme}://{value}");
                    if let Ok(place) = Place::of(Path::new(&url)) {
                        let _ = asked(&place.origin, &sound);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_with_an_endpoint_is_said() {
        let said = |name, value| asked("s3://bucket", &[(name, value)]).unwrap_err();
        for name in ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            let error = said(name, "127.0.0.1:47411");
            let expected = "is not a server address: it must begin with http:// or https://";
            assert_eq!(error, format!("{name} {expected}"));
            let error = said(name, "http://127.0.0.1:47411");
            assert!(
                error.starts_with(name) && error.contains("AWS_ALLOW_HTTP=true allows it"),
                "{error}"
            );
            let error = said(name, "https://me:hunter2@host");
            assert!(error.contains("user or a password") && !error.contains("hunter2"), "{error}");
        }
        let error = asked("gs://b", &[("GOOGLE_BASE_URL", "http://h")]).unwrap_err();
        assert!(error.contains("GOOGLE_ALLOW_HTTP=true"), "{error}");
        let account = [("AZURE_STORAGE_ACCOUNT_NAME", "n"), ("AZURE_STORAGE_ENDPOINT", "http://h")];
        let error = asked("az://b", &account).unwrap_err();
        assert!(error.contains("AZURE_ALLOW_HTTP=true"), "{error}");
        let token = "line\nbreak";
        let error = said("AWS_SESSION_TOKEN", token);
        assert_eq!(
            error,
            "AWS_SESSION_TOKEN has characters that cannot be sent, such as a line break"
        );
        assert!(said("AWS_REGION", "us east").starts_with("AWS_REGION has characters"));
    }
}
