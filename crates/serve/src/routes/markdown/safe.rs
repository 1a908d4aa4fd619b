//! The property of safe HTML, for tests and for the fuzz target `markdown`: a parser of its own, so that an error of the
//! cleaner is not one of the check, too.

/// Elements that show text and images, and nothing else.
const ELEMENTS: &str = " ul ol li p pre code blockquote h1 h2 h3 h4 h5 h6 hr br strong em a img table thead tbody td tr th ";
/// Schemes of addresses that run nothing.
const SCHEMES: [&str; 3] = ["http", "https", "mailto"];

/// Panics if HTML has another element than those that show text, an attribute that runs a script, or an address that does.
pub(super) fn assert_safe(html: &str) {
    let mut rest = html;
    while let Some((_, tag)) = rest.split_once('<') {
        let tag = tag.strip_prefix('/').unwrap_or(tag);
        let (name, mut attributes) = split(tag, |c| !c.is_ascii_alphanumeric());
        let is_known = !name.is_empty() && ELEMENTS.contains(&format!(" {name} "));
        assert!(is_known, "an element {name:?} in {html:?}");
        // Each attribute is ` name="value"`.
        while let Some(attribute) = attributes.strip_prefix(' ') {
            let (attribute, value) = attribute.split_once("=\"").expect("a value in quotes");
            let (value, more) = value.split_once('"').expect("an end of the value");
            match (name, attribute) {
                ("a", "href") | ("img", "src") => assert_address(value, html),
                ("a" | "img", "title") | ("img", "alt") => {}
                _ => panic!("an attribute {attribute:?} in {html:?}"),
            }
            attributes = more;
        }
        rest =
            attributes.strip_prefix('>').unwrap_or_else(|| panic!("no end of a tag in {html:?}"));
    }
}

fn split(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

/// An address as a browser reads it: without blanks and control characters around the scheme or in it.
fn assert_address(value: &str, html: &str) {
    let value = value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
    let value = value.replace("&nbsp;", "\u{a0}").replace("&amp;", "&");
    let is_read = |c: &char| !c.is_control() && *c != ' ';
    let value: String = value.chars().filter(is_read).collect();
    let (scheme, rest) = split(&value, |c| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
    if rest.starts_with(':') && !scheme.is_empty() {
        let scheme = scheme.to_ascii_lowercase();
        assert!(SCHEMES.contains(&scheme.as_str()), "an address of {scheme:?} in {html:?}");
    }
}
