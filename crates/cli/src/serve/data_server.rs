//! The program as TensorBoard's data server: TensorBoard starts it with flags of its own.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, io, thread};

use clap::Parser;

use super::sample;
use crate::variants::variant;
use crate::{FINE, say, warn};
use tbx::error::{Error, ErrorKind, Result};
use tbx::logdir::{LoadOptions, RestartPolicy};
use tbx::store;
use tbx_serve::{DataServer, Samples, Source};

/// The name under which the program is a data server.
const NAME: &str = "tbx-data-server";
/// The variable with the whole URL of the log directory, if the argument has it without its secrets.
pub(super) const URL: &str = "TBX_DATA_SERVER_URL";
/// Exit codes of TensorBoard's own data server.
const BAD_COMMAND: u8 = 2;
const BAD_PORT_FILE: u8 = 1;
const BAD_LOGDIR: u8 = 8;
const BAD_PORT: u8 = 9;

/// Serve a log directory to stock TensorBoard, which starts this program with these flags.
#[derive(Parser)]
#[command(name = NAME, version)]
struct Flags {
    /// The log directory, which may be a URL.
    #[arg(long, value_name = "DIR", require_equals = true)]
    logdir: String,

    /// Seconds between two looks for new data, or `once`.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = reload)]
    reload: Reload,

    /// Numbers of points to keep, such as scalars=5000,images=all.
    #[arg(long, value_name = "PLUGIN=N", default_value = "")]
    samples_per_plugin: String,

    /// Name or address to listen on.
    #[arg(long, default_value = "localhost")]
    host: String,

    /// Port; 0 is any free port.
    #[arg(long, default_value_t = 6806)]
    port: u16,

    /// Write the port to this file.
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,

    /// Write the message to this file if the server cannot start.
    #[arg(long, value_name = "FILE")]
    error_file: Option<PathBuf>,

    /// End when the standard input ends.
    #[arg(long)]
    die_after_stdin: bool,

    /// Accepted and without effect: checksums are always verified.
    #[arg(long, overrides_with = "no_checksum")]
    checksum: bool,

    /// Accepted and without effect: checksums are always verified.
    #[arg(long)]
    no_checksum: bool,

    /// Print problems of the logs. May be repeated.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,

    /// How points of a resumed program replace the earlier ones.
    #[arg(long, value_name = "POLICY", value_parser = variant::<RestartPolicy>(), default_value = "session-start")]
    restart: RestartPolicy,
}

#[derive(Clone, Copy)]
enum Reload {
    Once,
    Every(Duration),
}

fn reload(text: &str) -> Result<Reload, String> {
    if text == "once" {
        return Ok(Reload::Once);
    }
    let seconds = text.parse().map_err(|_| "must be a number of seconds or `once`")?;
    // 0 is TensorBoard's form of all intervals below a second.
    Ok(Reload::Every(Duration::from_secs(seconds).max(Duration::from_millis(200))))
}

/// Whether the program was started as a data server: by name, or by TensorBoard, which cannot give arguments of ours.
pub(crate) fn is_asked(args: impl IntoIterator<Item = OsString>) -> bool {
    let mut args = args.into_iter();
    let program = args.next().unwrap_or_default();
    let is_named = Path::new(&program).file_stem() == Some(OsStr::new(NAME));
    is_named || args.next().is_some_and(|arg| arg.to_string_lossy().starts_with("--logdir="))
}

/// Runs the data server with the arguments of the process.
pub(crate) fn main() -> ExitCode {
    let flags = match Flags::try_parse_from(env::args_os()) {
        Ok(flags) => flags,
        Err(error) => {
            let is_error = crate::output::usage(&error);
            return ExitCode::from(if is_error { BAD_COMMAND } else { FINE });
        }
    };
    let error_file = flags.error_file.clone();
    match run(&flags) {
        Ok(()) => ExitCode::from(FINE),
        Err((code, error)) => {
            let written = error_file.map(|path| fs::write(path, format!("{error}\n")));
            if !matches!(written, Some(Ok(()))) {
                crate::fail(&error);
            }
            ExitCode::from(code)
        }
    }
}

fn run(flags: &Flags) -> Result<(), (u8, Error)> {
    let fail = |code: u8| move |error| (code, error);
    let samples = samples(&flags.samples_per_plugin).map_err(fail(BAD_COMMAND))?;
    if flags.logdir.is_empty() {
        return Err((BAD_LOGDIR, Error::argument("the log directory is empty")));
    }
    if flags.die_after_stdin {
        thread::spawn(|| {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            std::process::exit(FINE.into());
        });
    }
    crate::use_threads(crate::threads_for_urls()).map_err(fail(BAD_COMMAND))?;
    if let Some(url) = env::var_os(URL) {
        // TensorBoard shows the log directory that it gets, so the secrets of a URL come by another way.
        store::enter(url.into());
    }
    let is_verbose = flags.verbose > 0;
    let source = Source::new(&flags.logdir);
    let logdir = source.path().to_owned();
    let server = DataServer::new(source)
        .options(LoadOptions::new().restart(flags.restart))
        .samples(samples)
        .reload(match flags.reload {
            Reload::Once => None,
            Reload::Every(pause) => Some(pause),
        })
        .host(&flags.host)
        .port(flags.port)
        .on_issues(move |issues| {
            for issue in issues.iter().filter(|issue| is_verbose || issue.effect.is_loss()) {
                warn(issue);
            }
        })
        .bind()
        .map_err(|error| match error.kind() {
            ErrorKind::Io(_)
                if error.location().path.as_ref().is_none_or(|path| **path != *logdir) =>
            {
                (BAD_PORT, error)
            }
            _ => (BAD_LOGDIR, error),
        })?;
    let port = server.address().port();
    match &flags.port_file {
        Some(path) => fs::write(path, format!("{port}\n"))
            .map_err(|error| (BAD_PORT_FILE, tbx::error::failed(error, path)))?,
        None => say(&format!("listening on {}", server.address())),
    }
    server.serve().map_err(fail(crate::FAILED))
}

/// The numbers of points: `PLUGIN=N,PLUGIN=all`, or nothing.
fn samples(text: &str) -> Result<Samples> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| sample(part).map_err(|error| Error::argument(format!("{part:?} {error}"))))
        .try_fold(Samples::new(), |samples, parsed| {
            let (plugin, count) = parsed?;
            Ok(samples.plugin(plugin, count))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_asked(args: &[&str]) -> bool {
        super::is_asked(args.iter().map(OsString::from))
    }

    #[test]
    fn tensorboard_starts_a_data_server() {
        assert!(is_asked(&["/bin/tbx", "--logdir=runs", "--reload=5"]));
        assert!(is_asked(&["/bin/tbx-data-server"]));
        assert!(is_asked(&["tbx-data-server.exe", "--help"]));
        assert!(!is_asked(&["/bin/tbx", "serve", "--logdir=runs"]));
        assert!(!is_asked(&["/bin/tbx"]));
        assert!(!is_asked(&[]));
    }

    #[test]
    fn the_flags_of_tensorboard_are_read() {
        let flags = Flags::try_parse_from([
            "tbx",
            "--logdir=/runs/x y",
            "--reload=0",
            "--samples-per-plugin=",
            "--port=0",
            "--port-file=/tmp/port",
            "--die-after-stdin",
            "--error-file=/tmp/error",
            "--verbose",
            "--verbose",
            "--checksum",
        ])
        .unwrap();
        assert_eq!(flags.logdir, "/runs/x y");
        assert_eq!(flags.verbose, 2);
        assert!(samples("scalars=all,images=7").is_ok());
        assert!(samples("scalars").is_err());
        assert!(Flags::try_parse_from(["tbx", "--reload=1"]).is_err());
    }
}
