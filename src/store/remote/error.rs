//! Errors of servers, shortened to be readable.

use std::error::Error as _;
use std::io;

use object_store::Error;

use crate::budget::Spent;
use crate::redact;

/// Hint for errors that missing credentials may cause.
const HINT: &str = "; credentials are taken from variables such as AWS_ACCESS_KEY_ID";
/// Maximum length of a server's message that is passed on.
const MAX_TEXT: usize = 300;

/// Converts `error` to the error of a file.
pub(super) fn failed(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => io::ErrorKind::AlreadyExists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            io::ErrorKind::PermissionDenied
        }
        Error::InvalidPath { .. } => io::ErrorKind::InvalidInput,
        Error::NotImplemented { .. } | Error::NotSupported { .. } => io::ErrorKind::Unsupported,
        _ => io::ErrorKind::Other,
    };
    let text = text(&error);
    // Errors of lists have no kind.
    let kind = match text.get(..4) {
        Some("404 ") => io::ErrorKind::NotFound,
        Some("401 " | "403 ") => io::ErrorKind::PermissionDenied,
        _ => kind,
    };
    io::Error::new(kind, text)
}

/// The error for a server that exceeds a limit.
pub(super) fn spent(spent: Spent) -> Error {
    Error::Generic { store: "", source: spent.into() }
}

/// Whether a range begins at the end of an empty object.
pub(super) fn is_out_of_range(error: &Error) -> bool {
    innermost(error).contains("416 Range Not Satisfiable")
}

/// Whether the server sends the whole file although a part was requested.
pub(super) fn is_whole(error: &Error) -> bool {
    let text = innermost(error);
    text.contains("Range request not supported") || text.contains("non-partial response")
}

/// The message of the innermost cause, which the others repeat.
fn innermost(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

fn text(error: &Error) -> String {
    if let Error::AlreadyExists { .. } | Error::Precondition { .. } = error {
        return "the file exists".into();
    }
    let text = innermost(error);
    let text = match text.split_once("status code: ") {
        // `403 Forbidden: <?xml ..><Error><Code>AccessDenied</Code><Message>..</Message>..`
        Some((_, answer)) => {
            let (status, body) = answer.split_once(": ").unwrap_or((answer, ""));
            let said = [element(body, "Code"), element(body, "Message")];
            let said = said.into_iter().flatten().collect::<Vec<_>>().join(": ");
            match (said.is_empty(), body.starts_with('<') || body.trim().is_empty()) {
                (false, _) => format!("{status}, {said}"),
                (true, true) => status.trim_end_matches(':').to_owned(),
                (true, false) => format!("{status}, {body}"),
            }
        }
        None => text,
    };
    let mut text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text = redact::text(&text).into_owned();
    if let Some((at, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(at);
        text.push('…');
    }
    if text.starts_with("401") || text.starts_with("403") || asks_who_this_is(error) {
        text += HINT;
    }
    text
}

/// Whether missing credentials may be the cause.
fn asks_who_this_is(error: &Error) -> bool {
    let text = error.to_string();
    matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
        || ["169.254.169.254", "metadata.google.internal"].iter().any(|host| text.contains(host))
}

/// The content of the first element with this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        failed(Error::Generic { store: "S3", source: text.into() }).to_string()
    }

    #[test]
    fn of_what_a_server_says_the_reason_is_left() {
        assert_eq!(
            said(
                "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n\
                 <Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            ),
            format!("403 Forbidden, AccessDenied: Access Denied{HINT}")
        );
        let html = "Server returned non-2xx status code: 502 Bad Gateway: <html>no</html>";
        assert_eq!(said(html), "502 Bad Gateway");
        assert_eq!(said("Server returned non-2xx status code: 404 Not Found: "), "404 Not Found");
        let plain = "Server returned non-2xx status code: 400 Bad Request: no\nsuch  thing";
        assert_eq!(said(plain), "400 Bad Request, no such thing");
        assert_eq!(said(&"x".repeat(1000)).chars().count(), MAX_TEXT + 1);
    }
}
