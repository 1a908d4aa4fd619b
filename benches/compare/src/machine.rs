//! The head of the report: machine, versions and command, without which a figure means nothing.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::python::Python;

const LOCK: &str = include_str!("../Cargo.lock");
const PEERS: [&str; 3] = ["tensorboard-rs", "tfrecord", "tboard"];

/// Machine, versions and command line, as a Markdown list.
pub fn describe(pythons: [&Python; 2]) -> String {
    let mut text = String::from("# tbx and its peers\n\n");
    let mut item = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- {name}: {value}");
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    item("command", format!("`tbx-compare {}`", arguments.join(" ")));
    item("processor", format!("{}, {} cores", processor(), cores()));
    item("system", format!("Linux {}, {} memory", first_line("kernel/osrelease"), memory()));
    item("load before", load());
    item("tbx", format!("{}, {}", locked("tensorboard-tbx"), commit()));
    let crates: Vec<String> = PEERS.iter().map(|name| format!("{name} {}", locked(name))).collect();
    item("crates", format!("{}; {}", crates.join(", "), output("rustc", &["--version"])));
    for packages in pythons.map(Python::versions) {
        if let [(python, version), packages @ ..] = &packages[..] {
            let packages: Vec<String> =
                packages.iter().map(|(name, version)| format!("{name} {version}")).collect();
            item(python, format!("{version} with {}", packages.join(", ")));
        }
    }
    text
}

/// The version of a package in Cargo.lock.
fn locked(package: &str) -> &'static str {
    let name = format!("name = \"{package}\"");
    let mut lines = LOCK.lines().skip_while(|line| *line != name);
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = "));
    version.map_or("?", |version| version.trim_matches('"'))
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("unknown".to_owned(), |(_, model)| model.to_owned())
}

fn cores() -> String {
    std::thread::available_parallelism().map_or("unknown".to_owned(), |count| count.to_string())
}

fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kibibytes.map_or("unknown".to_owned(), |kib| format!("{:.0} GiB", kib / 1024.0 / 1024.0))
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let one_minute = text.split(' ').next().unwrap_or("unknown");
    format!("{one_minute} processes (should be near 0)")
}

fn first_line(name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
    text.trim().to_owned()
}

fn commit() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).display().to_string();
    let commit = output("git", &["-C", &folder, "describe", "--always", "--dirty"]);
    if commit.is_empty() { "no commit".to_owned() } else { format!("commit {commit}") }
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}
