//! Calls over HTTP/2: a message is five bytes of header and its content, the status follows as trailers.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::future::{Either, select};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tbx::Error;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::limit::Room;
use super::methods::{Messages, call};
use super::status::Status;
use crate::http::{Watched, ended};
use crate::state::State;

/// The path before the name of a method.
const SERVICE: &str = "/tensorboard.data.TensorBoardDataProvider/";
/// Maximum size of a request in bytes: a filter may name 100,000 runs.
const MAX_REQUEST: usize = 64 << 20;
/// Number of bytes before each message.
const HEADER: usize = 5;
/// Maximum number of connections; others wait.
const MAX_CONNECTIONS: usize = 256;
/// Maximum number of characters of the text of a status: at most 12 bytes each.
const MAX_MESSAGE: usize = 300;
/// Characters that are encoded in the text of a status.
const IN_STATUS: &AsciiSet = &CONTROLS.add(b'%');

type Body = BoxBody<Bytes, Infallible>;

/// Answers calls until the state is no longer kept up to date. Returns why.
pub(crate) async fn serve(
    listener: TcpListener,
    state: Arc<State>,
    location: String,
    watched: Watched,
) -> Error {
    match select(pin!(accept(listener, state, location)), pin!(watched.failed())).await {
        Either::Left(((), _)) => ended("the server ends"),
        Either::Right((why, _)) => why,
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, location: String) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let server =
        Arc::new(Server { state, location, jobs: Arc::new(Semaphore::new(threads.max(2))) });
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let server = server.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let server = server.clone();
                async move { Ok::<_, Infallible>(server.answer(request).await) }
            });
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
            drop(permit);
        });
    }
}

struct Server {
    state: Arc<State>,
    location: String,
    /// Permits for calls that are answered at the same time.
    jobs: Arc<Semaphore>,
}

impl Server {
    async fn answer(self: Arc<Self>, request: hyper::Request<Incoming>) -> Response<Body> {
        if request.method() != Method::POST {
            let mut response = Response::new(Full::default().boxed());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return response;
        }
        match self.messages(request).await {
            Ok(messages) => done(messages),
            Err(status) => failed(&status),
        }
    }

    async fn messages(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
    ) -> Result<Messages, Status> {
        let path = request.uri().path();
        let unknown = || Status::unimplemented(format!("there is no {path:?}"));
        let method = path.strip_prefix(SERVICE).ok_or_else(unknown)?.to_owned();
        let body = Limited::new(request.into_body(), MAX_REQUEST).collect().await;
        let cut = |error: Box<dyn std::error::Error + Send + Sync>| match error
            .is::<LengthLimitError>()
        {
            true => Status::exhausted(format!("a request of more than {MAX_REQUEST} bytes")),
            false => Status::invalid(format!("the request cannot be read: {error}")),
        };
        let message = unframed(body.map_err(cut)?.to_bytes())?;
        let closed = |_| Status::internal("the server ends");
        let permit = self.jobs.clone().acquire_owned().await.map_err(closed)?;
        let server = self.clone();
        let job = move || {
            // The job goes on if the client leaves, and so does its permit.
            let _permit = permit;
            call(&server.state, &server.location, &method, message, &Room::default())
        };
        let called = tokio::task::spawn_blocking(job).await;
        called.unwrap_or_else(|_| Err(Status::internal("the call failed")))
    }
}

/// The message in a body.
fn unframed(mut body: Bytes) -> Result<Bytes, Status> {
    if body.len() < HEADER {
        return Err(Status::internal("a call without a message"));
    }
    if body.get_u8() != 0 {
        return Err(Status::unimplemented("compressed messages are not supported"));
    }
    let len = usize::try_from(body.get_u32()).unwrap_or(usize::MAX);
    match body.len() == len {
        true => Ok(body),
        false => Err(Status::internal("a message whose length is wrong")),
    }
}

fn done(messages: Messages) -> Response<Body> {
    let len = messages.iter().map(|message| HEADER + message.len()).sum();
    let mut framed = BytesMut::with_capacity(len);
    for message in messages {
        let Ok(len) = u32::try_from(message.len()) else {
            return failed(&Status::out_of_range("an answer of over 4 GB"));
        };
        framed.put_u8(0);
        framed.put_u32(len);
        framed.put_slice(&message);
    }
    let trailers = async { Some(Ok(HeaderMap::from_iter([status_header(0)]))) };
    response(Full::new(framed.freeze()).with_trailers(trailers).boxed())
}

fn failed(status: &Status) -> Response<Body> {
    let mut response = response(Full::default().boxed());
    // A message repeats names of the request, and clients accept few bytes of headers.
    let message: String = status.message.chars().take(MAX_MESSAGE).collect();
    let message = utf8_percent_encode(&message, IN_STATUS).to_string();
    let headers = response.headers_mut();
    headers.extend([status_header(status.code)]);
    if let Ok(message) = HeaderValue::from_str(&message) {
        headers.insert("grpc-message", message);
    }
    response
}

fn status_header(code: u8) -> (hyper::header::HeaderName, HeaderValue) {
    (hyper::header::HeaderName::from_static("grpc-status"), HeaderValue::from(u16::from(code)))
}

fn response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_status_is_short() {
        let response = failed(&Status::not_found("\u{1f600}".repeat(100_000)));
        assert_eq!(response.headers()["grpc-status"], "5");
        assert!(response.headers()["grpc-message"].len() <= 12 * MAX_MESSAGE);
    }

    #[test]
    fn a_message_has_the_length_that_its_header_states() {
        let unframed = |bytes: &'static [u8]| unframed(Bytes::from_static(bytes));
        assert_eq!(unframed(b"\0\0\0\0\x02ab").unwrap(), "ab");
        assert_eq!(unframed(b"\0\0\0\0\0").unwrap(), "");
        for wrong in
            [&b""[..], b"\0\0", b"\0\0\0\0\x03ab", b"\0\xff\xff\xff\xffab", b"\x01\0\0\0\0"]
        {
            assert!(unframed(wrong).is_err(), "{wrong:?}");
        }
    }
}
