//! Measurements of the machine while a run is recorded. Their names and units are those of MLflow
//! (`mlflow/system_metrics/metrics`), under which MLflow's page shows them.

use std::path::{Path, PathBuf};

use nvml_wrapper::{Device, Nvml};
use sysinfo::{Networks, System};

/// The start of all names.
pub(super) const SYSTEM: &str = "system/";
/// Number of bytes of a megabyte, as MLflow counts.
const MEGABYTE: f64 = 1e6;

/// Measures the machine. Rates are those since the previous measurement.
pub(super) struct Monitor {
    system: System,
    networks: Networks,
    /// Bytes that the machine had received and sent at the start.
    before: (u64, u64),
    /// The directory whose disk is measured.
    dir: PathBuf,
    /// NVIDIA's library; none without its driver.
    cards: Option<Nvml>,
}

/// The names and values of one measurement.
#[derive(Debug, Default)]
pub(super) struct Sample(pub(super) Vec<(String, f64)>);

impl Monitor {
    /// Starts to measure for a run in `dir`.
    pub(super) fn start(dir: &Path) -> Self {
        let mut system = System::new();
        system.refresh_cpu_usage();
        let networks = Networks::new_with_refreshed_list();
        let before = transferred(&networks);
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        Self { system, networks, before, dir, cards: Nvml::init().ok() }
    }

    /// Measures now. What the machine does not tell is left out.
    pub(super) fn sample(&mut self) -> Sample {
        let mut sample = Sample::default();
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        sample.add("cpu_utilization_percentage", self.system.global_cpu_usage().into());
        let (used, all) = (self.system.used_memory(), self.system.total_memory());
        sample.add_usage("system_memory", used, all);
        self.disk(&mut sample);
        self.networks.refresh(true);
        let (received, sent) = transferred(&self.networks);
        // A counter begins again if its interface does.
        let since = |now: u64, before: u64| float(now.saturating_sub(before)) / MEGABYTE;
        sample.add("network_receive_megabytes", since(received, self.before.0));
        sample.add("network_transmit_megabytes", since(sent, self.before.1));
        self.cards(&mut sample);
        sample
    }

    /// The file system with the directory of the run.
    fn disk(&self, sample: &mut Sample) {
        let Some(Disk { used, available }) = Disk::of(&self.dir) else { return };
        sample.add_usage("disk", used, used.saturating_add(available));
        sample.add("disk_available_megabytes", float(available) / MEGABYTE);
    }

    fn cards(&self, sample: &mut Sample) {
        let Some(nvml) = &self.cards else { return };
        for index in 0..nvml.device_count().unwrap_or(0) {
            if let Ok(card) = nvml.device_by_index(index) {
                self.card(index, &card, sample);
            }
        }
    }

    fn card(&self, index: u32, card: &Device<'_>, sample: &mut Sample) {
        let name = |what: &str| format!("gpu_{index}_{what}");
        if let Ok(memory) = card.memory_info() {
            sample.add_usage(&name("memory"), memory.used, memory.total);
        }
        if let Ok(rates) = card.utilization_rates() {
            sample.add(&name("utilization_percentage"), rates.gpu.into());
        }
        if let Ok(milliwatts) = card.power_usage() {
            let watts = f64::from(milliwatts) / 1000.0;
            sample.add(&name("power_usage_watts"), watts);
            let limit = card.enforced_power_limit().unwrap_or(0);
            if limit > 0 {
                let share = f64::from(milliwatts) / f64::from(limit);
                sample.add(&name("power_usage_percentage"), share * 100.0);
            }
        }
    }
}

/// The space of a file system in bytes. Together they are less than its size if a part is reserved.
#[derive(Debug)]
struct Disk {
    used: u64,
    available: u64,
}

impl Disk {
    /// That of the file system with `path`, of whatever kind; `None` if it does not tell.
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        let stat = rustix::fs::statvfs(path).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let used = bytes(stat.f_blocks.saturating_sub(stat.f_bfree));
        (stat.f_blocks > 0).then(|| Self { used, available: bytes(stat.f_bavail) })
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> Option<Self> {
        use sysinfo::{DiskRefreshKind, Disks};
        let kind = DiskRefreshKind::nothing().with_storage();
        let disks = Disks::new_with_refreshed_list_specifics(kind);
        let with_it = disks.iter().filter(|disk| path.starts_with(disk.mount_point()));
        let disk = with_it.max_by_key(|disk| disk.mount_point().iter().count())?;
        let (all, available) = (disk.total_space(), disk.available_space());
        (all > 0).then(|| Self { used: all.saturating_sub(available), available })
    }
}

impl Sample {
    fn add(&mut self, name: &str, value: f64) {
        self.0.push((format!("{SYSTEM}{name}"), value));
    }

    /// Adds the used part of something, in megabytes and in percent.
    fn add_usage(&mut self, name: &str, used: u64, all: u64) {
        if all > 0 {
            self.add(&format!("{name}_usage_megabytes"), float(used) / MEGABYTE);
            self.add(&format!("{name}_usage_percentage"), float(used) / float(all) * 100.0);
        }
    }
}

/// Bytes that all interfaces have received and sent.
fn transferred(networks: &Networks) -> (u64, u64) {
    networks.list().values().fold((0, 0), |(received, sent), network| {
        let received = network.total_received().saturating_add(received);
        (received, network.total_transmitted().saturating_add(sent))
    })
}

#[expect(clippy::as_conversions, reason = "a measurement, which float64 may round")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_is_within_what_is_possible() {
        let dir = tempfile::tempdir().unwrap();
        let mut monitor = Monitor::start(dir.path());
        let Sample(values) = monitor.sample();
        let value =
            |name: &str| values.iter().find(|(known, _)| known == name).map(|known| known.1);
        let known = |name: &str| value(name).unwrap_or_else(|| panic!("{name}: {values:?}"));
        assert!(known("system/system_memory_usage_megabytes") > 1.0);
        for (name, value) in &values {
            assert!(value.is_finite() && *value >= 0.0, "{name}: {value}");
            if name.ends_with("_percentage") {
                assert!(*value <= 100.0, "{name}: {value}");
            }
        }
        // A used part and its share give the same whole as the operating system.
        let memory = known("system/system_memory_usage_megabytes") * 100.0
            / known("system/system_memory_usage_percentage");
        let system = sysinfo::System::new_all();
        assert!((memory * MEGABYTE - float(system.total_memory())).abs() < 1e6, "{memory}");
    }

    /// Lists of disks lack such file systems, so that another one would be measured.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_in_memory_is_measured_as_df_does() {
        let mut df = std::process::Command::new("df");
        let done = df.args(["-B1", "--output=used,avail", "/dev/shm"]).output();
        let Ok(done) = done else { return println!("skipped: df is not installed") };
        let text = String::from_utf8(done.stdout).unwrap();
        let line = text.lines().nth(1).unwrap_or_default();
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let [used, available] = numbers[..] else { return println!("skipped: no /dev/shm") };
        let disk = Disk::of(Path::new("/dev/shm")).unwrap();
        let sum = |used: u64, available| float(used) + float(available);
        // Other programs use it meanwhile.
        let difference = sum(disk.used, disk.available) - sum(used, available);
        assert!(difference.abs() <= 0.01 * sum(used, available), "{disk:?}, not {line}");
    }
}
