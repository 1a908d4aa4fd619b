//! Names of models and their versions.

use std::fmt;
use std::str::FromStr;

use super::file::{Model, Stage, Version};
use tbx::error::ErrorKind;

/// The name of a version: `model/3`, `model/v3`, `model/alias`, `model/production` or another stage
/// (the newest version in it), `model/latest` (the newest). An alias takes precedence over a stage.
///
/// ```
/// use tbx_runs::registry::VersionName;
///
/// let name: VersionName = "classifier/champion".parse()?;
/// assert_eq!((&*name.model, &*name.version), ("classifier", "champion"));
/// assert!("classifier".parse::<VersionName>().is_err());
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionName {
    /// The name of the model.
    pub model: String,
    /// A number, an alias, a stage or `latest`.
    pub version: String,
}

impl FromStr for VersionName {
    type Err = ErrorKind;

    fn from_str(text: &str) -> Result<Self, ErrorKind> {
        match text.split_once('/') {
            Some((model, version)) if !model.is_empty() && !version.is_empty() => {
                Ok(Self { model: model.into(), version: version.into() })
            }
            _ => {
                let what = format!(
                    "{text:?} is not the name of a version, such as model/3 or model/alias"
                );
                Err(ErrorKind::Argument(what))
            }
        }
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.model, self.version)
    }
}

impl VersionName {
    /// The name of a version of `model`: a number, an alias, a stage or `latest`.
    pub fn new(model: impl Into<String>, version: impl ToString) -> Self {
        Self { model: model.into(), version: version.to_string() }
    }

    /// The version of `model` that it names.
    pub(super) fn of<'m>(&self, model: &'m Model) -> Result<&'m Version, ErrorKind> {
        let digits = self.version.strip_prefix('v').unwrap_or(&self.version);
        let number = digits.parse().ok().or_else(|| model.aliases.get(&self.version).copied());
        let stage = self.version.parse::<Stage>().ok();
        let is_it = |version: &&Version| match (number, stage) {
            (Some(number), _) => version.version == number,
            (None, Some(stage)) => version.stage == stage,
            (None, None) => self.version == "latest",
        };
        let found = model.versions.iter().filter(is_it).max_by_key(|version| version.version);
        let none = || ErrorKind::Argument(format!("there is no {self}"));
        found.ok_or_else(none)
    }
}

/// The same rule as MLflow's (`mlflow/utils/validation.py`, `_validate_model_name`).
pub(crate) fn check_model(name: &str) -> Result<(), ErrorKind> {
    let is_taken = |c: char| !matches!(c, '/' | ':') && !c.is_control();
    if name.trim().is_empty() || name.chars().count() > 256 || !name.chars().all(is_taken) {
        let what = format!(
            "{name:?} is not a valid model name: use up to 256 characters, without / and :"
        );
        return Err(ErrorKind::Argument(what));
    }
    Ok(())
}

/// The same rule as MLflow's (`_validate_model_alias_name`): other names of versions are not valid
/// aliases.
pub(crate) fn check_alias(alias: &str) -> Result<(), ErrorKind> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let digits = alias.strip_prefix(['v', 'V']).unwrap_or(alias);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_reserved = is_number || alias.eq_ignore_ascii_case("latest");
    if alias.is_empty() || alias.len() > 255 || !alias.chars().all(is_taken) || is_reserved {
        let what = format!(
            "{alias:?} is not a valid alias: use letters, digits, _ and -, but not a number, v \
             with a number, or latest"
        );
        return Err(ErrorKind::Argument(what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_no_names_of_versions() {
        for alias in ["champion", "a-b_c", "v2x", "production"] {
            check_alias(alias).unwrap();
        }
        for alias in ["", "1", "v1", "V12", "latest", "Latest", "a b", "a/b", "é"] {
            check_alias(alias).unwrap_err();
        }
        for name in ["", " ", "a/b", "a:b", "a\nb"] {
            check_model(name).unwrap_err();
        }
    }
}
