//! A page of a list in XML: removes entries that would make the rest unreadable.

use object_store::path::Path as Key;
use quick_xml::Reader;
use quick_xml::events::Event;

/// Maximum size of a page in bytes: a thousand keys of maximum length take 6 MB if each character
/// is escaped.
pub(super) const MAX_PAGE: usize = 32 << 20;
/// The names of the root elements of lists.
const LISTS: [&[u8]; 2] = [b"ListBucketResult", b"EnumerationResults"];
/// Maximum nesting of elements.
const MAX_DEPTH: usize = 16;

/// The page without the entries whose keys cannot be requested, and these keys.
///
/// The crate `object_store` does not support keys with empty segments, `.`, `..` or control
/// characters, and rejects a list that contains one.
pub(super) fn readable(page: Vec<u8>) -> Result<(Vec<u8>, Vec<String>), quick_xml::Error> {
    let mut reader = Reader::from_reader(page.as_slice());
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    let (mut copied, mut entry, mut depth) = (0, 0, 0usize);
    // The key of the current entry.
    let mut key: Option<String> = None;
    let (mut is_bad, mut is_list) = (false, false);
    loop {
        let start = position(&reader);
        match reader.read_event()? {
            Event::Start(tag) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(other("elements in elements"));
                }
                if depth == 1 && !LISTS.contains(&tag.local_name().as_ref()) {
                    return Err(other("another kind of document"));
                }
                is_list = true;
                match tag.local_name().as_ref() {
                    b"Contents" | b"Blob" => (entry, is_bad) = (start, false),
                    b"Key" | b"Name" => key = Some(String::new()),
                    _ => {}
                }
            }
            Event::Text(text) => {
                if let Some(key) = &mut key {
                    key.push_str(&text.xml10_content()?);
                }
            }
            Event::CData(text) => {
                if let Some(key) = &mut key {
                    key.push_str(&text.decode()?);
                }
            }
            Event::GeneralRef(name) => {
                if let Some(key) = &mut key {
                    let predefined = quick_xml::escape::resolve_predefined_entity(&name.decode()?);
                    match (name.resolve_char_ref(), predefined) {
                        (Ok(Some(c)), _) => key.push(c),
                        (_, Some(text)) => key.push_str(text),
                        // An undeclared entity.
                        _ => key.push('\0'),
                    }
                }
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                match tag.local_name().as_ref() {
                    b"Key" | b"Name" => {
                        if let Some(key) = key.take().filter(|key| !is_readable(key)) {
                            is_bad = true;
                            left_out.push(key);
                        }
                    }
                    b"Contents" | b"Blob" if is_bad => {
                        kept.extend_from_slice(page.get(copied..entry).unwrap_or_default());
                        copied = position(&reader);
                        is_bad = false;
                    }
                    _ => {}
                }
            }
            Event::Empty(tag) if depth == 0 && LISTS.contains(&tag.local_name().as_ref()) => {
                is_list = true;
            }
            Event::Eof if depth > 0 || !is_list => return Err(other("it is cut off or empty")),
            Event::Eof => break,
            _ => {}
        }
    }
    if copied == 0 {
        return Ok((page, left_out));
    }
    kept.extend_from_slice(page.get(copied..).unwrap_or_default());
    Ok((kept, left_out))
}

fn other(what: &str) -> quick_xml::Error {
    quick_xml::Error::from(std::io::Error::other(what))
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// Whether `key` can be requested literally. A single slash at its end marks a directory.
fn is_readable(key: &str) -> bool {
    let name = key.strip_suffix('/').unwrap_or(key);
    Key::parse(key).is_ok_and(|key| key.as_ref() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str) -> String {
        format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>")
    }

    #[test]
    fn keys_that_cannot_be_asked_for_are_left_out_alone() {
        let good = ["a", "a/b&amp;c", "folder/", "&#233;", "<![CDATA[x]]>"];
        let bad = ["a//b", "/a", "../a", "a/./b", "a&#10;b", "//", "a//", "&bomb;", ".."];
        let entries = good.iter().chain(&bad).map(|key| entry(key));
        let page = format!(
            "<?xml version=\"1.0\"?><ListBucketResult>{}</ListBucketResult>",
            entries.collect::<String>()
        );
        let (kept, left_out) = readable(page.into()).unwrap();
        let entries = good.iter().map(|key| entry(key)).collect::<String>();
        let expected =
            format!("<?xml version=\"1.0\"?><ListBucketResult>{entries}</ListBucketResult>");
        assert_eq!(String::from_utf8(kept).unwrap(), expected);
        let keys = ["a//b", "/a", "../a", "a/./b", "a\nb", "//", "a//", "\0", ".."];
        assert_eq!(left_out, keys);
        let azure = "<EnumerationResults><Blobs><Blob><Name>x//y</Name></Blob><Blob><Name>x</Name></Blob></Blobs></EnumerationResults>";
        let (kept, left_out) = readable(azure.into()).unwrap();
        assert_eq!(
            kept,
            b"<EnumerationResults><Blobs><Blob><Name>x</Name></Blob></Blobs></EnumerationResults>"
        );
        assert_eq!(left_out, ["x//y"]);
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        let empty = "<ListBucketResult/>";
        assert_eq!(readable(empty.into()).unwrap(), (empty.into(), vec![]));
        for page in [
            "",
            "text",
            "{}",
            "<html><p>no</p></html>",
            "<html><p>no",
            "<List/>",
            "<a",
            "<a></b>",
            "<!DOCTYPE",
            "<ListBucketResult>",
            "<ListBucketResult><Contents>",
        ] {
            readable(page.into()).unwrap_err();
        }
        readable(format!("<ListBucketResult>{}", "<a>".repeat(1 << 20)).into()).unwrap_err();
    }
}
