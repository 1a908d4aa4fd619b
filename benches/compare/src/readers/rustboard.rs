//! RustBoard: the server of the Python package tensorboard-data-server.
//!
//! It loads in a background thread and never exits by itself. With `-v` it logs "Starting load
//! cycle" and "Finished load cycle (1.234s)". With `--reload once` there is only one such cycle; at
//! its end, every point is in the memory from which requests are served.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::python::Python;

/// The server on `folder`, configured to keep all scalars and nothing else.
pub fn command(python: &Python, checksums: bool, folder: &Path) -> Result<Command> {
    let mut command = Command::new(python.rustboard()?);
    command.arg("--logdir").arg(folder);
    command.args(["--reload", "once", "--port", "0", "--die-after-stdin", "--verbose"]);
    command.arg("--samples-per-plugin=scalars=all,images=0,histograms=0");
    if checksums {
        command.arg("--checksum");
    }
    Ok(command)
}

/// The seconds in the line that ends the load cycle; `None` for any other line.
pub fn load_seconds(line: &str) -> Option<f64> {
    let (_, duration) = line.split_once("Finished load cycle (")?;
    let duration = duration.strip_suffix(')')?;
    // Rust prints a Duration with a unit after the number. All units end in "s", so "s" comes last.
    let units = [("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let (number, unit) =
        units.iter().find_map(|(name, unit)| Some((duration.strip_suffix(name)?, unit)))?;
    Some(number.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::load_seconds;

    #[test]
    fn the_last_line_of_a_load_cycle_carries_its_seconds() {
        let line =
            |duration| format!("[INFO rustboard_core::cli] Finished load cycle ({duration})");
        for (duration, seconds) in [("1.25s", 1.25), ("197.5ms", 0.1975), ("850µs", 0.00085)] {
            let found = load_seconds(&line(duration)).unwrap();
            assert!((found - seconds).abs() < 1e-12, "{duration} became {found}");
        }
        assert_eq!(load_seconds("[INFO rustboard_core::cli] Starting load cycle"), None);
    }
}
