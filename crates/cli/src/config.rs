//! The configuration file `tbx.toml` of a project: what `tbx check` ignores, and what `tbx gc` removes.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use tbx::error::{ErrorKind, Result, failed};
use tbx::store;

/// The name of the file in the current directory.
const FILE: &str = "tbx.toml";
/// Maximum size in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The option that names the file.
#[derive(clap::Args)]
pub(super) struct ConfigFile {
    /// Configuration file [default: tbx.toml in the current directory, if there is one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The content of the file. A command reads its own table and ignores the other.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[serde(bound(deserialize = "C: Default + Deserialize<'de>, G: Default + Deserialize<'de>"))]
struct Config<C, G> {
    check: C,
    gc: G,
}

impl ConfigFile {
    /// The table `check`.
    pub(super) fn check<T: Default + DeserializeOwned>(&self) -> Result<T> {
        Ok(self.read::<Config<T, IgnoredAny>>()?.check)
    }

    /// The table `gc`.
    pub(super) fn gc<T: Default + DeserializeOwned>(&self) -> Result<T> {
        Ok(self.read::<Config<IgnoredAny, T>>()?.gc)
    }

    /// Reads the file. One that was not named may be missing. A log directory is never searched for one: logs may
    /// come from elsewhere.
    fn read<T: Default + DeserializeOwned>(&self) -> Result<T> {
        let path = self.config.as_deref().unwrap_or(Path::new(FILE));
        if self.config.is_none() && path.symlink_metadata().is_err() {
            return Ok(T::default());
        }
        let bytes = store::read(path, MAX_BYTES).map_err(|error| failed(error, path))?;
        let text = String::from_utf8_lossy(&bytes);
        toml::from_str(&text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
            failed(ErrorKind::Value(format!("line {line}: {}", error.message())), path)
        })
    }
}

/// Parses a text as an option of the command line is parsed.
pub(super) fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(|what| serde::de::Error::custom(format!("{text:?} {what}")))
}

/// A pattern of names.
#[derive(Debug, Clone)]
pub(super) struct Pattern(pub(super) regex::Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, |text| {
            let pattern = regex::Regex::from_str(text);
            pattern.map(Self).map_err(|_| "is not a regular expression".into())
        })
    }
}
