//! Filters what servers send before the crate `object_store` reads it: limits its size and rejects
//! anything that would cause a panic.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody,
};

use super::listing::{self, MAX_PAGE};
use crate::budget::{Rate, Spent};

/// How long an answer may be slow. After that it must arrive at 1 kilobyte per second or more.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Maximum number of bytes of an error that are read.
const MAX_ERROR: usize = 64 << 10;
/// Maximum size in bytes of the answer to a request that changes something or gets a token.
const MAX_ANSWER: usize = 16 << 10;
/// Maximum number of left-out keys that are remembered by name.
const MAX_LEFT_OUT: usize = 1000;

/// Keys in lists that cannot be requested. Clones share the same list.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftOut(Arc<Mutex<Vec<String>>>);

impl LeftOut {
    fn add(&self, keys: Vec<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = MAX_LEFT_OUT.saturating_sub(all.len());
        all.extend(keys.into_iter().take(free));
    }

    /// Takes the keys below `folder`, which ends with a slash or is empty.
    pub(super) fn take(&self, folder: &str) -> Vec<String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, rest) = all.drain(..).partition(|key| key.starts_with(folder));
        *all = rest;
        taken
    }
}

/// Creates clients whose answers are checked.
#[derive(Debug)]
pub(super) struct Guard<C> {
    pub(super) connector: C,
    pub(super) left_out: LeftOut,
}

impl<C: HttpConnector> HttpConnector for Guard<C> {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self.connector.connect(options)?;
        Ok(HttpClient::new(Guarded { client, left_out: self.left_out.clone() }))
    }
}

#[derive(Debug)]
struct Guarded {
    client: HttpClient,
    left_out: LeftOut,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl object_store::client::HttpService for Guarded {
    // The signature that the macro `async_trait` generates.
    fn call<'s, 'a>(&'s self, request: HttpRequest) -> Answer<'a>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(self.ask(request))
    }
}

impl Guarded {
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url = request.uri().to_string();
        // A URL on which the crates http and url disagree would cause a panic further down.
        reqwest::Url::parse(&url).map_err(|error| refused(HttpErrorKind::Unknown, error))?;
        let query = request.uri().query().unwrap_or_default();
        let is_list = query.contains("list-type=2") || query.contains("comp=list");
        let is_read = matches!(request.method().as_str(), "GET" | "HEAD");
        let answer = self.client.execute(request).await?;
        let (parts, body) = answer.into_parts();
        if let Some(range) = parts.headers.get("content-range") {
            let text = range.to_str().unwrap_or_default();
            let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty());
            if numbers.any(|number| number.parse::<i64>().is_err()) {
                return Err(refused(HttpErrorKind::Unknown, Odd("Content-Range")));
            }
        }
        let body = match parts.status.is_success() {
            false => read(body, MAX_ERROR, true).await?.into(),
            true if is_list => {
                let page = read(body, MAX_PAGE, false).await?;
                let (page, left_out) = listing::readable(page)
                    .map_err(|error| refused(HttpErrorKind::Decode, NoList(error)))?;
                self.left_out.add(left_out);
                page.into()
            }
            true if is_read => body,
            true => read(body, MAX_ANSWER, false).await?.into(),
        };
        Ok(HttpResponse::from_parts(parts, body))
    }
}

/// Reads a whole body of at most `max` bytes. The rest of a longer body is not read if it may be
/// `cut`; otherwise a longer body is an error.
async fn read(body: HttpResponseBody, max: usize, cut: bool) -> Result<Vec<u8>, HttpError> {
    let (mut bytes, mut rate) = (Vec::new(), Rate::new(PATIENCE));
    let mut stream = body.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        rate.charge(chunk.len()).map_err(|spent| refused(HttpErrorKind::Unknown, spent))?;
        bytes.extend_from_slice(&chunk);
        if bytes.len() > max {
            if cut {
                bytes.truncate(max);
                break;
            }
            let spent = Spent::Bytes(u64::try_from(max).unwrap_or(u64::MAX));
            return Err(refused(HttpErrorKind::Unknown, spent));
        }
    }
    Ok(bytes)
}

fn refused(kind: HttpErrorKind, error: impl Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(kind, error)
}

/// A header with an impossible value.
#[derive(Debug)]
struct Odd(&'static str);

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server's header {} makes no sense", self.0)
    }
}

impl Error for Odd {}

/// An answer that is not a list.
#[derive(Debug)]
struct NoList(quick_xml::Error);

impl fmt::Display for NoList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server's answer is not a list: {}", self.0)
    }
}

impl Error for NoList {}
