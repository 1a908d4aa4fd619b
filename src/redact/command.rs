//! Redacts command lines.

use std::borrow::Cow;

use super::{Name, SECRET, named, text, value};

/// Meaning of the argument after an option.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    /// Unknown.
    Any,
    /// The value of an option of this name.
    Named(Name),
    /// A password, unless it is a number: `-p 8080` is a port.
    Password,
    /// `user:password`, but `1000:1000` is a user and a group.
    Login,
    /// `Name: value`
    Header,
}

/// Redacts a command line, argument by argument: `--password X`, `-p X`, `--api-key=X`, `KEY=X`,
/// `-u user:X`, `-H "Authorization: X"`, addresses, JSON, and secrets that are recognized by their
/// form.
pub fn command(args: impl Iterator<Item = String>) -> Vec<String> {
    let mut next = Next::Any;
    args.map(|arg| {
        let (shown, then) = argument(&arg, next);
        next = then;
        shown.into_owned()
    })
    .collect()
}

/// Redacts an argument. Also returns the meaning of the next one.
fn argument(arg: &str, is: Next) -> (Cow<'_, str>, Next) {
    let shown = match is {
        Next::Named(name) if name.hides(arg) && !is_option(arg) => {
            return (SECRET.into(), Next::Any);
        }
        Next::Password if !is_plain_number(arg) && !is_option(arg) && !arg.starts_with('-') => {
            return (SECRET.into(), Next::Any);
        }
        Next::Login if !is_plain_number(arg) => arg.split_once(':').map(|_| SECRET.into()),
        Next::Header => header(arg),
        _ => None,
    };
    if let Some(shown) = shown {
        return (shown.into(), Next::Any);
    }
    let is_flag = arg.starts_with('-') || arg.starts_with('/');
    let is_name = |name: &str| {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_-.+~@".contains(c);
        let name = name.strip_prefix('/').filter(|_| is_flag).unwrap_or(name);
        !name.is_empty() && name.chars().all(is_of_name)
    };
    // Also `/p:Password=X` and `-password:X`.
    let pair = [arg.split_once('='), arg.split_once(':').filter(|_| is_flag)].into_iter().flatten();
    for (name, text) in pair.filter(|(name, _)| is_name(name)) {
        let shown = match name {
            "-p" if !is_plain_number(text) => Cow::Borrowed(SECRET),
            _ => named(name, text),
        };
        let sign = arg.get(name.len()..name.len() + 1).unwrap_or("=");
        return match shown {
            Cow::Borrowed(same) if same == text => continue,
            shown => (format!("{name}{sign}{shown}").into(), Next::Any),
        };
    }
    let then = match arg {
        "-p" => Next::Password,
        "-u" | "-U" | "--user" | "--proxy-user" | "--userpwd" => Next::Login,
        "-H" | "--header" => Next::Header,
        _ if arg.starts_with('-') && !arg.contains('=') && is_name(arg) => {
            Next::Named(Name::of(arg))
        }
        _ => Next::Any,
    };
    // `-pX`, as used by MySQL; but not `-parallel`.
    let glued = arg
        .strip_prefix("-p")
        .filter(|text| then == Next::Named(Name::Plain) && is_no_option(text));
    match glued {
        Some(_) => (format!("-p{SECRET}").into(), Next::Any),
        None if then == Next::Any => (value(arg), then),
        None => (text(arg), then),
    }
}

/// `Name: X` with the secret redacted; `None` if there is no secret.
fn header(arg: &str) -> Option<String> {
    let (name, text) = arg.split_once(':')?;
    let text = text.trim_start();
    let shown = named(name, text);
    (shown != text).then(|| format!("{name}: {shown}"))
}

/// Whether an argument is a long option rather than a value that only looks like one.
fn is_option(arg: &str) -> bool {
    let name = arg.strip_prefix("--").map(|name| name.split('=').next().unwrap_or_default());
    let is_of_name = |byte: u8| byte.is_ascii_lowercase() || b"-_.".contains(&byte);
    name.is_some_and(|name| name.bytes().all(is_of_name))
}

/// Whether an argument consists of numbers, as in `8080`, `8080:80`, `0.5`.
fn is_plain_number(arg: &str) -> bool {
    arg.split([':', '/', '-']).all(|part| part.parse::<f64>().is_ok())
}

/// Whether the text after `-p` is not the name of an option, a number or a path.
fn is_no_option(text: &str) -> bool {
    let is_mixed = text.bytes().any(|byte| byte.is_ascii_uppercase())
        || text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().any(|b| b.is_ascii_lowercase());
    is_mixed && !is_plain_number(text) && !text.starts_with(['/', '.', '~', '='])
}
