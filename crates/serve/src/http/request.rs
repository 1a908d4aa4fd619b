//! Requests, checked and taken apart.

use bytes::Bytes;
use hyper::Method;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::{Refusal, form};

/// A request, with its whole body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// The decoded path, without the part `/experiment/ID`.
    pub(crate) path: String,
    pub(crate) method: Method,
    /// Names and values of the query, and of a form in the body.
    fields: Vec<(String, String)>,
    body: Bytes,
}

impl Request {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
        let path = match path.strip_prefix("/experiment/") {
            Some(rest) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/").to_owned(),
            None => path,
        };
        Self { path, method, fields: Vec::new(), body: Bytes::new() }
    }

    /// The same request with the fields of a query.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`]: there are too many.
    pub(super) fn with_query(self, query: &str) -> Result<Self, Refusal> {
        Ok(self.with_fields(form::pairs(query.as_bytes())?))
    }

    /// The same request with more fields.
    pub(crate) fn with_fields(mut self, fields: Vec<(String, String)>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// The same request with a body, which may be a form.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`]: the form cannot be read.
    pub(super) fn with_body(self, content_type: &str, body: Bytes) -> Result<Self, Refusal> {
        Ok(match form::fields(content_type, &body)? {
            Some(fields) => self.with_fields(fields),
            None => Self { body, ..self },
        })
    }

    /// Whether it asks for data, not for a file of the page.
    pub(crate) fn is_for_data(&self) -> bool {
        self.path.starts_with("/data/")
    }

    /// The first field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All fields of this name.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let fields = self.fields.iter();
        fields.filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// A field that must be there.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`].
    pub(crate) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::Invalid(format!("the field {name:?} is missing")))
    }

    /// The run and the tag that a request for one series names.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`]: one of them is missing.
    pub(crate) fn run_and_tag(&self) -> Result<(&str, &str), Refusal> {
        Ok((self.need("run")?, self.need("tag")?))
    }

    /// The field `sample`, 0 if it is missing.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`]: it is not a number.
    pub(crate) fn sample(&self) -> Result<usize, Refusal> {
        let sample = self.get("sample").unwrap_or("0");
        let wrong = || Refusal::Invalid(format!("the sample {sample:?} is not a number"));
        sample.parse().map_err(|_| wrong())
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`].
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        parse_json(&self.body)
    }
}

/// # Errors
///
/// [`Refusal::Invalid`].
pub(crate) fn parse_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(text)
        .map_err(|error| Refusal::Invalid(format!("this is not the expected JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, query: Option<&str>) -> Request {
        Request::new(Method::GET, path).with_query(query.unwrap_or("")).unwrap()
    }

    #[test]
    fn paths_are_decoded_and_have_no_experiment() {
        for (path, expected) in [
            ("/data/runs", "/data/runs"),
            ("/experiment/defaultExperimentId/data/runs", "/data/runs"),
            ("/experiment/x", "/"),
            ("/a%20b%2Fc", "/a b/c"),
            ("/%ff", "/\u{fffd}"),
        ] {
            assert_eq!(request(path, None).path, expected);
        }
    }

    #[test]
    fn fields_are_decoded() {
        let request = request("/", Some("run=a%2Fb&tag=c+d&runs=1&runs=2&sample=x"));
        assert_eq!(request.run_and_tag(), Ok(("a/b", "c d")));
        assert_eq!(request.all("runs").collect::<Vec<_>>(), ["1", "2"]);
        assert!(request.sample().is_err());
        assert!(request.need("nothing").is_err());
    }
}
