//! Answers to requests.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use tbx::error::ErrorKind;

/// Answers shorter than this are not compressed.
const MIN_COMPRESSED: usize = 1024;
/// Restricts what the page may load: the same as in TensorBoard, with the digests of `scripts` in the page.
pub(crate) fn content_policy(scripts: &str) -> String {
    format!(
        "default-src 'self';font-src 'self' data:;frame-src 'self' https://ui.perfetto.dev;img-src 'self' data: \
         blob:;object-src 'none';style-src 'self' https://www.gstatic.com data: 'unsafe-inline';connect-src \
         'self';script-src 'self' 'unsafe-eval'{scripts}"
    )
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    /// The form of `body` for clients that accept it, if there is one already.
    pub(crate) gzip: Option<Bytes>,
    pub(crate) policy: Option<String>,
    pub(crate) etag: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is wrong.
    Invalid(String),
    /// There is no such run, tag or value.
    NotFound(String),
    /// The method does not fit the path.
    Method,
    /// The request came to another host than this one.
    Host(String),
    /// A value in the log cannot be read.
    Unreadable(String),
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Host(_) => StatusCode::FORBIDDEN,
            Self::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let status = refusal.status();
        let text = match refusal {
            Refusal::Invalid(text)
            | Refusal::NotFound(text)
            | Refusal::Host(text)
            | Refusal::Unreadable(text) => text,
            Refusal::Method => "this method is not allowed here".to_owned(),
        };
        Self { status, ..Self::text("text/plain; charset=utf-8", text) }
    }
}

impl From<ErrorKind> for Refusal {
    fn from(kind: ErrorKind) -> Self {
        Self::Unreadable(format!("the value cannot be read: {kind}"))
    }
}

impl Answer {
    pub(crate) fn bytes(content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: content_type.into(),
            body: body.into(),
            gzip: None,
            policy: None,
            etag: None,
        }
    }

    pub(crate) fn text(content_type: &str, body: String) -> Self {
        Self::bytes(content_type, body)
    }

    /// # Errors
    ///
    /// Never for values with text as keys, which all of ours have.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(value);
        let body = body.map_err(|error| Refusal::Unreadable(format!("no JSON: {error}")))?;
        Ok(Self::bytes("application/json", body))
    }

    /// A page that may run scripts; `scripts` are the digests of those in it.
    pub(crate) fn page(body: impl Into<Bytes>, scripts: &str) -> Self {
        let policy = Some(content_policy(scripts));
        Self { policy, ..Self::bytes("text/html; charset=utf-8", body) }
    }

    fn is_compressible(&self) -> bool {
        let kinds = ["text/", "application/json", "application/octet-stream", "arraybuffer"];
        self.body.len() >= MIN_COMPRESSED
            && kinds.iter().any(|kind| self.content_type.starts_with(kind))
    }

    /// The response to a request with these headers.
    pub(crate) fn into_response(mut self, request: &HeaderMap) -> Response<Full<Bytes>> {
        let value = |name| request.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let knows = self.etag.as_deref().zip(value(header::IF_NONE_MATCH));
        if knows.is_some_and(|(own, theirs)| theirs.contains(own)) {
            self.status = StatusCode::NOT_MODIFIED;
            (self.body, self.gzip) = (Bytes::new(), None);
        }
        let accepts_gzip = value(header::ACCEPT_ENCODING).is_some_and(accepts_gzip);
        let packed = match self.gzip.take() {
            Some(gzip) if accepts_gzip => Some(gzip),
            None if accepts_gzip && self.is_compressible() => gzip(&self.body),
            _ => None,
        };
        let is_packed = packed.is_some();
        let mut response = Response::new(Full::new(packed.unwrap_or(self.body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let mut set = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::CONTENT_TYPE, &self.content_type);
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(header::CACHE_CONTROL, "no-cache, must-revalidate");
        set(header::VARY, "Accept-Encoding");
        if is_packed {
            set(header::CONTENT_ENCODING, "gzip");
        }
        if let Some(policy) = &self.policy {
            set(header::CONTENT_SECURITY_POLICY, policy);
        }
        if let Some(etag) = &self.etag {
            set(header::ETAG, etag);
        }
        response
    }
}

/// Whether a header `Accept-Encoding` allows gzip.
fn accepts_gzip(header: &str) -> bool {
    header.split(',').any(|part| {
        let mut parts = part.split(';').map(str::trim);
        let is_gzip = matches!(parts.next(), Some("gzip" | "*"));
        is_gzip && !parts.any(|quality| matches!(quality, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn gzip(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 3), Compression::fast());
    encoder.write_all(body).ok()?;
    Some(encoder.finish().ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_where_it_is_accepted() {
        for (header, expected) in [
            ("gzip, deflate, br", true),
            ("*", true),
            ("br;q=1.0, gzip;q=0.8", true),
            ("identity", false),
            ("gzip;q=0", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(header), expected, "{header}");
        }
    }

    #[test]
    fn an_unchanged_file_is_not_sent_again() {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"12\""));
        let etag = |etag: &str| Some(etag.to_owned());
        let answer = || Answer::text("text/css", "x".repeat(2000));
        let same = Answer { etag: etag("\"12\""), ..answer() }.into_response(&headers);
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        let other = Answer { etag: etag("\"34\""), ..answer() }.into_response(&headers);
        assert_eq!(other.status(), StatusCode::OK);
    }
}
