//! Measurements of the machine, which the page of a run shows apart from its charts.

use std::mem;

use super::OfflineRun;
use crate::error::Result;
use crate::wandb::describe;
use crate::wandb::encode::number;
use crate::wandb::items::Item;
use crate::wandb::record::Content;

/// The start of the tags of measurements.
const SYSTEM: &str = "system/";
/// Number of steps whose measurements are kept until they are complete.
const MAX_STEPS: usize = 4096;
/// Number of bytes of a megabyte.
const MEGABYTE: f64 = 1e6;

impl OfflineRun {
    /// Whether a run of tbx measures the values of a tag itself, so that they belong to the system metrics.
    pub fn is_measured(tag: &str) -> bool {
        let Some(name) = tag.strip_prefix(SYSTEM) else { return false };
        let starts = ["cpu_", "disk_", "gpu_", "network_", "system_memory_"];
        let ends = ["_percentage", "_megabytes", "_watts"];
        starts.iter().any(|start| name.starts_with(start))
            && ends.iter().any(|end| name.ends_with(end))
    }

    /// Adds a measurement of the machine. Those of one step become one record.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn measured(&mut self, tag: &str, step: i64, wall_time: f64, value: f64) -> Result<()> {
        let (key, factor) = key(tag.strip_prefix(SYSTEM).unwrap_or(tag));
        let mut json = Vec::new();
        number(value * factor, &mut json);
        let value_json = String::from_utf8_lossy(&json).into_owned();
        let stats = self.measured.entry(step).or_default();
        if wall_time.is_finite() {
            stats.timestamp = Some(describe::timestamp(wall_time));
        }
        stats.item.push(Item { key, value_json, ..Item::default() });
        if self.measured.len() > MAX_STEPS { self.end_measurements() } else { Ok(()) }
    }

    /// Writes the measurements.
    pub(super) fn end_measurements(&mut self) -> Result<()> {
        for stats in mem::take(&mut self.measured).into_values() {
            self.put(Content::Stats(stats))?;
        }
        Ok(())
    }
}

/// The key of W&B for the same measurement under MLflow's name, and the factor between their units; a name that W&B
/// has no equal for stays.
fn key(name: &str) -> (String, f64) {
    match name {
        "system_memory_usage_percentage" => return ("memory_percent".into(), 1.0),
        "network_receive_megabytes" => return ("network.recv".into(), MEGABYTE),
        "network_transmit_megabytes" => return ("network.sent".into(), MEGABYTE),
        _ => {}
    }
    let of_card = name.strip_prefix("gpu_").and_then(|rest| rest.split_once('_'));
    let of_card = of_card.filter(|(index, _)| index.bytes().all(|byte| byte.is_ascii_digit()));
    let of_card = of_card.and_then(|(index, what)| {
        let (what, factor) = match what {
            "utilization_percentage" => ("gpu", 1.0),
            "memory_usage_percentage" => ("memoryAllocated", 1.0),
            "memory_usage_megabytes" => ("memoryAllocatedBytes", MEGABYTE),
            "power_usage_watts" => ("powerWatts", 1.0),
            "power_usage_percentage" => ("powerPercent", 1.0),
            _ => return None,
        };
        Some((format!("gpu.{index}.{what}"), factor))
    });
    of_card.unwrap_or_else(|| (name.to_owned(), 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_have_the_names_and_units_of_wandb() {
        for (name, expected, factor) in [
            ("network_receive_megabytes", "network.recv", 1e6),
            ("gpu_12_memory_usage_megabytes", "gpu.12.memoryAllocatedBytes", 1e6),
            ("gpu_0_utilization_percentage", "gpu.0.gpu", 1.0),
            ("gpu_x_utilization_percentage", "gpu_x_utilization_percentage", 1.0),
            ("cpu_utilization_percentage", "cpu_utilization_percentage", 1.0),
            ("gpu.0.temp", "gpu.0.temp", 1.0),
        ] {
            assert_eq!(key(name), (expected.to_owned(), factor));
        }
    }
}
