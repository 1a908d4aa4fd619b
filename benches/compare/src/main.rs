//! Runs tbx and its peers on generated event logs and prints medians and ratios.
//!
//! The program starts a new process of itself for each measurement, so that memory and start-up
//! time belong to a single reader or writer. README.md describes what is measured and how.

mod histogram;
mod inputs;
mod kinds;
mod machine;
mod memory;
mod process;
mod progress;
mod python;
mod random;
mod read;
mod readers;
mod report;
mod totals;
mod workloads;
mod write;
mod writers;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(about = "Compares tbx with its peers; prints Markdown tables", long_about = None)]
struct Arguments {
    /// Size of the workloads; 1 is 1.2 GB
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Timed rounds; a round before them warms up and measures memory
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measure only readers, only the common tests of writers, or only single kinds of data
    #[arg(long)]
    only: Option<Part>,
    /// Measure only these workloads
    #[arg(long, value_delimiter = ',', default_values_t = workloads::NAMES.map(str::to_owned))]
    workloads: Vec<String>,
    /// Write only kinds of data whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Measure only programs whose name contains one of these, and tbx
    #[arg(long, value_delimiter = ',')]
    programs: Vec<String>,
    /// Python with the packages of requirements.txt [default: .venv/bin/python here, or python3]
    #[arg(long)]
    python: Option<PathBuf>,
    /// Python with TensorFlow and TensorBoard [default: none, TensorFlow is skipped]
    #[arg(long)]
    tf_python: Option<PathBuf>,
    /// Also measure the Python readers, on workloads of a twentieth of the size
    #[arg(long)]
    slow: bool,
    /// Directory for the workloads [default: `workloads` in the target directory]
    #[arg(long)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    child: Option<Child>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    Read,
    Write,
    Kinds,
}

/// The roles of the program when it starts itself.
#[derive(Subcommand)]
enum Child {
    #[command(hide = true)]
    Read { reader: readers::Own, folder: PathBuf },
    #[command(hide = true)]
    Write { writer: writers::Own, what: String, count: usize, folder: PathBuf },
    #[command(hide = true)]
    Prepare { workload: String, scale: f64, folder: PathBuf },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.child {
        Some(Child::Read { reader, folder }) => readers::child(reader, &folder),
        Some(Child::Write { writer, what, count, folder }) => {
            writers::child(writer, &what, count, &folder)
        }
        Some(Child::Prepare { workload, scale, folder }) => {
            workloads::prepare(&folder, &workload, scale).map(drop)
        }
        None => compare(&arguments),
    }
}

fn compare(arguments: &Arguments) -> Result<()> {
    let target = target_folder()?;
    let python = python::Python::find(arguments.python.as_deref());
    let tf_python = python::Python::only(arguments.tf_python.as_deref());
    print!("{}", machine::describe([&python, &tf_python]));
    let is_wanted = |part| arguments.only.is_none_or(|only| only == part);

    if is_wanted(Part::Read) {
        let data = arguments.data.clone().unwrap_or_else(|| target.join("workloads"));
        let readers = selected(&readers::FAST, &arguments.programs, |reader| reader.label());
        let session = read::Session { data: &data, python: &python, rounds: arguments.rounds };
        println!("\n## Reading all scalars into columns\n");
        session.measure(&arguments.workloads, arguments.scale, &readers)?;
        if arguments.slow {
            let readers = selected(&readers::SLOW, &arguments.programs, |reader| reader.label());
            println!("\n## Reading with Python, workloads of a twentieth\n");
            session.measure(&arguments.workloads, arguments.scale / 20.0, &readers)?;
        }
    }
    let scratch = target.join(format!("scratch-{}", std::process::id()));
    let writers = selected(&writers::ALL, &arguments.programs, |writer| writer.label());
    let session = write::Session {
        scratch: &scratch,
        python: &python,
        tf_python: &tf_python,
        rounds: arguments.rounds,
        scale: arguments.scale,
    };
    let write = || {
        if is_wanted(Part::Write) {
            println!("\n## Writing\n");
            session.measure(&writers)?;
        }
        if is_wanted(Part::Kinds) {
            println!("\n## Writing, kind by kind\n");
            session.measure_kinds(&writers, &arguments.kinds)?;
        }
        Ok(())
    };
    let result = write();
    // Clean up even if a measurement failed.
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    result
}

/// The programs whose labels contain one of the wanted words, and tbx; all if there are no words.
fn selected<P: Copy>(all: &[P], wanted: &[String], label: fn(&P) -> &'static str) -> Vec<P> {
    let is_wanted = |program: &&P| {
        let label = label(program);
        wanted.is_empty() || label == "tbx" || wanted.iter().any(|word| label.contains(word))
    };
    all.iter().filter(is_wanted).copied().collect()
}

/// The command-line argument for `value`.
fn argument(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |word| word.get_name().to_owned())
}

/// The target directory that this program was built in, the only place where it writes.
fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("find the running program")?;
    let target = program.ancestors().nth(2).map(Path::to_owned);
    target.with_context(|| format!("{} is not in a target directory", program.display()))
}
