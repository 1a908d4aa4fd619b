//! Names of models and their versions.

use std::fmt;
use std::str::FromStr;

use super::file::{Model, Stage, Version};
use tbx::error::ErrorKind;

/// The start of the addresses of models in MLflow.
const SCHEME: &str = "models:/";

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
    /// Whether it can only be an alias, as in `models:/classifier@champion`.
    pub is_alias: bool,
}

impl FromStr for VersionName {
    type Err = ErrorKind;

    /// Takes MLflow's addresses, too: `models:/classifier/3`, `models:/classifier/production` and
    /// `models:/classifier@champion`.
    fn from_str(text: &str) -> Result<Self, ErrorKind> {
        let name = text.strip_prefix(SCHEME).unwrap_or(text);
        let parts = match name.split_once('/') {
            Some((model, version)) => Some((model, version, false)),
            None if name.len() < text.len() => {
                name.rsplit_once('@').map(|(model, alias)| (model, alias, true))
            }
            None => None,
        };
        match parts {
            Some((model, version, is_alias))
                if !model.is_empty() && !version.is_empty() && !version.contains('/') =>
            {
                Ok(Self { model: model.into(), version: version.into(), is_alias })
            }
            _ => {
                let what = format!(
                    "{text:?} is not the name of a version, such as model/3, model/alias or \
                     models:/model@alias"
                );
                Err(ErrorKind::Argument(what))
            }
        }
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.is_alias { '@' } else { '/' };
        write!(f, "{}{separator}{}", self.model, self.version)
    }
}

impl VersionName {
    /// The name of a version of `model`: a number, an alias, a stage or `latest`.
    pub fn new(model: impl Into<String>, version: impl ToString) -> Self {
        Self { model: model.into(), version: version.to_string(), is_alias: false }
    }

    /// The number in `model/3` and `model/v3`.
    pub(crate) fn number(&self) -> Option<u32> {
        let digits = self.version.strip_prefix('v').unwrap_or(&self.version);
        digits.parse().ok().filter(|_| !self.is_alias)
    }

    /// The version of `model` that it names.
    pub(super) fn of<'m>(&self, model: &'m Model) -> Result<&'m Version, ErrorKind> {
        let alias = model.aliases.get(&self.version).copied();
        let number = if self.is_alias { alias } else { self.number().or(alias) };
        let stage = self.version.parse::<Stage>().ok().filter(|_| !self.is_alias);
        let is_it = |version: &&Version| match (number, stage) {
            (Some(number), _) => version.version == number,
            (None, Some(stage)) => version.stage == stage,
            (None, None) => self.version == "latest" && !self.is_alias,
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
    fn addresses_of_mlflow_are_names() {
        for (text, expected) in [
            ("models:/clf/3", Some(("clf", "3", false))),
            ("models:/clf/Production", Some(("clf", "Production", false))),
            ("models:/a b@champion", Some(("a b", "champion", true))),
            ("clf/champion", Some(("clf", "champion", false))),
            ("clf@champion", None), // the name of a model may have an @
            ("models:/clf", None),
            ("models:/clf/3/x", None),
            ("models:/@x", None),
            ("models:/", None),
        ] {
            let found = text.parse::<VersionName>().ok();
            let found = found.as_ref().map(|name| (&*name.model, &*name.version, name.is_alias));
            assert_eq!(found, expected, "{text}");
        }
    }

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
