//! The environment variables with endpoints and credentials. They are validated before the crate
//! `object_store` gets them: it panics on an invalid address or header value.

use std::env;
use std::io;

use reqwest::Url;

/// The environment variables for a kind of store.
pub(super) struct Variables {
    /// The prefix of their names, such as `AWS_`.
    prefix: &'static str,
    /// Names and values, sorted: a later one takes precedence.
    pairs: Vec<(String, String)>,
}

/// The meaning of a variable's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The URL of the store: with `https://`, or with `http://` if that is allowed.
    Endpoint,
    /// Another URL.
    Address,
    /// A text that is sent in a header or is part of a URL.
    Header,
    /// A file or a multiline text.
    Other,
}

impl Variables {
    /// The variables of this process with this prefix.
    pub(super) fn of_process(prefix: &'static str) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::new(prefix, env::vars_os().filter_map(text))
    }

    pub(super) fn new(
        prefix: &'static str,
        all: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        // An empty variable counts as not set.
        let is_of =
            |(name, value): &(String, String)| name.starts_with(prefix) && !value.is_empty();
        let mut pairs: Vec<_> = all.into_iter().filter(is_of).collect();
        pairs.sort();
        Self { prefix, pairs }
    }

    /// The keys of the known variables, with their validated values.
    pub(super) fn checked<K>(
        &self,
        key: impl Fn(&str) -> Option<K>,
        meaning: impl Fn(&K) -> Meaning,
    ) -> io::Result<Vec<(K, String)>> {
        let known = self
            .pairs
            .iter()
            .filter_map(|(name, value)| Some((name, value, key(&name.to_ascii_lowercase())?)));
        known
            .map(|(name, value, key)| {
                let value = match meaning(&key) {
                    Meaning::Endpoint => self.endpoint(name, value)?,
                    Meaning::Address => address(name, value)?.into(),
                    Meaning::Header => header(name, value)?.into(),
                    Meaning::Other => value.clone(),
                };
                Ok((key, value))
            })
            .collect()
    }

    /// The value of the variable with this name, given without the prefix.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let is_it = |(known, _): &&(String, String)| known.strip_prefix(self.prefix) == Some(name);
        self.pairs.iter().find(is_it).map(|(_, value)| value.as_str())
    }

    /// The validated URL of a store.
    pub(super) fn endpoint(&self, name: &str, value: &str) -> io::Result<String> {
        let url = address(name, value)?;
        let allowed = self.get("ALLOW_HTTP").map(str::to_ascii_lowercase);
        let is_allowed = matches!(allowed.as_deref(), Some("1" | "true" | "on" | "yes" | "y"));
        if url.scheme() == "http" && !is_allowed {
            return Err(invalid(format!(
                "{name} begins with http://, so everything would be sent unencrypted; {}ALLOW_HTTP=true \
                 allows it",
                self.prefix
            )));
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }
}

/// Parses the URL in a variable.
fn address(name: &str, value: &str) -> io::Result<Url> {
    let value = value.trim();
    let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = url.filter(has_sound_host) else {
        let what = match value.contains("://") {
            true => "is not a server address, such as https://host:9000",
            false => "is not a server address: it must begin with http:// or https://",
        };
        return Err(invalid(format!("{name} {what}")));
    };
    if !url.username().is_empty() || url.password().is_some() {
        let what = "contains a user or a password: set credentials in other variables";
        return Err(invalid(format!("{name} {what}")));
    }
    if url.query().is_some() || url.fragment().is_some() || url.as_str().len() > super::MAX_URL {
        return Err(invalid(format!(
            "{name} is not a plain server address: it contains `?` or `#`"
        )));
    }
    Ok(url)
}

/// Whether a URL names a host that the crate `http` accepts, too.
pub(super) fn has_sound_host(url: &Url) -> bool {
    url.host_str().is_some_and(|host| !host.contains(['"', '`', '{', '}']))
}

/// Checks that a text is valid in a header.
fn header<'v>(name: &str, value: &'v str) -> io::Result<&'v str> {
    // A trailing line break comes from a file.
    let value = value.trim();
    match value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.len() <= super::MAX_URL {
        true => Ok(value),
        false => {
            Err(invalid(format!("{name} has characters that cannot be sent, such as a line break")))
        }
    }
}

pub(super) fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
