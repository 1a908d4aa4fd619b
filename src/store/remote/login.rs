//! Hides logins and signatures in URLs: outside of `store/`, URLs do not contain them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::redact;

#[derive(Debug, Default)]
struct Known {
    /// Whole URLs by their displayed form.
    urls: HashMap<String, String>,
    /// User and password by scheme and host: they are also used for other files on the server.
    logins: HashMap<String, String>,
}

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// The URL without secrets, which are remembered for [`real`].
pub(in crate::store) fn enter(path: &Path) -> PathBuf {
    let Some((url, Cow::Owned(shown))) = path.to_str().map(|url| (url, redact::address(url)))
    else {
        return path.to_owned();
    };
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some([scheme, login, rest]) = redact::split_login(url) {
        known.logins.insert(origin(scheme, rest), login.into());
    }
    known.urls.insert(shown.clone(), url.into());
    shown.into()
}

/// The original URL for one returned by [`enter`], or for another one of the same server.
pub(super) fn real(url: &str) -> Cow<'_, str> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(url) = known.urls.get(url) {
        return url.clone().into();
    }
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    match known.logins.get(&origin(&format!("{scheme}://"), rest)) {
        Some(login) => format!("{scheme}://{login}@{rest}").into(),
        None => url.into(),
    }
}

fn origin(scheme: &str, rest: &str) -> String {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_it_is_opened_with() {
        let shown = enter(Path::new("https://me:a/b@login.test/dir/file?x=1"));
        assert_eq!(shown, Path::new("https://login.test/dir/file?x=1"));
        assert_eq!(
            real("https://login.test/dir/file?x=1"),
            "https://me:a/b@login.test/dir/file?x=1"
        );
        assert_eq!(
            real("https://login.test/dir/tbx.json"),
            "https://me:a/b@login.test/dir/tbx.json"
        );
        assert_eq!(real("https://other.test/dir/file"), "https://other.test/dir/file");
        let shown =
            enter(Path::new("https://signed.test/a/b?X-Amz-Credential=a/b&X-Amz-Signature=c"));
        assert_eq!(shown, Path::new("https://signed.test/a/b?(secret)"));
        assert!(real(shown.to_str().unwrap()).ends_with("&X-Amz-Signature=c"));
        assert_eq!(enter(Path::new("s3://bucket/a")), Path::new("s3://bucket/a"));
    }
}
