//! Captures the environment of a run.

use std::collections::{BTreeMap, HashSet};
use std::env;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use nvml_wrapper::Nvml;
use serde::Deserialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::digest;
use crate::meta::{Environment, Gpu};
use crate::redact;
use crate::store;

/// Maximum size of a lock file in bytes.
const MAX_LOCK: u64 = 16 << 20;
/// How long the driver of graphics cards may take to list them. Without persistence mode, it starts first.
const PATIENCE: Duration = Duration::from_secs(10);

/// The environment of this process.
pub(super) fn environment(variables: &[String]) -> Environment {
    let kinds = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(kinds);
    let cpu = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
    let lock = find_lock().and_then(|path| Lock::read(&path));
    let (packages, lock_sha256) = match lock {
        Some(lock) => (lock.packages, Some(lock.sha256)),
        None => (BTreeMap::new(), None),
    };
    Environment {
        host: host(),
        user: ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| env::var(name).ok()),
        os: System::long_os_version(),
        arch: Some(env::consts::ARCH.into()),
        cpu: cpu.filter(|brand| !brand.is_empty()),
        cpus: u32::try_from(system.cpus().len()).ok().filter(|count| *count > 0),
        memory: Some(system.total_memory()).filter(|bytes| *bytes > 0),
        gpus: gpus().unwrap_or_default(),
        language: option_env!("TBX_RUSTC_VERSION").map(str::to_owned),
        packages,
        lock_sha256,
        command: redact::command(env::args_os().map(|arg| arg.to_string_lossy().into_owned())),
        directory: env::current_dir().ok().map(|dir| dir.to_string_lossy().into_owned()),
        variables: chosen(variables),
        ..Environment::default()
    }
}

/// The machine's name.
pub(super) fn host() -> Option<String> {
    hostname::get().ok().map(|name| name.to_string_lossy().into_owned())
}

/// The GPUs; none without NVIDIA's driver, or if it does not answer soon.
fn gpus() -> Option<Vec<Gpu>> {
    let (found, all) = sync_channel(1);
    // A driver that does not answer must not keep the program from starting. Then the thread is left behind.
    let ask = thread::Builder::new().name("tbx graphics cards".into());
    ask.spawn(move || found.send(ask_driver().unwrap_or_default())).ok()?;
    all.recv_timeout(PATIENCE).ok()
}

fn ask_driver() -> Option<Vec<Gpu>> {
    let nvml = Nvml::init().ok()?;
    let driver = nvml.sys_driver_version().ok();
    let count = nvml.device_count().ok()?;
    let gpu = |index| {
        let device = nvml.device_by_index(index).ok()?;
        Some(Gpu {
            name: device.name().ok()?,
            memory: device.memory_info().ok().map(|memory| memory.total),
            driver: driver.clone(),
            ..Gpu::default()
        })
    };
    Some((0..count).filter_map(gpu).collect())
}

/// The variables in `names` that are set.
fn chosen(names: &[String]) -> BTreeMap<String, String> {
    let value = |name: &String| {
        let value = env::var_os(name)?.to_string_lossy().into_owned();
        Some((name.clone(), redact::named(name, &value).into_owned()))
    };
    names.iter().filter_map(value).collect()
}

/// The `Cargo.lock` of the package that `cargo run` runs, or of the working directory.
pub(super) fn find_lock() -> Option<PathBuf> {
    let start = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let start = start.or_else(|| env::current_dir().ok())?;
    start.ancestors().map(|dir| dir.join("Cargo.lock")).find(|path| path.is_file())
}

struct Lock {
    sha256: String,
    packages: BTreeMap<String, String>,
}

impl Lock {
    fn read(path: &Path) -> Option<Self> {
        let text = String::from_utf8(store::read(path, MAX_LOCK).ok()?).ok()?;
        let sha256 = digest::sha256(&text);
        Some(Self { sha256, packages: packages(&text) })
    }
}

/// Versions of the packages that come from no registry, and of their direct dependencies; the
/// digest covers the rest. If a name has several versions, all are listed.
fn packages(lock: &str) -> BTreeMap<String, String> {
    #[derive(Default, Deserialize)]
    struct Packages {
        #[serde(default)]
        package: Vec<Package>,
    }

    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
        source: Option<String>,
        #[serde(default)]
        dependencies: Vec<String>,
    }

    let found: Packages = toml::from_str(lock).unwrap_or_default();
    let own = found.package.iter().filter(|package| package.source.is_none());
    // `name`, or `name version` if there are several versions.
    let named: HashSet<&str> =
        own.flat_map(|package| &package.dependencies).map(String::as_str).collect();
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    for Package { name, version, source, .. } in &found.package {
        let is_named = named.contains(&**name) || named.contains(&*format!("{name} {version}"));
        if is_named || source.is_none() {
            let known = versions.entry(name.clone()).or_default();
            known.push_str(if known.is_empty() { "" } else { ", " });
            known.push_str(version);
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_are_not_set_are_not_named() {
        let names = ["PATH", "TBX_NO_SUCH_VARIABLE"].map(str::to_owned);
        assert_eq!(chosen(&names).keys().collect::<Vec<_>>(), ["PATH"]);
    }

    #[test]
    fn packages_that_are_asked_for_have_their_versions() {
        let lock = r#"
version = 4

[[package]]
name = "app"
version = "0.1.0"
dependencies = ["a", "b 0.1.0", "b 0.2.0"]

[[package]]
name = "a"
version = "1.0.0"
source = "registry"
dependencies = ["c"]

[[package]]
name = "b"
version = "0.1.0"
source = "registry"

[[package]]
name = "b"
version = "0.2.0"
source = "registry"

[[package]]
name = "c"
version = "3.0.0"
source = "registry"
"#;
        let found: Vec<_> = packages(lock).into_iter().collect();
        let expected = [("a", "1.0.0"), ("app", "0.1.0"), ("b", "0.1.0, 0.2.0")];
        assert_eq!(found, expected.map(|(name, version)| (name.into(), version.into())));
        assert!(packages("no lock").is_empty());
    }
}
