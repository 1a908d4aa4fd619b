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
    assert_eq!(error, "AWS_SESSION_TOKEN has characters that cannot be sent, such as a line break");
    assert!(said("AWS_REGION", "us east").starts_with("AWS_REGION has characters"));
}
