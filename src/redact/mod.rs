//! Removes secrets from text before it is shown or stored.
//!
//! Text comes from outside: arguments, variables, server addresses, git remotes, error messages.
//! Each part is judged twice: by its name (`--password X`, `?sig=X`, `"api_key": "X"`), and by its
//! shape (`https://user:X@host`, `ghp_...`, a private key), whatever its name. A secret becomes
//! [`SECRET`]. The user and password of an address are dropped, so that it is still a valid
//! address.
//!
//! In doubt a value is hidden, because a password that was shown cannot be recalled. But names that
//! only resemble those of secrets (`tokenizer`, `max_tokens`, `key_dim`) are common parameters, so
//! names are read word by word. `tests/suite/redact` has the table of both.
//!
//! Everything here takes time that is linear in the length of the text.

mod address;
#[cfg(feature = "meta")]
mod command;
mod name;
mod shape;
mod span;
mod text;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

pub use self::address::address;
pub use self::address::split_login;
#[cfg(feature = "meta")]
pub use self::command::command;
use self::name::Name;

/// The replacement for a secret.
pub const SECRET: &str = "(secret)";

/// Redacts a text: an error message, a traceback, a command line in one.
pub fn text(text: &str) -> Cow<'_, str> {
    self::text::text(text, address::in_text)
}

/// Redacts source code: as [`text`], but a value without quotes is mostly an expression (`token = next()`), so it is
/// hidden only if it cannot be one.
#[cfg(feature = "track")]
pub(crate) fn code(text: &str) -> Cow<'_, str> {
    self::text::code(text, address::in_text)
}

/// Redacts a value that may be anything: an address, a text with addresses in it, a token.
pub fn value(value: &str) -> Cow<'_, str> {
    match address::has_scheme(value) {
        true => address(value),
        false => text(value),
    }
}

/// Redacts the value of something called `name`: a variable, an argument, a parameter.
#[cfg(any(feature = "meta", test))]
pub fn named<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    match Name::of(name).hides(value) {
        true => Cow::Borrowed(SECRET),
        false => self::value(value),
    }
}

/// Redacts a path that may be a URL.
pub fn path(path: Arc<Path>) -> Arc<Path> {
    let is_url = |text: &&str| address::has_scheme(text);
    match path.to_str().filter(is_url).map(address) {
        Some(Cow::Owned(shown)) => Path::new(&shown).into(),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIECES: &[&str] = &[
        "https://",
        "me",
        ":",
        "@",
        "/",
        "host",
        "?",
        "#",
        "&",
        "=",
        "sig=",
        "password",
        "token",
        "--",
        "-p",
        " ",
        "\"",
        "'",
        "\\",
        "\\\"",
        "{",
        "}",
        "[",
        "]",
        "(",
        ",",
        ";",
        "ghp_0123456789",
        "eyJ",
        ".",
        "%40",
        "é",
        "\u{202e}",
        "\n",
        "Bearer ",
        "Authorization: ",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "1",
        "aB3",
    ];
    const SECRETS: &[&str] = &[
        "password=HUNTER7",
        "https://me:HUNTER7@host/a",
        "\"password\": \"HUNTER7\"",
        "ghp_HUNTER7abcdefgh",
        "me:HUNTER7@host:a.git",
        "Authorization: Bearer HUNTER7x",
        "https://host/?sig=HUNTER7",
        "postgres://me:a/HUNTER7@host/db",
    ];

    fn any_text() -> impl Strategy<Value = String> {
        let pieces = prop::collection::vec(prop::sample::select(PIECES), 0..12);
        pieces.prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn nothing_around_a_secret_uncovers_it(
            before in any_text(),
            secret in prop::sample::select(SECRETS),
            after in any_text(),
        ) {
            let said = format!("{before} {secret} {after}");
            prop_assert!(!text(&said).contains("HUNTER7"), "{:?} {:?}", said, text(&said));
            let _ = (address(&said), value(&said), named(&before, &after));
        }
    }

    /// If the work were quadratic in the length, this would take minutes.
    #[test]
    fn long_texts_are_read_once() {
        for piece in [
            "/sig=",
            "me:me",
            "me.",
            "me%40",
            "a:b@/",
            "token=[",
            "tokens='",
            "https://a:1/",
            "https://?",
        ] {
            let said = piece.repeat((1 << 18) / piece.len());
            assert!(text(&said).len() <= said.len());
            assert!(address(&said).len() <= said.len());
        }
    }
}
