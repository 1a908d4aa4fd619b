//! Connections.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

use super::{Answer, Refusal, Request};

/// Maximum number of connections; others wait.
const MAX_CONNECTIONS: usize = 512;
/// Maximum number of bytes of a request's body: the names of 100,000 runs.
const MAX_BODY: usize = 16 << 20;
/// Maximum number of bytes of the headers.
const MAX_HEADERS: usize = 64 << 10;
/// How long a client may take for the next bytes of a request, and for taking bytes of an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A function that answers requests.
pub(crate) type Handler = dyn Fn(&Request) -> Result<Answer, Refusal> + Send + Sync;

/// A bound socket.
pub(crate) struct Listener {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `host` and `port`, or, if `port` is in use, one of the next `more` ports.
    ///
    /// # Errors
    ///
    /// All of them are in use, or the host is not one of this machine.
    pub(crate) fn bind(host: &str, port: u16, more: u16) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_io()
            .enable_time()
            .thread_name("tbx-http")
            .build()?;
        let mut tried = port;
        let listener = loop {
            match runtime.block_on(TcpListener::bind((host, tried))) {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse
                        && tried - port < more
                        && tried < u16::MAX =>
                {
                    tried += 1;
                }
                bound => break bound?,
            }
        };
        let address = listener.local_addr()?;
        Ok(Self { runtime, listener, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket, for another protocol.
    pub(crate) fn into_parts(self) -> (Runtime, TcpListener) {
        (self.runtime, self.listener)
    }

    /// Answers requests until the process ends.
    pub(crate) fn serve(self, host: String, handler: Arc<Handler>) {
        let Self { runtime, listener, address } = self;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let app = Arc::new(App {
            handler,
            host: host.to_ascii_lowercase(),
            is_local: address.ip().is_loopback(),
            jobs: Arc::new(Semaphore::new(threads.max(2))),
        });
        runtime.block_on(async {
            let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
            loop {
                let Ok(permit) = connections.clone().acquire_owned().await else { return };
                let stream = match listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(_) => {
                        // Too many open files, or a connection that was closed at once.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                };
                let _ = stream.set_nodelay(true);
                let app = app.clone();
                tokio::spawn(async move {
                    let mut stream = TimeoutStream::new(stream);
                    stream.set_write_timeout(Some(PATIENCE));
                    let service = service_fn(move |request| {
                        let app = app.clone();
                        async move { Ok::<_, Infallible>(app.answer(request).await) }
                    });
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(PATIENCE)
                        .max_buf_size(MAX_HEADERS)
                        .serve_connection(TokioIo::new(Box::pin(stream)), service);
                    let _ = connection.await;
                    drop(permit);
                });
            }
        });
    }
}

struct App {
    handler: Arc<Handler>,
    /// The host that the user named.
    host: String,
    /// Whether only this machine can connect.
    is_local: bool,
    /// Permits for requests that are answered at the same time.
    jobs: Arc<Semaphore>,
}

impl App {
    async fn answer(&self, request: hyper::Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let is_head = head.method == Method::HEAD;
        let answered = match self.check_host(&head.headers) {
            Err(refusal) => Err(refusal),
            Ok(()) => {
                let path = head.uri.path();
                let request = Request::new(head.method, path, head.uri.query());
                read(request, &head.headers, body).await
            }
        };
        let refused = |refusal: Refusal| Answer::from(refusal).into_response(&head.headers);
        let request = match answered {
            Ok(request) => request,
            Err(refusal) => return refused(refusal),
        };
        let Ok(permit) = self.jobs.clone().acquire_owned().await else {
            return refused(Refusal::Unreadable("the server ends".to_owned()));
        };
        let (handler, headers) = (self.handler.clone(), head.headers.clone());
        let job = tokio::task::spawn_blocking(move || {
            // The job goes on if the client leaves, and so does its permit.
            let _permit = permit;
            let answer = handler(&request).unwrap_or_else(Answer::from);
            answer.into_response(&headers)
        });
        match job.await {
            Ok(response) if is_head => response.map(|_| Full::default()),
            Ok(response) => response,
            Err(_) => refused(Refusal::Unreadable("the answer failed".to_owned())),
        }
    }

    /// Refuses requests that a web page of another site sent by way of a name that it made point to this machine.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
        match !self.is_local || is_this_machine(host, &self.host) {
            true => Ok(()),
            false => Err(Refusal::Host(format!(
                "this server answers to localhost only, not to {host:?}; --host allows others"
            ))),
        }
    }
}

/// Whether a header `Host` names this machine.
fn is_this_machine(header: &str, own: &str) -> bool {
    let name = match header.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => header.split(':').next().unwrap_or(""),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name == own
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads the body of a request.
async fn read(request: Request, headers: &HeaderMap, body: Incoming) -> Result<Request, Refusal> {
    match request.method {
        Method::GET | Method::HEAD => return Ok(request),
        Method::POST => {}
        _ => return Err(Refusal::Method),
    }
    if body.size_hint().lower() > u64::try_from(MAX_BODY).unwrap_or(u64::MAX) {
        return Err(Refusal::Invalid(format!("a request of more than {MAX_BODY} bytes")));
    }
    let whole = timeout(PATIENCE, Limited::new(body, MAX_BODY).collect()).await;
    let late = |_| Refusal::Invalid("the request took too long".to_owned());
    let cut = |error| Refusal::Invalid(format!("the request cannot be read: {error}"));
    let body = whole.map_err(late)?.map_err(cut)?.to_bytes();
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("");
    if let Ok(boundary) = multer::parse_boundary(content_type) {
        let fields = form(body, boundary).await;
        let wrong = |error| Refusal::Invalid(format!("the form cannot be read: {error}"));
        return Ok(request.with_form(fields.map_err(wrong)?));
    }
    if content_type.starts_with("application/x-www-form-urlencoded") {
        let fields = form_urlencoded::parse(&body);
        let fields = fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        return Ok(request.with_form(fields));
    }
    Ok(request.with_body(body))
}

/// The fields of a form.
async fn form(body: Bytes, boundary: String) -> multer::Result<Vec<(String, String)>> {
    let body = stream::iter([Ok::<_, Infallible>(body)]);
    let mut form = multer::Multipart::new(body, boundary);
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await? {
        let name = field.name().unwrap_or("").to_owned();
        fields.push((name, field.text().await?));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for own in
            ["localhost:6006", "LOCALHOST", "127.0.0.1:1", "127.8.9.1", "[::1]:6006", "box:1"]
        {
            assert!(is_this_machine(own, "box"), "{own}");
        }
        for other in ["", "evil.example:6006", "localhost.evil.example", "10.0.0.1", "[fe80::1]"] {
            assert!(!is_this_machine(other, "box"), "{other}");
        }
    }
}
