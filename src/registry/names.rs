//! What models and aliases may be called.

use std::str::FromStr;

use super::Stage;
use crate::error::{Error, Result};

/// So long may a name be, in bytes.
const MAX_LEN: usize = 256;

/// MLflow's rule: not empty, neither `/` nor `:`, which stand behind names in references.
pub(super) fn check_model(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.contains(['/', ':', '\0']) || name.len() > MAX_LEN {
        let what = format!(
            "{name:?} is no name of a model: it must not be empty or longer than {MAX_LEN} bytes, \
             nor have / or : in it"
        );
        return Err(Error::argument(what));
    }
    Ok(())
}

/// What cannot be mistaken for a number, a stage or `latest`.
pub(super) fn check_alias(alias: &str) -> Result<()> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if alias.is_empty() || alias.len() > MAX_LEN || !alias.chars().all(is_word) {
        let what = format!("{alias:?} is no alias: only letters, digits, _ and - may be in one");
        return Err(Error::argument(what));
    }
    let is_reserved =
        alias.eq_ignore_ascii_case("latest") || is_number(alias) || Stage::from_str(alias).is_ok();
    if is_reserved {
        let what = format!("{alias:?} is reserved: latest, 3, v3 and stages need no alias");
        return Err(Error::argument(what));
    }
    Ok(())
}

/// `3` or `v3`.
fn digits(which: &str) -> &str {
    which.strip_prefix(['v', 'V']).unwrap_or(which)
}

fn is_number(which: &str) -> bool {
    let digits = digits(which);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number in `3` or `v3`.
pub(super) fn number(which: &str) -> Option<u64> {
    is_number(which).then(|| digits(which).parse().ok()).flatten()
}
