//! The options of the program for the methods that messages of the library name.

use std::borrow::Cow;

/// Words of the library for an option, and those of the program.
const OPTIONS: [(&str, &str); 18] = [
    ("pass its address to `ClientSettings::from_env`, or set", "set --uri or"),
    ("`Export::smooth`", "--smooth"),
    ("`Import::experiments`", "--experiment"),
    ("`Import::from`", "--from"),
    ("`Import::step`", "--step"),
    ("`Import::time`", "--time"),
    ("`LoadOptions::follow_links`", "--follow-links"),
    ("`LoadOptions::tags`", "--tag"),
    ("the table `scalars`", "--table scalars"),
    ("`MlflowExport::experiment`", "--experiment"),
    ("`MlflowExport::recreate_deleted`", "--recreate-deleted"),
    ("`MlflowTarget::Database::artifacts`", "--artifact-root"),
    ("`MlflowTarget::Folder`", "--to mlruns"),
    ("`MlflowTarget::Server`", "--to mlflow"),
    ("`Pack::discard`", "--discard"),
    ("`Pack::follow_links`", "--follow-links"),
    ("`Restore::overwrite`", "--force"),
    ("`WandbExport::overwrite`", "--force"),
];

/// `text` with the options of the program instead of the library's methods.
pub(super) fn with_options(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    if !text.contains('`') {
        return text;
    }
    for (method, option) in OPTIONS {
        if text.contains(method) {
            text = Cow::Owned(text.replace(method, option));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_become_options() {
        let text = "it is there with other bytes; `Restore::overwrite` replaces it";
        assert_eq!(with_options(text), "it is there with other bytes; --force replaces it");
        assert_eq!(with_options("`tbx repair` copies it"), "`tbx repair` copies it");
    }
}
