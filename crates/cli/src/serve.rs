//! `tbx serve`, and the program as TensorBoard's data server

pub(super) mod data_server;
pub(super) mod tensorboard;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::logs::Choice;
use super::render::{bytes, counted};
use super::{FINE, print, say, warn};
use tbx::error::{Error, Result};
use tbx_serve::{Page, Samples, Server, Source, find_page, get_page};

/// Maximum number of problems of logs that are printed.
const MAX_ISSUES: usize = 20;

#[derive(clap::Args)]
#[command(
    after_help = "The page is TensorBoard's own: the file webfiles.zip of the Python package tensorboard, which \
tbx finds in the active virtual environment, in the user's cache, or in the python on PATH. TensorBoard itself is not \
started, and no Python is needed while the page is shown.

Only this machine can connect, unless --host says otherwise. There is no login. Nothing is written.

NAME:PATH shows the runs of a log directory under that name. A log directory may be a URL, see `tbx --help`: it is
listed every 5 seconds or more rarely, and only objects that changed are read. The embeddings of a URL are not shown.

Examples:
  tbx serve runs
  tbx serve runs --reload 5
  tbx serve base:runs/base new:runs/new --open
  tbx serve s3://bucket/runs local:runs
  tbx serve runs --samples scalars=all --samples images=50
  tbx serve runs --export site && python3 -m http.server --directory site
  tbx serve --get-webfiles
  tbx serve runs --webfiles ~/venv/lib/python3.12/site-packages/tensorboard/webfiles.zip"
)]
pub(super) struct Args {
    /// Log directories or their URLs, or NAME:PATH.
    #[arg(required_unless_present = "get_webfiles", value_name = "LOGDIR", env = "TBX_LOGDIR")]
    logdirs: Vec<String>,

    #[command(flatten)]
    choice: Choice,

    /// Name or address to listen on. 0.0.0.0 lets other machines connect.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,

    /// Name under which the server is reached, in addition to its address and the name of this machine. May be repeated.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,

    /// Port; if it is in use, the next free one is taken. 0 is any free port.
    #[arg(long, value_name = "PORT", default_value_t = 6006)]
    port: u16,

    /// Interval between two looks for new data, in seconds [default: 1]. If it is given, the page loads new data as often,
    /// at most once a second; otherwise as its settings say, or when its reload button is pressed.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    reload: Option<f64>,

    /// Number of points to show of each series of a plugin, such as scalars=5000; 0 or `all` shows all. May be repeated.
    /// [default: scalars=1000, histograms=51, text=100, pr_curves=100, mesh=100, images=10, audio=10]
    #[arg(long, value_name = "PLUGIN=N", value_parser = sample, value_delimiter = ',')]
    samples: Vec<(String, Option<usize>)>,

    /// The file webfiles.zip of the Python package tensorboard.
    #[arg(long, value_name = "FILE", env = "TBX_WEBFILES")]
    webfiles: Option<PathBuf>,

    /// Write a static site with the current data to this new directory, and end. Any web server shows it without tbx.
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,

    /// Download TensorBoard's page with pip into the user's cache, and end.
    #[arg(long)]
    get_webfiles: bool,

    /// Title of the window.
    #[arg(long, value_name = "TEXT", default_value = "")]
    window_title: String,

    /// Open the page in the browser.
    #[arg(long)]
    open: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.05..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "must be a number of seconds from 0.05 to 3600".into())
}

fn sample(text: &str) -> Result<(String, Option<usize>), String> {
    let (plugin, count) = text.split_once('=').ok_or("must be PLUGIN=N or PLUGIN=all")?;
    let count = match count {
        "all" | "0" => None, // 0 as in TensorBoard
        count => Some(count.parse().map_err(|_| "N must be a whole number or `all`")?),
    };
    Ok((plugin.to_owned(), count))
}

pub(super) fn run(args: &Args) -> Result<u8> {
    if args.get_webfiles {
        print(&format!("{}\n", get_page()?.display()))?;
        return Ok(FINE);
    }
    let mut page = page(args.webfiles.clone())?;
    let reload = args.reload.map(Duration::from_secs_f64);
    let samples = args.samples.iter().cloned();
    let samples =
        samples.fold(Samples::new(), |samples, (plugin, count)| samples.plugin(plugin, count));
    let mut printed = 0;
    let mut server = Server::new(args.logdirs.iter().map(|text| Source::parse(text)))
        .options(args.choice.options())
        .samples(samples)
        .reload(reload.unwrap_or(Duration::from_secs(1)))
        .host(&args.host)
        .port(args.port)
        .title(&args.window_title)
        .on_issues(move |issues| {
            for issue in issues {
                match printed {
                    MAX_ISSUES => warn("more problems; tbx inspect shows them"),
                    more if more > MAX_ISSUES => {}
                    _ if issue.effect.is_loss() => warn(issue),
                    _ => say(&issue.to_string()),
                }
                printed += 1;
            }
        });
    for name in &args.allow_host {
        server = server.allow_host(name);
    }
    if let Some(directory) = &args.export {
        let done = server.export(page, directory)?;
        let (runs, answers) = (counted(done.runs, "run"), counted(done.answers, "answer"));
        let size = bytes(done.bytes);
        print(&format!("{runs}, {answers} written to {}, {size}\n", directory.display()))?;
        return Ok(FINE);
    }
    if let Some(period) = reload {
        page = page.refresh(period);
    }
    let server = server.bind(page)?;
    let address = server.address();
    if args.port != 0 && address.port() != args.port {
        say(&format!("port {} is in use", args.port));
    }
    let host = match address.ip() {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        ip if ip.is_ipv6() => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    let url = format!("http://{host}:{}/", address.port());
    if !address.ip().is_loopback() {
        warn("other machines can connect and see these logs");
    }
    print(&format!("{url}\n"))?;
    if args.open {
        open(&url);
    }
    server.serve()?;
    Ok(FINE)
}

/// The page of TensorBoard.
fn page(named: Option<PathBuf>) -> Result<Page> {
    let path = named.or_else(find_page).ok_or_else(|| {
        Error::argument(
            "TensorBoard's page was not found: `tbx serve --get-webfiles` downloads it, `pip install tensorboard` \
             installs it, --webfiles or TBX_WEBFILES names its file webfiles.zip",
        )
    })?;
    Page::open(&path)
}

/// Opens the page in the user's browser.
fn open(url: &str) {
    let (program, arguments): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    let mut browser = Command::new(program);
    browser.args(arguments).arg(url);
    browser.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = browser.spawn() {
        say(&format!("{program} does not start: {error}"));
    }
}
