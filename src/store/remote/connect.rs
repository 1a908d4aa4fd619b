//! URLs, and who is behind them.

use std::io;
use std::path::Path;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::limit::LimitStore;
use object_store::path::Path as Key;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

use super::error::failed;
use crate::store::scheme;

/// The schemes that are known.
const SCHEMES: &str = "s3, s3a, gs, az, azure, abfs, abfss, adl, http or https";
/// So many requests are under way at a time.
const MAX_REQUESTS: usize = 128;
/// A request that takes longer is made again. It carries half a megabyte at most, or a part of an upload.
const TIMEOUT: &str = "120 seconds";

/// What a URL means.
#[derive(Debug, PartialEq)]
pub(super) struct Place {
    /// Scheme and bucket, or all of it where it is a file of a web server.
    pub(super) origin: String,
    /// The object in the bucket, empty if the bucket itself is meant. It is taken as it stands, as
    /// the vendors' own programs do, not percent-decoded.
    pub(super) key: Key,
    pub(super) is_web: bool,
    /// Whether it ends in a slash.
    pub(super) is_folder: bool,
}

impl Place {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
        let (scheme, rest) = scheme(path).ok_or_else(|| invalid("not a URL in UTF-8".into()))?;
        let scheme = scheme.to_ascii_lowercase();
        // Names that were joined to it have the separators of the system.
        let rest = if cfg!(windows) { &rest.replace('\\', "/") } else { rest };
        let (host, key) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() {
            return Err(invalid("the URL names no bucket or server".into()));
        }
        let is_web = match scheme.as_str() {
            "http" | "https" => true,
            "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss" | "adl" => false,
            _ => return Err(invalid(format!("unknown kind of URL, not {SCHEMES}"))),
        };
        let file = rest.split(['?', '#']).next().unwrap_or(rest);
        let is_folder = file.ends_with('/') || !file.contains('/');
        let (origin, key) = match is_web {
            true => (format!("{scheme}://{rest}"), Key::default()),
            false => {
                let key = Key::parse(key).map_err(|error| invalid(error.to_string()))?;
                (format!("{scheme}://{host}"), key)
            }
        };
        Ok(Self { origin, key, is_web, is_folder })
    }
}

/// The store of a place's origin. Who asks, and where, is said by the variables that the vendors'
/// own programs know.
pub(super) fn connect(origin: &str) -> io::Result<Box<dyn ObjectStore>> {
    // The first provider that is installed stays: a program may have chosen another.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scheme = origin.split(':').next().unwrap_or_default();
    let connected = match scheme {
        "s3" | "s3a" => s3(origin).map(limited),
        "gs" => google(origin).map(limited),
        "http" | "https" => web(origin).map(limited),
        _ => azure(origin).map(limited),
    };
    connected.map_err(failed)
}

fn limited(store: impl ObjectStore) -> Box<dyn ObjectStore> {
    Box::new(LimitStore::new(store, MAX_REQUESTS))
}

fn s3(origin: &str) -> Result<impl ObjectStore, object_store::Error> {
    let mut builder = AmazonS3Builder::from_env().with_url(origin).with_retry(retry());
    let timeout = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
    if std::env::var_os("AWS_TIMEOUT").is_none() {
        builder = builder.with_config(timeout, TIMEOUT);
    }
    builder.build()
}

fn google(origin: &str) -> Result<impl ObjectStore, object_store::Error> {
    let timeout = GoogleConfigKey::Client(ClientConfigKey::Timeout);
    let builder = GoogleCloudStorageBuilder::from_env().with_url(origin).with_retry(retry());
    builder.with_config(timeout, TIMEOUT).build()
}

fn azure(origin: &str) -> Result<impl ObjectStore, object_store::Error> {
    let timeout = AzureConfigKey::Client(ClientConfigKey::Timeout);
    let builder = MicrosoftAzureBuilder::from_env().with_url(origin).with_retry(retry());
    builder.with_config(timeout, TIMEOUT).build()
}

fn web(origin: &str) -> Result<impl ObjectStore, object_store::Error> {
    let options =
        ClientOptions::new().with_allow_http(true).with_config(ClientConfigKey::Timeout, TIMEOUT);
    HttpBuilder::new().with_url(origin).with_client_options(options).with_retry(retry()).build()
}

/// A server that is down is told of within half a minute.
fn retry() -> RetryConfig {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(8), ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: 6, retry_timeout: Duration::from_secs(240) }
}

#[cfg(test)]
mod tests {
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
        for url in ["s3:///x", "ftp://h/x", "s3://b/a//c", "s3://b/../c"] {
            assert!(Place::of(Path::new(url)).is_err(), "{url}");
        }
    }
}
