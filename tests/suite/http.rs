//! Requests that the local servers of tests get.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

/// A request and the size of its answer.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "remote"), allow(dead_code))] // the other servers are for that feature
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Bucket and key.
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// Number of bytes in the body of the answer.
    pub(crate) sent: usize,
}

/// The next request and its body; `None` if the client has closed the connection.
pub(crate) fn read_request(reader: &mut impl BufRead) -> io::Result<Option<(Asked, Vec<u8>)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let len = headers.get("content-length").map_or(0, |len| len.parse().unwrap());
    let mut body = vec![0; len];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query =
        pairs.map(|(name, value)| (decoded(name), decoded(&value.replace('+', " ")))).collect();
    Ok(Some((Asked { method, path: decoded(path), query, headers, sent: 0 }, body)))
}

/// Decodes percent-encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        match (first, more) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low].map(char::from);
                let digit = |c: char| c.to_digit(16).unwrap() as u8;
                bytes.push(digit(digits[0]) * 16 + digit(digits[1]));
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap()
}
