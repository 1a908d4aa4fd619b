//! Forms in the bodies of requests.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use tokio::runtime::Handle;

use super::Refusal;

/// Maximum number of fields of a form or of a query: the names of 100,000 runs, and as many more.
pub(super) const MAX_FIELDS: usize = 200_000;

/// Name and value of each field of a body of this content type; `None` if it is no form. Must be called on a thread of the
/// runtime that may wait.
///
/// # Errors
///
/// [`Refusal::Invalid`]: the form cannot be read, or has too many fields.
pub(super) fn fields(
    content_type: &str,
    body: &Bytes,
) -> Result<Option<Vec<(String, String)>>, Refusal> {
    if let Ok(boundary) = multer::parse_boundary(content_type) {
        return Handle::current().block_on(parts(body.clone(), boundary)).map(Some);
    }
    match content_type.starts_with("application/x-www-form-urlencoded") {
        true => pairs(body).map(Some),
        false => Ok(None),
    }
}

/// The fields of a query, or of a form that is written like one.
pub(super) fn pairs(query: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let mut fields = Vec::new();
    for (name, value) in form_urlencoded::parse(query) {
        add(&mut fields, name.into_owned(), value.into_owned())?;
    }
    Ok(fields)
}

/// The fields of a form in parts.
async fn parts(body: Bytes, boundary: String) -> Result<Vec<(String, String)>, Refusal> {
    let wrong = |error| Refusal::Invalid(format!("the form cannot be read: {error}"));
    let body = stream::iter([Ok::<_, Infallible>(body)]);
    let mut form = multer::Multipart::new(body, boundary);
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.map_err(wrong)? {
        let name = field.name().unwrap_or("").to_owned();
        add(&mut fields, name, field.text().await.map_err(wrong)?)?;
    }
    Ok(fields)
}

fn add(fields: &mut Vec<(String, String)>, name: String, value: String) -> Result<(), Refusal> {
    if fields.len() == MAX_FIELDS {
        return Err(Refusal::Invalid(format!("more than {MAX_FIELDS} fields")));
    }
    fields.push((name, value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_fields_is_limited() {
        assert_eq!(
            pairs(b"a=1&b=%20").unwrap(),
            [("a", "1"), ("b", " ")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert_eq!(pairs("a&".repeat(MAX_FIELDS).as_bytes()).unwrap().len(), MAX_FIELDS);
        assert!(pairs("a&".repeat(MAX_FIELDS + 1).as_bytes()).is_err());
    }

    #[test]
    fn forms_of_both_kinds_are_read() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = |kind: &str, body: &str| {
            let body = Bytes::from(body.to_owned());
            let kind = kind.to_owned();
            let job = runtime.spawn_blocking(move || fields(&kind, &body));
            runtime.block_on(job).unwrap()
        };
        let part = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
        let one = Some(vec![("a".to_owned(), "1".to_owned())]);
        assert_eq!(
            read("multipart/form-data; boundary=B", &format!("{part}--B--\r\n")),
            Ok(one.clone())
        );
        assert_eq!(read("application/x-www-form-urlencoded", "a=1"), Ok(one));
        assert_eq!(read("application/json", "{}"), Ok(None));
        let many = part.repeat(MAX_FIELDS + 1);
        assert!(read("multipart/form-data; boundary=B", &many).is_err());
    }
}
