//! The data server, as a program uses it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tbx::error::{Result, failed};
use tbx::{Issue, LoadOptions};

use crate::grpc;
use crate::http::{Listener, Watched};
use crate::state::{Samples, Source, State, Watcher};

/// The server that stock TensorBoard reads from, in place of its own data server, before it starts.
///
/// TensorBoard starts it if the environment variable `TENSORBOARD_DATA_SERVER_BINARY` names it, or connects to it with
/// `--grpc_data_provider=HOST:PORT`.
///
/// ```no_run
/// use tbx_serve::{DataServer, Source};
///
/// let server = DataServer::new(Source::new("runs")).bind()?;
/// println!("tensorboard --grpc_data_provider=localhost:{}", server.address().port());
/// server.serve()?;
/// # Ok::<(), tbx::Error>(())
/// ```
pub struct DataServer {
    source: Source,
    options: LoadOptions,
    samples: Samples,
    reload: Option<Duration>,
    host: String,
    port: u16,
    on_issues: Box<dyn FnMut(Vec<Issue>) + Send>,
}

impl std::fmt::Debug for DataServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source, options, samples, reload, host, port, on_issues: _ } = self;
        f.debug_struct("DataServer")
            .field("source", source)
            .field("options", options)
            .field("samples", samples)
            .field("reload", reload)
            .field("host", host)
            .field("port", port)
            .finish()
    }
}

impl DataServer {
    /// Serves this log directory on 127.0.0.1, at any free port, and looks for new data every 5 seconds.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            options: LoadOptions::new(),
            samples: Samples::new(),
            reload: Some(Duration::from_secs(5)),
            host: "127.0.0.1".to_owned(),
            port: 0,
            on_issues: Box::new(drop),
        }
    }

    /// Which runs and tags are loaded, and the restart policy. Default: everything,
    /// [`SessionStart`](tbx::RestartPolicy::SessionStart).
    #[must_use]
    pub fn options(self, options: LoadOptions) -> Self {
        Self { options, ..self }
    }

    /// Sets how many points of a series are kept. TensorBoard asks for 0 points of a plugin if its user wants all;
    /// it gets all if they are set here, too.
    #[must_use]
    pub fn samples(self, samples: Samples) -> Self {
        Self { samples, ..self }
    }

    /// Sets the time between two looks for new data; `None` loads once. Default: 5 seconds.
    #[must_use]
    pub fn reload(self, pause: Option<Duration>) -> Self {
        Self { reload: pause, ..self }
    }

    /// Sets the name or address to listen on. Default: 127.0.0.1, which only this machine can connect to.
    #[must_use]
    pub fn host(self, host: impl Into<String>) -> Self {
        Self { host: host.into(), ..self }
    }

    /// Sets the port. Default: 0, any free port.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Calls `f` with problems of the logs, each once, from another thread.
    #[must_use]
    pub fn on_issues(self, f: impl FnMut(Vec<Issue>) + Send + 'static) -> Self {
        Self { on_issues: Box::new(f), ..self }
    }

    /// Starts to read the logs, and opens the port. Answers are partial until everything is read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): the port cannot be opened, or the URL is not valid.
    pub fn bind(self) -> Result<BoundDataServer> {
        let Self { source, options, samples, reload, host, port, on_issues } = self;
        let watcher = Watcher::new(std::slice::from_ref(&source), &options)?;
        let listener = Listener::bind(&host, port, 0)
            .map_err(|error| failed(error, format!("{host}:{port}")))?;
        let state = Arc::new(State::new(samples));
        let weak = Arc::downgrade(&state);
        let watched = Watched::start(watcher.jobs(&weak, reload, on_issues));
        let watched = watched.map_err(|error| failed(error, "tbx-watch"))?;
        let location = source.path().to_string_lossy().into_owned();
        Ok(BoundDataServer { listener, state, location, watched })
    }
}

/// A data server whose port is open.
pub struct BoundDataServer {
    listener: Listener,
    state: Arc<State>,
    location: String,
    watched: Watched,
}

impl std::fmt::Debug for BoundDataServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundDataServer").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl BoundDataServer {
    /// The address of the open port.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Answers calls until the process ends.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): the thread that reads the logs has failed.
    pub fn serve(self) -> Result<()> {
        let Self { listener, state, location, watched } = self;
        let (runtime, listener) = listener.into_parts();
        Err(runtime.block_on(grpc::serve(listener, state, location, watched)))
    }
}
