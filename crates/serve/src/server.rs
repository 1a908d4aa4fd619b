//! The server, as a program uses it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tbx::error::Result;
use tbx::{Issue, LoadOptions};

use crate::app::App;
use crate::export::{self, Exported};
use crate::http::{Listener, Request, Watched};
use crate::page::Page;
use crate::routes;
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
    names: Vec<String>,
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
            names: Vec::new(),
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

    /// Answers also to requests for a server of this name. Without it, the server answers to addresses, `localhost`, the
    /// name of this machine and [`host`](Self::host). Other names may be those of an attack: a web page that makes its
    /// own name point here could read the logs.
    #[must_use]
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
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
    /// server can show it, by https or on localhost, since the page needs a service worker.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there is no source, or two have the same runs or the same name;
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): there is something at `directory`, it cannot be written, or a URL is
    /// not valid.
    pub fn export(self, page: Page, directory: &Path) -> Result<Exported> {
        let Self { sources, options, samples, title, mut on_issues, .. } = self;
        let mut watcher = Watcher::new(&sources, &options)?;
        let state = Arc::new(State::new(samples));
        if let Some(path) = watcher.finish(&state, &mut on_issues) {
            // The reason was told. A site without its runs would look as if there were none.
            let why =
                std::io::Error::other("the log directory cannot be listed, so there is no site");
            return Err(tbx::error::failed(why, path));
        }
        let app = App::new(state, page, &sources, title);
        export::export(&app, directory)
    }

    /// Starts to read the logs, and opens the port.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there is no source, or two have the same runs or the same name;
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): the port cannot be opened, or a URL is not valid.
    pub fn bind(self, page: Page) -> Result<Bound> {
        let Self { sources, options, samples, reload, host, port, mut names, title, on_issues } =
            self;
        let watcher = Watcher::new(&sources, &options)?;
        let listener = Listener::bind(&host, port, NEXT_PORTS)
            .map_err(|error| tbx::error::failed(error, format!("{host}:{port}")))?;
        let state = Arc::new(State::new(samples));
        let weak = Arc::downgrade(&state);
        let watched = Watched::start(watcher.jobs(&weak, Some(reload), on_issues));
        let watched = watched.map_err(|error| tbx::error::failed(error, "tbx-watch"))?;
        let app = App::new(state, page, &sources, title);
        names.push(host);
        Ok(Bound { listener, names, watched, app })
    }
}

/// A server whose port is open.
pub struct Bound {
    listener: Listener,
    names: Vec<String>,
    watched: Watched,
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
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): the thread that reads the logs has failed, so that old data would be shown
    /// from now on.
    pub fn serve(self) -> Result<()> {
        let Self { listener, names, watched, app } = self;
        let state = app.state.clone();
        let answer = Arc::new(move |request: &Request| routes::answer(&app, request));
        Err(listener.serve(names, state, watched, answer))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_server_whose_data_gets_old_ends() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("webfiles.zip");
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&archive).unwrap());
        for name in ["index.html", "index.js"] {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(b"page").unwrap();
        }
        zip.finish().unwrap();
        let page = || Page::open(&archive).unwrap();
        let server = || Server::new([Source::new(dir.path())]).port(0);
        let failing = server().on_issues(|_| panic!("on purpose")).bind(page()).unwrap();
        let error = failing.serve().unwrap_err().to_string();
        assert!(error.contains("on purpose"), "{error}");

        let fine = server().bind(page()).unwrap();
        let address = fine.address();
        std::thread::spawn(move || fine.serve());
        let mut client = TcpStream::connect(address).unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
