//! Answers to requests.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
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

/// Maximum number of bytes of an answer: far more than the page can show.
pub(crate) const MAX_ANSWER: usize = 256 << 20;

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Body,
    pub(crate) policy: Option<String>,
    pub(crate) etag: Option<String>,
}

/// The content of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Plain(Bytes),
    /// Compressed already. Most clients take it as it is.
    Gzip(Bytes),
}

impl Body {
    /// The content, not compressed.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unreadable`]: the compressed form is damaged.
    pub(crate) fn plain(&self) -> Result<Bytes, Refusal> {
        match self {
            Self::Plain(body) => Ok(body.clone()),
            Self::Gzip(gzip) => {
                let mut body = Bounded::new(MAX_ANSWER);
                let read = std::io::copy(&mut GzDecoder::new(&**gzip), &mut body);
                let damaged = |error| Refusal::Unreadable(format!("the file is damaged: {error}"));
                read.map_err(damaged)?;
                Ok(body.bytes.into())
            }
        }
    }
}

/// A buffer with a maximum size.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Bounded {
    fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.bytes.len().saturating_add(bytes.len()) > self.most {
            true => Err(std::io::ErrorKind::FileTooLarge.into()),
            false => self.bytes.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
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
    /// The request came to another host than this one, or from a page of another site.
    Foreign(String),
    /// A value in the log cannot be read.
    Unreadable(String),
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Foreign(_) => StatusCode::FORBIDDEN,
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
            | Refusal::Foreign(text)
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
            body: Body::Plain(body.into()),
            policy: None,
            etag: None,
        }
    }

    pub(crate) fn text(content_type: &str, body: String) -> Self {
        Self::bytes(content_type, body)
    }

    /// # Errors
    ///
    /// [`Refusal::Invalid`]: more was asked for than an answer may contain.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, Refusal> {
        Self::json_of(value, MAX_ANSWER)
    }

    fn json_of(value: &impl Serialize, most: usize) -> Result<Self, Refusal> {
        let mut body = Bounded::new(most);
        serde_json::to_writer(&mut body, value).map_err(|error| match error.is_io() {
            true => Refusal::Invalid(format!(
                "the answer would have more than {} MB: ask for less at once",
                most >> 20
            )),
            false => Refusal::Unreadable(format!("no JSON: {error}")),
        })?;
        Ok(Self::bytes("application/json", body.bytes))
    }

    /// A page that may run scripts; `scripts` are the digests of those in it.
    pub(crate) fn page(body: impl Into<Bytes>, scripts: &str) -> Self {
        let policy = Some(content_policy(scripts));
        Self { policy, ..Self::bytes("text/html; charset=utf-8", body) }
    }

    fn is_compressible(&self, body: &[u8]) -> bool {
        let kinds = ["text/", "application/json", "application/octet-stream", "arraybuffer"];
        body.len() >= MIN_COMPRESSED && kinds.iter().any(|kind| self.content_type.starts_with(kind))
    }

    /// The response to a request with these headers.
    pub(crate) fn into_response(mut self, request: &HeaderMap) -> Response<Full<Bytes>> {
        let value = |name| request.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let knows = self.etag.as_deref().zip(value(header::IF_NONE_MATCH));
        if knows.is_some_and(|(own, theirs)| theirs.contains(own)) {
            self.status = StatusCode::NOT_MODIFIED;
            self.body = Body::Plain(Bytes::new());
        }
        let accepts_gzip = value(header::ACCEPT_ENCODING).is_some_and(accepts_gzip);
        let (body, is_packed) = match &self.body {
            Body::Gzip(gzip) if accepts_gzip => (gzip.clone(), true),
            body => match body.plain() {
                Ok(plain) if accepts_gzip && self.is_compressible(&plain) => match gzip(&plain) {
                    Some(gzip) => (gzip, true),
                    None => (plain, false),
                },
                Ok(plain) => (plain, false),
                Err(refusal) => return Self::from(refusal).into_response(&HeaderMap::new()),
            },
        };
        let mut response = Response::new(Full::new(body));
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

/// Whether a header `Accept-Encoding` allows gzip: what it says of gzip counts more than what it says of all.
fn accepts_gzip(header: &str) -> bool {
    let of = |wanted: &str| {
        header.split(',').find_map(|part| {
            let mut parts = part.split(';').map(str::trim);
            parts.next().filter(|name| name.eq_ignore_ascii_case(wanted))?;
            let quality = parts.find_map(|part| {
                let (name, value) = part.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f64>().ok())
            });
            Some(quality.flatten().unwrap_or(1.0) > 0.0)
        })
    };
    of("gzip").or_else(|| of("*")).unwrap_or(false)
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
            ("gzip;q=0.0000", false),
            ("GZIP ; Q=0.5", true),
            ("gzip;q=0, *", false),
            ("*, gzip;q=0", false),
            ("gzip, *;q=0", true),
            ("*;q=0", false),
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

    #[test]
    fn an_answer_has_a_maximum_size() {
        let part = "x".repeat(1 << 10);
        let parts = vec![part; 2048];
        let refused = Answer::json_of(&parts, 2 << 20).unwrap_err();
        assert!(matches!(&refused, Refusal::Invalid(text) if text.contains("2 MB")), "{refused:?}");
        assert!(Answer::json_of(&parts, 3 << 20).is_ok());
    }

    #[test]
    fn what_is_compressed_is_sent_so_or_unpacked() {
        let text = "a page".repeat(1000);
        let body = || Body::Gzip(gzip(text.as_bytes()).unwrap());
        let answer = || Answer { body: body(), ..Answer::text("text/css", String::new()) };
        let mut headers = HeaderMap::new();
        assert!(!answer().into_response(&headers).headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(body().plain().unwrap(), text);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(answer().into_response(&headers).headers()[header::CONTENT_ENCODING], "gzip");
        let damaged = Answer { body: Body::Gzip("no".into()), ..answer() };
        assert_eq!(damaged.into_response(&HeaderMap::new()).status(), 500);
    }
}
