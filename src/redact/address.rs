//! Removes users, passwords, signatures and tokens from addresses.
//!
//! A password that was not encoded may contain any character, including `/`, `?`, `#` and `@`.
//! Parsers then take its start for a port or a host, and its end for a path. Therefore everything
//! up to the last `@` that may end it is removed.

use std::borrow::Cow;

use super::{Name, SECRET, shape, text};

/// Where a nested address may begin.
const BEFORE_NESTED: [char; 7] = ['/', '=', '?', '&', '#', ',', ' '];
/// Parameters that only signed addresses have. The other parameters of signed addresses are useless
/// alone.
const SIGNATURES: &[&str] = &[
    "awsaccesskeyid",
    "googleaccessid",
    "key-pair-id",
    "ossaccesskeyid",
    "q-signature",
    "sig",
    "signature",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-credential",
    "x-goog-signature",
    "x-oss-signature",
];
/// Words before a colon, an `@` and a host that are not users.
const NO_USERS: &[&str] =
    &["acct", "docker", "mailto", "npm", "pkg", "sip", "sips", "tag", "urn", "xmpp"];
/// Maximum length of an address; a longer one is hidden after its scheme. The longest signed
/// addresses have 3,000 bytes.
const MAX_ADDRESS: usize = 4096;
/// Maximum length of a scheme.
const MAX_SCHEME: usize = 40;
/// Maximum length of a plain user name.
const MAX_USER: usize = 63;
const MAX_WEB_USER: usize = 16;

/// Whether `text` begins with a scheme and `://`.
pub(super) fn has_scheme(text: &str) -> bool {
    scheme(text).is_some()
}

/// The length of the scheme at the start, with `://`.
pub(super) fn scheme(text: &str) -> Option<usize> {
    let is_in = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.:".contains(byte);
    let end = text.bytes().take(MAX_SCHEME).position(|byte| !is_in(&byte))?;
    let scheme = text.get(..end)?.strip_suffix(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !scheme.contains("::");
    (is_scheme && text.get(end..)?.starts_with("//")).then_some(end + 2)
}

/// Splits an address with a login into the scheme, user and password, and the rest.
pub fn split_login(address: &str) -> Option<[&str; 3]> {
    let (scheme, behind) = address.split_at(scheme(address)?);
    let (login, rest) = behind.split_at(login_of(scheme, behind)?);
    Some([scheme, login.strip_suffix('@')?, rest])
}

/// An address that is safe to show: without user and password, which are a secret together. A plain
/// user alone is kept, as in `ssh://git@host`. A text that is not an address is treated as one
/// without a scheme, `user:password@host:path`.
pub fn address(address: &str) -> Cow<'_, str> {
    let (mut shown, mut rest) = (String::new(), address);
    let Some(mut start) = scheme(rest) else {
        let host = login(rest).and_then(|host| rest.get(host..)).unwrap_or(rest);
        return changed(address, place(host));
    };
    if address.len() > MAX_ADDRESS {
        return format!("{}{SECRET}", rest.get(..start).unwrap_or_default()).into();
    }
    loop {
        let (scheme, behind) = rest.split_at(start);
        shown.push_str(scheme);
        let host = login_of(scheme, behind).and_then(|host| behind.get(host..));
        let mut behind = host.unwrap_or(behind);
        if let Some((name, after)) = no_port(behind) {
            shown.push_str(name);
            shown.push_str(SECRET);
            behind = after;
        }
        let nested = behind.match_indices("://").find_map(|(at, _)| {
            let before = behind.get(..at)?.rfind(BEFORE_NESTED)? + 1;
            let len = self::scheme(behind.get(before..)?)?;
            (before + len == at + 3).then_some((before, len))
        });
        let Some((at, len)) = nested else {
            shown.push_str(&place(behind));
            return changed(address, shown);
        };
        let (this, next) = behind.split_at(at);
        shown.push_str(&place(this));
        (rest, start) = (next, len);
    }
}

fn changed(from: &str, to: String) -> Cow<'_, str> {
    if from == to { Cow::Borrowed(from) } else { Cow::Owned(to) }
}

/// Offset of the host after a user and a password that must not be shown.
fn login_of(scheme: &str, behind: &str) -> Option<usize> {
    let end = behind.find(['/', '?', '#', '\\']).unwrap_or(behind.len());
    let authority = behind.get(..end)?;
    let Some(at) = authority.rfind('@') else {
        let last = last_at(behind)?;
        return is_misread(authority, behind.get(last + 1..)?).then_some(last + 1);
    };
    let user = authority.get(..at)?;
    let is_shown = !user.contains(':') && is_plain_user(scheme, user);
    if is_shown {
        return None;
    }
    // Only a password can contain text that a parser takes for a path.
    let last = if user.contains(':') { last_at(behind).unwrap_or(at) } else { at };
    Some(last.max(at) + 1)
}

/// The last `@` that is not in the value of a query.
fn last_at(behind: &str) -> Option<usize> {
    let is_query = |(at, _): &(usize, &str)| {
        let query = behind.get(at + 1..).unwrap_or_default();
        query.find(|c: char| !c.is_ascii_alphanumeric() && !"_-.".contains(c)).is_some_and(|end| {
            end > 0 && query.get(end..).is_some_and(|rest| rest.starts_with('='))
        })
    };
    let query = behind.match_indices('?').find(is_query).map(|(at, _)| at);
    let before = query.and_then(|query| behind.get(..query)?.rfind('@'));
    before.or_else(|| behind.rfind('@'))
}

/// Finds an invalid port, as in `http://user:password/path` without a host. Returns the text before
/// it and after it.
fn no_port(behind: &str) -> Option<(&str, &str)> {
    let end = behind.find(['/', '?', '#', '\\']).unwrap_or(behind.len());
    let (authority, after) = behind.split_at(end);
    let (_, port) = authority.rsplit_once(':')?;
    let is_port = port.is_empty() || port.parse::<u16>().is_ok() || authority.ends_with(']');
    if is_port { None } else { Some((authority.strip_suffix(port)?, after)) }
}

/// Whether the host and port that a parser sees are a user and the start of a password; `host` is
/// the text after the last `@`.
fn is_misread(authority: &str, host: &str) -> bool {
    let Some((name, port)) = authority.rsplit_once(':') else { return false };
    if authority.ends_with(']') {
        return false; // IPv6
    }
    if port.parse::<u16>().is_err() {
        return true;
    }
    // `http://u:1/x@10.0.0.1:80`, but not `http://host:80/a@b`.
    let is_bare = !name.contains('.') && name != "localhost";
    let end = host.find([':', '/', '?', '#']).unwrap_or(host.len());
    let host = host.get(..end).unwrap_or_default();
    let top = host.rsplit_once('.').map(|(_, top)| top);
    let is_host =
        top.is_some_and(|top| top.len() > 1 && top.bytes().all(|b| b.is_ascii_alphabetic()));
    is_bare && (is_host || host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok())
}

/// Whether a user without a password is a plain name rather than a token.
fn is_plain_user(scheme: &str, user: &str) -> bool {
    let is_web = scheme.ends_with("http://") || scheme.ends_with("https://");
    let max = if is_web { MAX_WEB_USER } else { MAX_USER };
    let is_plain = |byte: u8| {
        byte.is_ascii_lowercase() || b"._-".contains(&byte) || (!is_web && byte.is_ascii_digit())
    };
    let is_hex = user.len() >= 32 && user.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_token = shape::token(user).is_some() || is_hex;
    user.len() <= max && user.bytes().all(is_plain) && !is_token && Name::of(user) == Name::Plain
}

/// Finds an address at the start of a run of characters in a text. `has_at` is whether the run contains an `@`.
/// Returns the length of the address, and its replacement unless it is safe to show.
pub(super) fn in_text(run: &str, has_at: bool) -> Option<(usize, Option<String>)> {
    if !has_scheme(run) {
        let host = has_at.then(|| login(run)).flatten()?;
        return Some((host, Some(String::new())));
    }
    let shown = match address(run) {
        Cow::Borrowed(_) => None,
        Cow::Owned(shown) => Some(shown),
    };
    Some((run.len(), shown))
}

/// Offset of the host in `user:password@host`, an address without a scheme.
fn login(text: &str) -> Option<usize> {
    let (user, behind) = text.split_once(':').filter(|_| text.len() <= MAX_ADDRESS)?;
    let is_user = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+~-".contains(&byte);
    if user.is_empty()
        || user.len() > MAX_USER
        || !user.bytes().all(is_user)
        || NO_USERS.contains(&user)
    {
        return None;
    }
    let at = behind.rfind('@')?;
    let (password, host) = (behind.get(..at)?, behind.get(at + 1..)?);
    let end = host.find(|c: char| !c.is_ascii_alphanumeric() && !"-._".contains(c));
    let (name, next) = host.split_at(end.unwrap_or(host.len()));
    // `image:tag@sha256:...`, `gpu:0@node`, `C:\a@b`, `host:path@v2`
    let is_digest = name.starts_with("sha") && next.starts_with(':');
    let is_index = password.len() <= 2 && password.bytes().all(|byte| byte.is_ascii_digit());
    let is_drive = user.len() == 1 && password.starts_with(['/', '\\']);
    let is_path = password.contains('/') && !next.starts_with([':', '/']);
    let is_host = name.starts_with(|c: char| c.is_ascii_alphabetic())
        || name.parse::<std::net::Ipv4Addr>().is_ok();
    let is_end = next.is_empty() || next.starts_with([':', '/', '?', '#', '(', ',']);
    let is_none = password.is_empty() || is_digest || is_index || is_drive || is_path;
    (is_host && is_end && !is_none).then_some(user.len() + 1 + at + 1)
}

/// Redacts host, path, query and fragment.
fn place(place: &str) -> String {
    let end = place.find(['?', '#']).unwrap_or(place.len());
    let (path, query) = place.split_at(end);
    let mut shown = self::path(path);
    let mut rest = query;
    while let Some(mark) = rest.get(..1) {
        let end =
            rest.get(1..).and_then(|rest| rest.find(['?', '#'])).map_or(rest.len(), |at| at + 1);
        let (this, next) = rest.split_at(end);
        shown.push_str(mark);
        shown.push_str(&self::query(this.get(1..).unwrap_or_default()));
        rest = next;
    }
    shown
}

fn path(path: &str) -> String {
    let is_hook = path.contains("hooks.") || path.contains("/webhook");
    let (mut shown, mut before) = (Vec::new(), "");
    for (i, segment) in path.split('/').enumerate() {
        let is_long = segment.len() >= 8 && segment.bytes().any(|byte| byte.is_ascii_digit());
        let of_bot = segment.strip_prefix("bot").and_then(|bot| bot.split_once(':'));
        let is_bot = of_bot.is_some_and(|(id, _)| id.bytes().all(|byte| byte.is_ascii_digit()));
        let is_named = Name::of(before) >= Name::Likely && is_long;
        shown.push(match is_named || is_bot {
            true => Cow::Borrowed(SECRET),
            false => text::inside(segment),
        });
        before = if i > 0 { segment } else { "" }; // not a host
    }
    if let Some(last) = shown.last_mut().filter(|last| is_hook && last.len() >= 8) {
        *last = Cow::Borrowed(SECRET);
    }
    shown.join("/")
}

/// Redacts the pairs of a query, or of a fragment with the same form.
fn query(query: &str) -> String {
    let is_pair = |c| matches!(c, '&' | ';');
    let name =
        |pair: &str| decoded(pair.split('=').next().unwrap_or_default()).to_ascii_lowercase();
    if query.split(is_pair).any(|pair| pair.contains('=') && SIGNATURES.contains(&&*name(pair))) {
        return SECRET.into();
    }
    let shown = query.split_inclusive(is_pair).map(|part| {
        let pair = part.trim_end_matches(is_pair);
        let end = part.get(pair.len()..).unwrap_or_default();
        let Some((_, value)) = pair.split_once('=') else { return text::inside(part).into_owned() };
        let plain = decoded(value);
        let is_hidden = Name::of(&name(pair)).hides(&plain)
            || (plain != value && matches!(super::value(&plain), Cow::Owned(_)));
        let value = if is_hidden { Cow::Borrowed(SECRET) } else { text::inside(value) };
        format!("{}={value}{end}", pair.split('=').next().unwrap_or_default())
    });
    shown.collect()
}

/// Percent-decodes a text, as far as the result is UTF-8.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        let digits =
            more.get(..2).filter(|_| *first == b'%').and_then(|hex| str::from_utf8(hex).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = more.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
