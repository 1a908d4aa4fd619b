//! Measures writers: for each test and each round, every program in turn.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::inputs;
use crate::process::{Process, Speaks};
use crate::progress;
use crate::python::Python;
use crate::report::{self, Table};
use crate::writers::{self, Writer};

/// Figures that one child measured, by name.
pub type Figures = BTreeMap<String, f64>;

pub const HISTOGRAM_VALUES: usize = 10_000;
pub const PICTURE_SIDE: u32 = 256;
/// Number of different arrays and images, which are written in rotation.
pub const INPUTS: u64 = 8;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub enum Test {
    Scalars,
    Tight,
    Paced,
    Visible,
    Histograms,
    Images,
    ImageCall,
}

const TESTS: [Test; 7] = [
    Test::Scalars,
    Test::Tight,
    Test::Paced,
    Test::Visible,
    Test::Histograms,
    Test::Images,
    Test::ImageCall,
];

impl Test {
    fn name(self) -> String {
        crate::argument(self)
    }

    /// Number of calls at scale 1: of Rust writers, and of Python writers, which are slower.
    fn calls(self, writer: Writer, scale: f64) -> usize {
        let (rust, python) = match self {
            Self::Scalars => (2_000_000, 50_000),
            Self::Tight => (500_000, 20_000),
            Self::Paced => (10_000, 10_000),
            // Fewer calls would give no meaningful share.
            Self::Visible => return 100,
            Self::Histograms => (4_000, 1_000),
            Self::Images => (400, 100),
            Self::ImageCall => (400, 100),
        };
        let full = if let Writer::Own(_) = writer { rust } else { python };
        ((f64::from(full) * scale) as usize).max(10)
    }
}

pub struct Session<'a> {
    pub scratch: &'a Path,
    pub python: &'a Python,
    pub tf_python: &'a Python,
    pub rounds: usize,
    pub scale: f64,
}

/// Results of all rounds for one program, by test and figure.
#[derive(Default)]
struct Results {
    rounds: BTreeMap<(Test, String), Vec<f64>>,
    failures: BTreeMap<Test, String>,
}

impl Results {
    fn median(&self, test: Test, figure: &str) -> Option<f64> {
        self.rounds.get(&(test, figure.to_owned())).and_then(|values| report::median(values))
    }

    fn cell(&self, test: Test, figure: &str) -> String {
        self.median(test, figure).map_or_else(report::dash, report::short)
    }
}

impl Session<'_> {
    /// Measures all `writers` and prints the tables.
    pub fn measure(&self, writers: &[Writer]) -> Result<()> {
        self.write_inputs()?;
        let mut results: Vec<Results> = writers.iter().map(|_| Results::default()).collect();
        for test in TESTS {
            for round in 1..=self.rounds {
                for (writer, results) in writers.iter().zip(&mut results) {
                    let (name, label) = (test.name(), writer.label());
                    let rounds = self.rounds;
                    progress::show(format_args!("{name}: round {round} of {rounds}, {label}"));
                    self.measure_once(*writer, test, results);
                }
            }
        }
        progress::clear();
        print(writers, &results);
        Ok(())
    }

    /// Saves the histogram values and images to files, for the writers that are not linked in.
    fn write_inputs(&self) -> Result<()> {
        fs::create_dir_all(self.scratch)
            .with_context(|| format!("create {}", self.scratch.display()))?;
        let (mut values, mut photos) = (Vec::new(), Vec::new());
        for seed in 0..INPUTS {
            let array = inputs::weights(seed, HISTOGRAM_VALUES);
            values.extend(array.iter().flat_map(|value| value.to_le_bytes()));
            photos.extend(inputs::textured(seed, PICTURE_SIDE, PICTURE_SIDE).bytes);
        }
        fs::write(self.scratch.join("values.f32"), values)?;
        fs::write(self.scratch.join("photos.rgb"), photos)?;
        Ok(())
    }

    fn measure_once(&self, writer: Writer, test: Test, results: &mut Results) {
        if results.failures.contains_key(&test) {
            return;
        }
        match self.run(writer, &test.name(), test.calls(writer, self.scale)) {
            Ok(figures) => {
                for (name, value) in figures {
                    results.rounds.entry((test, name)).or_default().push(value);
                }
            }
            Err(error) => {
                results.failures.insert(test, format!("{error:#}"));
            }
        }
    }

    /// Starts `writer` for a test or a kind of data by its name.
    pub fn run(&self, writer: Writer, what: &str, calls: usize) -> Result<Figures> {
        let folder = self.scratch.join("log");
        let mut command = match writer {
            Writer::Own(own) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["write", &own.name()]);
                command
            }
            Writer::Python { name, package } => {
                let is_tensorflow = writer == writers::TENSORFLOW;
                let python = if is_tensorflow { self.tf_python } else { self.python };
                python.require(package)?;
                let mut command = python.script("write.py");
                command.arg(name);
                command
            }
        };
        command.arg(what).arg(calls.to_string()).arg(&folder);
        fs::create_dir(&folder)?;
        let aside = self.scratch.join("output.log");
        let figures = Process::start(command, Speaks::Stdout, &aside)?
            .hear(|line| serde_json::from_str(line).ok());
        fs::remove_dir_all(&folder)?;
        figures
    }
}

fn print(writers: &[Writer], results: &[Results]) {
    let mut scalars = Table::new([
        "scalars, one thread, to closed file",
        "per second (range)",
        "tbx is",
        "bytes each",
        "in the file 0.1 s later, no flush",
    ]);
    let mut latency = Table::new([
        "one add_scalar, µs",
        "tight p50",
        "p99",
        "p99.9",
        "every 100 µs p50",
        "p99",
        "p99.9",
    ]);
    let mut large = Table::new([
        "larger items, to closed file",
        "10,000-value histograms/s",
        "tbx is",
        "bytes each",
        "256×256×3 images/s",
        "tbx is",
        "bytes each",
        "one call every 5 ms p50, µs",
        "p99",
    ]);
    let mut skipped = Vec::new();
    for (writer, own) in writers.iter().zip(results) {
        let label = || writer.label().to_owned();
        if own.rounds.is_empty() {
            skipped.extend(
                own.failures.values().next().map(|why| format!("{} skipped: {why}", label())),
            );
            continue;
        }
        for (test, why) in &own.failures {
            skipped.push(format!("{} skipped for {}: {why}", label(), test.name()));
        }
        let ratio = |test| {
            let tbx = results.first().and_then(|tbx| tbx.median(test, "per_second"));
            report::ratio(tbx.zip(own.median(test, "per_second")).map(|(tbx, own)| tbx / own))
        };
        let rates = own.rounds.get(&(Test::Scalars, "per_second".to_owned()));
        let share = own.median(Test::Visible, "visible");
        scalars.row([
            label(),
            rates.map_or_else(report::dash, |rates| report::spread(rates)),
            ratio(Test::Scalars),
            own.cell(Test::Scalars, "bytes"),
            share.map_or_else(report::dash, |share| format!("{:.0} %", share * 100.0)),
        ]);
        latency.row([
            label(),
            own.cell(Test::Tight, "p50"),
            own.cell(Test::Tight, "p99"),
            own.cell(Test::Tight, "p99.9"),
            own.cell(Test::Paced, "p50"),
            own.cell(Test::Paced, "p99"),
            own.cell(Test::Paced, "p99.9"),
        ]);
        large.row([
            label(),
            own.cell(Test::Histograms, "per_second"),
            ratio(Test::Histograms),
            own.cell(Test::Histograms, "bytes"),
            own.cell(Test::Images, "per_second"),
            ratio(Test::Images),
            own.cell(Test::Images, "bytes"),
            own.cell(Test::ImageCall, "p50"),
            own.cell(Test::ImageCall, "p99"),
        ]);
    }
    scalars.print();
    latency.print();
    println!("Each latency contains one reading of the clock: {:.3} µs here.\n", clock_cost());
    large.print();
    for line in skipped {
        println!("{line}\n");
    }
}

/// Microseconds to read the clock once: the median of many readings.
fn clock_cost() -> f64 {
    let mut before = Instant::now();
    let costs: Vec<f64> = (0..100_000)
        .map(|_| {
            let after = Instant::now();
            let cost = after.duration_since(before).as_secs_f64();
            before = after;
            cost * 1e6
        })
        .collect();
    report::median(&costs).unwrap_or_default()
}
