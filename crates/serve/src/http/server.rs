//! Connections.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use tbx::error::{Error, ErrorKind};

use super::host::Hosts;
use super::paced::{PATIENCE, Paced, patience};
use super::{Answer, Refusal, Request};
use crate::state::State;

/// Maximum number of connections; others wait.
const MAX_CONNECTIONS: usize = 512;
/// Maximum number of bytes of a request's body: the names of 100,000 runs.
const MAX_BODY: usize = 16 << 20;
/// Maximum number of bytes of the bodies of all requests at a time, in KiB; others wait.
const MAX_BODIES: usize = 64 << 10;
/// Maximum number of bytes of the headers.
const MAX_HEADERS: usize = 64 << 10;
/// Minimum number of requests for data that are answered at the same time: some wait for the disk.
const MIN_JOBS: usize = 4;

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

    /// Answers requests until what the server shows is no longer kept up to date. Returns the reason. Requests for data wait for
    /// the first load of `state`, for a while. `names` are further names of this machine.
    pub(crate) fn serve(
        self,
        names: Vec<String>,
        state: Arc<State>,
        watched: Watched,
        handler: Arc<Handler>,
    ) -> Error {
        let Self { runtime, listener, .. } = self;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let app = Arc::new(App {
            handler,
            state,
            hosts: Hosts::new(names),
            jobs: Arc::new(Semaphore::new(threads.max(MIN_JOBS))),
            files: Arc::new(Semaphore::new(threads)),
            bodies: Arc::new(Semaphore::new(MAX_BODIES)),
        });
        runtime.block_on(async {
            match select(pin!(accept(listener, app)), pin!(watched.failed())).await {
                Either::Left(((), _)) => ended("the server ends"),
                Either::Right((why, _)) => why,
            }
        })
    }
}

async fn accept(listener: TcpListener, app: Arc<App>) {
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
            let service = service_fn(move |request| {
                let app = app.clone();
                async move { Ok::<_, Infallible>(app.answer(request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .max_buf_size(MAX_HEADERS)
                .serve_connection(TokioIo::new(Paced::new(stream)), service);
            let _ = connection.await;
            drop(permit);
        });
    }
}

/// Tells when a thread that reads logs has failed.
pub(crate) struct Watched(mpsc::UnboundedReceiver<Error>);

impl Watched {
    /// Starts each of `watches` in a thread.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub(crate) fn start(
        watches: impl IntoIterator<Item = impl FnOnce() + Send + 'static>,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::unbounded_channel();
        for watch in watches {
            let sender = sender.clone();
            std::thread::Builder::new().name("tbx-watch".to_owned()).spawn(move || {
                // Nobody uses its unfinished work any more.
                if let Err(panic) = catch_unwind(AssertUnwindSafe(watch)) {
                    let text = panic.downcast_ref::<String>().map(String::as_str);
                    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                    let text = text.unwrap_or("no message");
                    let why = format!("a thread that reads the logs has failed: {text}");
                    let _ = sender.send(ended(&why));
                }
            })?;
        }
        Ok(Self(receiver))
    }

    /// Waits until one has failed, and returns why.
    pub(crate) async fn failed(mut self) -> Error {
        match self.0.recv().await {
            Some(why) => why,
            // All have ended, as they do if they read only once.
            None => std::future::pending().await,
        }
    }
}

/// The error of a server that ends.
pub(crate) fn ended(why: &str) -> Error {
    ErrorKind::from(io::Error::other(why)).into()
}

struct App {
    handler: Arc<Handler>,
    state: Arc<State>,
    hosts: Hosts,
    /// Permits for requests for data that are answered at the same time.
    jobs: Arc<Semaphore>,
    /// The same for files of the page, which never wait for data.
    files: Arc<Semaphore>,
    /// Permits for the bodies of requests, each for a KiB.
    bodies: Arc<Semaphore>,
}

impl App {
    async fn answer(&self, request: hyper::Request<Incoming>) -> Response<Full<Bytes>> {
        let headers = request.headers().clone();
        let is_head = request.method() == Method::HEAD;
        match self.respond(request, &headers).await {
            Ok(response) if is_head => response.map(|_| Full::default()),
            Ok(response) => response,
            Err(refusal) => Answer::from(refusal).into_response(&headers),
        }
    }

    async fn respond(
        &self,
        request: hyper::Request<Incoming>,
        headers: &HeaderMap,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let (head, body) = request.into_parts();
        let request = Request::new(head.method.clone(), head.uri.path());
        let is_for_data = request.is_for_data();
        self.hosts.check(headers, is_for_data)?;
        let body = match head.method {
            Method::GET | Method::HEAD => None,
            Method::POST => Some(self.read(body).await?),
            _ => return Err(Refusal::Method),
        };
        if is_for_data {
            self.state.loaded().await;
        }
        let permits = if is_for_data { &self.jobs } else { &self.files };
        let ends = |_| Refusal::Unreadable("the server ends".to_owned());
        let permit = permits.clone().acquire_owned().await.map_err(ends)?;
        let (handler, headers) = (self.handler.clone(), headers.clone());
        let job = tokio::task::spawn_blocking(move || {
            // The job goes on if the client leaves, and so do its permits.
            let _permit = permit;
            let query = head.uri.query().unwrap_or("");
            let answered = request.with_query(query).and_then(|request| {
                let content_type = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                match body {
                    None => handler(&request),
                    Some((body, _permits)) => {
                        handler(&request.with_body(content_type.unwrap_or(""), body)?)
                    }
                }
            });
            answered.unwrap_or_else(Answer::from).into_response(&headers)
        });
        job.await.map_err(|_| Refusal::Unreadable("the answer failed".to_owned()))
    }

    /// Reads the body of a request, and returns the permits for its bytes, too.
    async fn read(&self, body: Incoming) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
        let whole = body.size_hint().exact();
        let len = whole.and_then(|len| usize::try_from(len).ok());
        let is_large = whole.is_some() && len.is_none_or(|len| len > MAX_BODY);
        if is_large {
            return Err(Refusal::Invalid(format!("a request of more than {MAX_BODY} bytes")));
        }
        let len = len.unwrap_or(MAX_BODY);
        let permits = u32::try_from(len.div_ceil(1024)).unwrap_or(u32::MAX);
        let late = |_| Refusal::Invalid("the request took too long".to_owned());
        let waited = timeout(PATIENCE, self.bodies.clone().acquire_many_owned(permits)).await;
        let ends = |_| Refusal::Unreadable("the server ends".to_owned());
        let permits = waited.map_err(late)?.map_err(ends)?;
        let allowed = patience(u64::try_from(len).unwrap_or(0));
        let collected = timeout(allowed, Limited::new(body, MAX_BODY).collect()).await;
        let cut = |error| Refusal::Invalid(format!("the request cannot be read: {error}"));
        Ok((collected.map_err(late)?.map_err(cut)?.to_bytes(), permits))
    }
}
