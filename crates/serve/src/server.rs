//! The server, as a program uses it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tbx::error::{Error, Result};
use tbx::{Issue, LoadOptions};

use crate::app::App;
use crate::export::{self, Exported};
use crate::http::Listener;
use crate::page::Page;
use crate::routes::{self, Embedded};
use crate::state::{Samples, Source, State, Watcher};

/// Number of ports that are tried after the one that is in use.
const NEXT_PORTS: u16 = 100;

/// A server for log directories, before it starts.
pub struct Server {
    sources: Vec<Source>,
    options: LoadOptions,
    samples: Samples,
    reload: Duration,
    host: String,
    port: u16,
    title: String,
    on_issues: Box<dyn FnMut(Vec<Issue>) + Send>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sources, options, samples, reload, host, port, .. } = self;
        f.debug_struct("Server")
            .field("sources", sources)
            .field("options", options)
            .field("samples", samples)
            .field("reload", reload)
            .field("host", host)
            .field("port", port)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Serves these log directories on 127.0.0.1, port 6006, and looks for new data every second.
    pub fn new(sources: impl IntoIterator<Item = Source>) -> Self {
        Self {
            sources: sources.into_iter().collect(),
            options: LoadOptions::new(),
            samples: Samples::new(),
            reload: Duration::from_secs(1),
            host: "127.0.0.1".to_owned(),
            port: 6006,
            title: String::new(),
            on_issues: Box::new(drop),
        }
    }

    /// Which runs and tags are loaded, and the restart policy. Default: everything,
    /// [`SessionStart`](tbx::RestartPolicy::SessionStart). How payloads and checksums are handled is the server's
    /// choice.
    #[must_use]
    pub fn options(self, options: LoadOptions) -> Self {
        Self { options, ..self }
    }

    /// Sets how many points of a series are shown.
    #[must_use]
    pub fn samples(self, samples: Samples) -> Self {
        Self { samples, ..self }
    }

    /// Sets the time between two looks for new data. Default: 1 second.
    #[must_use]
    pub fn reload(self, pause: Duration) -> Self {
        Self { reload: pause, ..self }
    }

    /// Sets the name or address to listen on. Default: 127.0.0.1, which only this machine can connect to. There is no
    /// login: whoever can connect sees all logs.
    #[must_use]
    pub fn host(self, host: impl Into<String>) -> Self {
        Self { host: host.into(), ..self }
    }

    /// Sets the port. If it is in use, the next free one of 100 is taken. 0 is any free port. Default: 6006.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Sets the title of the window.
    #[must_use]
    pub fn title(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }

    /// Calls `f` with problems of the logs, each once, from another thread.
    #[must_use]
    pub fn on_issues(self, f: impl FnMut(Vec<Issue>) + Send + 'static) -> Self {
        Self { on_issues: Box::new(f), ..self }
    }

    /// Writes the current data as a static site to a new directory: TensorBoard's page and its answers as files. Any web
    /// server can show it, by https or on localhost, since the page needs a service worker. It has all dashboards but
    /// HParams and Custom Scalars, whose answers depend on what their user enters.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): a source is a URL, or there is none;
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): there is something at `directory`, or it cannot be written.
    pub fn export(self, page: Page, directory: &Path) -> Result<Exported> {
        let Self { sources, options, samples, title, mut on_issues, .. } = self;
        if sources.is_empty() {
            return Err(Error::argument("at least one log directory is needed"));
        }
        let mut watcher = Watcher::new(&sources, &options)?;
        let state = Arc::new(State::new(samples));
        while watcher.poll(&state, &mut on_issues) {}
        let names: Vec<_> = sources.iter().map(|source| source.path().to_string_lossy()).collect();
        let app = App {
            state,
            page,
            location: names.join(", "),
            title,
            embedded: Embedded::default(),
            is_static: true,
        };
        export::export(&app, directory)
    }

    /// Starts to read the logs, and opens the port.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): a source is a URL, or there is none;
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): the port cannot be opened.
    pub fn bind(self, page: Page) -> Result<Bound> {
        let Self { sources, options, samples, reload, host, port, title, mut on_issues } = self;
        if sources.is_empty() {
            return Err(Error::argument("at least one log directory is needed"));
        }
        let watcher = Watcher::new(&sources, &options)?;
        let listener = Listener::bind(&host, port, NEXT_PORTS)
            .map_err(|error| tbx::error::failed(error, format!("{host}:{port}")))?;
        let state = Arc::new(State::new(samples));
        let watched = Arc::downgrade(&state);
        thread::Builder::new()
            .name("tbx-watch".to_owned())
            .spawn(move || watcher.run(&watched, reload, &mut on_issues))
            .map_err(|error| tbx::error::failed(error, "tbx-watch"))?;
        let names: Vec<_> = sources.iter().map(|source| source.path().to_string_lossy()).collect();
        let app = App {
            state,
            page,
            location: names.join(", "),
            title,
            embedded: Embedded::default(),
            is_static: false,
        };
        Ok(Bound { listener, host, app })
    }
}

/// A server whose port is open.
pub struct Bound {
    listener: Listener,
    host: String,
    app: App,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Bound {
    /// The address of the open port.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Answers requests until the process ends.
    pub fn serve(self) {
        let Self { listener, host, app } = self;
        listener.serve(host, Arc::new(move |request| routes::answer(&app, request)));
    }
}
