//! Measures readers: for each workload and each round, every program in turn.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::memory::{Memory, Watch};
use crate::process::{Process, Speaks};
use crate::progress;
use crate::python::Python;
use crate::readers::{self, Reader, Threads};
use crate::report::{self, Table};
use crate::totals::Totals;
use crate::workloads::{self, Workload};

pub struct Session<'a> {
    pub data: &'a Path,
    pub python: &'a Python,
    pub rounds: usize,
}

/// Results of all rounds for one program on one workload.
#[derive(Default)]
struct Results {
    /// Seconds as the program measures them, from opening the directory until all is in memory.
    load: Vec<f64>,
    /// Seconds from the start of the process until it reports the end of the load.
    process: Vec<f64>,
    memory: Option<Memory>,
    failure: Option<String>,
}

impl Session<'_> {
    /// Measures the workloads `names` and prints one table for each.
    pub fn measure(&self, names: &[String], scale: f64, readers: &[Reader]) -> Result<()> {
        for name in names {
            let workload = self.prepare(name, scale)?;
            let mut results: Vec<Results> = readers.iter().map(|_| Results::default()).collect();
            for round in 0..=self.rounds {
                for (reader, results) in readers.iter().zip(&mut results) {
                    progress::show(format_args!(
                        "{name}: round {round} of {}, {}",
                        self.rounds,
                        reader.label()
                    ));
                    self.measure_once(*reader, &workload, round == 0, results);
                }
            }
            progress::clear();
            print(&workload, readers, &results);
        }
        Ok(())
    }

    /// Writes the workload in a separate process, to keep the memory of this one small: children
    /// inherit the recorded peak of their parent.
    fn prepare(&self, name: &str, scale: f64) -> Result<Workload> {
        fs::create_dir_all(self.data).with_context(|| format!("create {}", self.data.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("prepare").arg(name).arg(scale.to_string()).arg(self.data);
        let status = command.status()?;
        anyhow::ensure!(status.success(), "writing the workload {name} failed");
        workloads::prepare(self.data, name, scale)
    }

    /// One load. The warm-up is not timed; it measures memory and checks the result.
    fn measure_once(
        &self,
        reader: Reader,
        workload: &Workload,
        is_warm_up: bool,
        results: &mut Results,
    ) {
        if results.failure.is_some() {
            return;
        }
        match self.load(reader, workload, is_warm_up) {
            Ok(load) if is_warm_up => results.memory = load.memory,
            Ok(load) => {
                results.load.push(load.seconds);
                results.process.push(load.process_seconds);
            }
            Err(error) => results.failure = Some(format!("{error:#}")),
        }
    }

    fn load(&self, reader: Reader, workload: &Workload, is_warm_up: bool) -> Result<Load> {
        let (command, speaks) = self.command(reader, workload)?;
        let aside = self.data.join("output.log");
        let mut process = Process::start(command, speaks, &aside)?;
        let watch = is_warm_up.then(|| Watch::start(process.id()));
        let (seconds, address) = match reader {
            Reader::Rustboard { .. } => hear_rustboard(&mut process)?,
            _ => (process.hear(|line| line.strip_prefix("loaded ")?.parse().ok())?, None),
        };
        let process_seconds = process.age().as_secs_f64();
        let memory = watch.and_then(Watch::finish);

        // RustBoard is queried only once, because each answer sends all points through Python.
        let totals = match address {
            Some(address) if is_warm_up => Some(self.ask_rustboard(&address)?),
            Some(_) => None,
            None => {
                process.nudge()?;
                let totals = |line: &str| serde_json::from_str(line.strip_prefix("totals ")?).ok();
                Some(process.hear(totals)?)
            }
        };
        if let Some(totals) = totals {
            totals.check(&workload.scalars)?;
        }
        Ok(Load { seconds, process_seconds, memory })
    }

    fn command(&self, reader: Reader, workload: &Workload) -> Result<(Command, Speaks)> {
        Ok(match reader {
            Reader::Own(own, threads) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["read", &own.name()]).arg(&workload.path);
                if threads == Threads::One {
                    command.env("RAYON_NUM_THREADS", "1");
                }
                (command, Speaks::Stdout)
            }
            Reader::Python(name) => {
                self.python.require("tensorboard")?;
                if name == "tbparse" {
                    self.python.require("tbparse")?;
                }
                let mut command = self.python.script("read_slow.py");
                command.arg(name).arg(&workload.path);
                (command, Speaks::Stdout)
            }
            Reader::Rustboard { checksums } => {
                let command = readers::rustboard_command(self.python, checksums, &workload.path)?;
                (command, Speaks::Stderr)
            }
        })
    }

    fn ask_rustboard(&self, address: &str) -> Result<Totals> {
        let output = self.python.script("rustboard_totals.py").arg(address).output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The seconds of the load and the address to query, in whichever order RustBoard prints them.
fn hear_rustboard(process: &mut Process) -> Result<(f64, Option<String>)> {
    let mut address = None;
    let mut seconds = None;
    process
        .hear(|line| {
            address = line.strip_prefix("listening on ").map(str::to_owned).or(address.take());
            seconds = readers::rustboard_load_seconds(line).or(seconds);
            seconds.filter(|_| address.is_some())
        })
        .map(|seconds| (seconds, address))
}

/// One load of one program.
struct Load {
    seconds: f64,
    process_seconds: f64,
    memory: Option<Memory>,
}

fn print(workload: &Workload, readers: &[Reader], results: &[Results]) {
    println!(
        "### {}: scalars {}, runs {}, {:.1} MB\n",
        workload.name,
        workload.scalars.scalars,
        workload.runs,
        workload.bytes as f64 / 1e6
    );
    let mut table = Table::new([
        "program",
        "load, s (range)",
        "tbx is",
        "whole process, s (range)",
        "tbx is",
        "peak RSS, MB",
        "of it anonymous, MB",
    ]);
    let first = results.first();
    let tbx_load = first.and_then(|tbx| report::median(&tbx.load));
    let tbx_process = first.and_then(|tbx| report::median(&tbx.process));
    let mut skipped = Vec::new();
    for (reader, results) in readers.iter().zip(results) {
        if let Some(failure) = &results.failure {
            skipped.push(format!("{} skipped: {failure}", reader.label()));
            continue;
        }
        let ratio = |own: &[f64], tbx: Option<f64>| {
            report::ratio(report::median(own).zip(tbx).map(|(own, tbx)| own / tbx))
        };
        let megabytes = |bytes: fn(Memory) -> u64| {
            results.memory.map_or_else(report::dash, |m| report::short(bytes(m) as f64 / 1e6))
        };
        table.row([
            reader.label().to_owned(),
            report::spread(&results.load),
            ratio(&results.load, tbx_load),
            report::spread(&results.process),
            ratio(&results.process, tbx_process),
            megabytes(|memory| memory.resident),
            megabytes(|memory| memory.anonymous),
        ]);
    }
    table.print();
    for line in skipped {
        println!("{line}\n");
    }
}
