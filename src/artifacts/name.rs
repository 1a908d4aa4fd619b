//! Names of artifacts and of their versions.

use std::fmt;
use std::str::FromStr;

use super::{ArtifactVersion, VersionedArtifact};
use crate::error::ErrorKind;

/// Maximum length of a name, as in Weights & Biases.
const MAX_NAME: usize = 128;
/// The version that was logged last.
pub(super) const LATEST: &str = "latest";

/// The name of a version of an artifact: `data:v3`, `data:latest`, `data:best` (an alias), or `data`, which is
/// `data:latest`.
///
/// ```
/// use tbx::artifacts::ArtifactName;
///
/// let name: ArtifactName = "data:v3".parse()?;
/// assert_eq!((&*name.artifact, &*name.version), ("data", "v3"));
/// assert_eq!("data".parse::<ArtifactName>()?.to_string(), "data:latest");
/// assert!("../data:v3".parse::<ArtifactName>().is_err());
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArtifactName {
    /// The name of the artifact.
    pub artifact: String,
    /// `v` with a number, an alias, or `latest`.
    pub version: String,
}

impl FromStr for ArtifactName {
    type Err = ErrorKind;

    fn from_str(text: &str) -> Result<Self, ErrorKind> {
        let (artifact, version) = text.split_once(':').unwrap_or((text, LATEST));
        check_name(artifact)?;
        if !is_plain(version) {
            let what =
                format!("{text:?} is not the name of a version, such as data:v3 or data:latest");
            return Err(ErrorKind::Argument(what));
        }
        Ok(Self { artifact: artifact.into(), version: version.into() })
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.artifact, self.version)
    }
}

impl ArtifactName {
    /// The version with this number of an artifact.
    pub fn new(artifact: impl Into<String>, version: u32) -> Self {
        Self { artifact: artifact.into(), version: format!("v{version}") }
    }

    /// The version that it names.
    pub(super) fn of<'a>(
        &self,
        artifact: &'a VersionedArtifact,
    ) -> Result<&'a ArtifactVersion, ErrorKind> {
        let alias = || match artifact.aliases.get(&self.version) {
            None if self.version == LATEST => artifact.latest(),
            alias => alias.copied(),
        };
        let number = number(&self.version).or_else(alias);
        let found = artifact.versions.iter().find(|version| Some(version.version) == number);
        found.ok_or_else(|| ErrorKind::Argument(format!("there is no artifact version {self}")))
    }
}

impl VersionedArtifact {
    /// The number of the version that was logged last; `None` if there are no versions.
    pub fn latest(&self) -> Option<u32> {
        let newest = || self.versions.iter().map(|version| version.version).max();
        self.aliases.get(LATEST).copied().or_else(newest)
    }
}

/// The number in `v3`.
fn number(version: &str) -> Option<u32> {
    let digits = version.strip_prefix('v')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Whether a text has only the characters that W&B allows in names of artifacts.
fn is_plain(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(is_allowed)
}

/// Fails unless `name` is the name of an artifact.
pub(super) fn check_name(name: &str) -> Result<(), ErrorKind> {
    if !is_plain(name) || name.starts_with('.') {
        let what = format!(
            "{name:?} is not a valid artifact name: use up to {MAX_NAME} letters, digits, _, - and \
             ., and no . at the start"
        );
        return Err(ErrorKind::Argument(what));
    }
    Ok(())
}

/// Fails unless `alias` can be told from other names of versions.
pub(super) fn check_alias(alias: &str) -> Result<(), ErrorKind> {
    if !is_plain(alias) || alias == LATEST || number(alias).is_some() {
        let what = format!(
            "{alias:?} is not a valid alias: use letters, digits, _, - and ., but not latest, nor v \
             with a number"
        );
        return Err(ErrorKind::Argument(what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_and_aliases_name_no_version() {
        for name in ["", ".", "..", "a/b", "a\\b", "a b", ".a", "a:", "a:b:c", "a:v 1", "é"] {
            assert!(name.parse::<ArtifactName>().is_err(), "{name}");
        }
        for alias in ["", "latest", "v0", "v12", "a b"] {
            check_alias(alias).unwrap_err();
        }
        for alias in ["best", "v1x", "v", "2024-01-01"] {
            check_alias(alias).unwrap();
        }
    }
}
