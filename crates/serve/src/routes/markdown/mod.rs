//! Markdown as HTML that is safe to show.

use std::sync::LazyLock;

use ammonia::Builder;
use pulldown_cmark::{Options, Parser, html};

/// The elements that remain; the same as in TensorBoard (`plugin_util.py`).
const ELEMENTS: [&str; 25] = [
    "ul",
    "ol",
    "li",
    "p",
    "pre",
    "code",
    "blockquote",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "br",
    "strong",
    "em",
    "a",
    "img",
    "table",
    "thead",
    "tbody",
    "td",
    "tr",
    "th",
];

/// Elements without content.
const EMPTY: [&str; 4] = ["br", "hr", "img", "!--"];
/// Maximum number of elements in each other: the work of a parser of HTML is the product of depth and length.
const MAX_DEPTH: usize = 200;
/// Maximum product of the number of `&` and of the length, to which the work of the parser of HTML may grow. It allows
/// 65,000 `&` in a megabyte of HTML, more than a table of quoted texts has.
const MAX_REFERENCE_WORK: u64 = 1 << 36;
/// Maximum number of bytes of a text that is read as Markdown.
const MAX_MARKDOWN: usize = 1 << 20;

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = Builder::new();
    cleaner
        .tags(ELEMENTS.into())
        .generic_attributes([].into())
        .tag_attributes(
            [("a", ["href", "title"].into()), ("img", ["src", "title", "alt"].into())].into(),
        )
        .url_schemes(["http", "https", "mailto"].into())
        .link_rel(None);
    cleaner
});

/// HTML without anything that runs or loads other things than images. What looks like another element is text, as in
/// TensorBoard: `<unk>` is a word of many language models.
pub(super) fn clean(html: &str) -> String {
    cleaned(html).unwrap_or_else(|| escaped(html))
}

/// The same; none if it would be too much work.
fn cleaned(html: &str) -> Option<String> {
    let mut text = String::with_capacity(html.len());
    let mut parts = html.split('<');
    text.push_str(parts.next().unwrap_or(""));
    for part in parts {
        let name = part.strip_prefix('/').unwrap_or(part);
        let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
        let name = name.get(..end).unwrap_or("").to_ascii_lowercase();
        let is_kept = ELEMENTS.contains(&name.as_str()) || part.starts_with("!--");
        text.push_str(if is_kept { "<" } else { "&lt;" });
        text.push_str(part);
    }
    let references = text.bytes().filter(|byte| *byte == b'&').count();
    let [references, len] = [references, text.len()].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
    let work = references.saturating_mul(len);
    let is_much = depth(&text) > MAX_DEPTH || work > MAX_REFERENCE_WORK;
    (!is_much).then(|| CLEANER.clean(&text).to_string())
}

/// A text as HTML that shows it as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// How many elements are open at most at a time, if none ends by itself.
fn depth(html: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for part in html.split('<').skip(1) {
        match part.strip_prefix('/') {
            Some(_) => open = open.saturating_sub(1),
            None if EMPTY.iter().any(|name| part.starts_with(name)) => {}
            None => open += 1,
        }
        most = most.max(open);
    }
    most
}

/// Markdown as HTML that is not clean yet; the text as it is, if it is very long.
pub(super) fn to_html(markdown: &str) -> String {
    if markdown.len() > MAX_MARKDOWN {
        return escaped(markdown);
    }
    let mut out = String::with_capacity(markdown.len() * 3 / 2);
    html::push_html(&mut out, Parser::new_ext(markdown, Options::ENABLE_TABLES));
    out.truncate(out.trim_end().len());
    out
}

/// Markdown as clean HTML; the text as it is, if it would be too much work.
pub(super) fn to_safe_html(markdown: &str) -> String {
    let is_short = markdown.len() <= MAX_MARKDOWN;
    let html = is_short.then(|| to_html(markdown)).and_then(|html| cleaned(&html));
    html.unwrap_or_else(|| escaped(markdown))
}

#[cfg(test)]
mod safe;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::safe::assert_safe;
    use super::*;

    /// Parts of attacks, of Markdown and of HTML.
    const PIECES: [&str; 48] = [
        "<script>",
        "</script>",
        "<img src=",
        "<a href=",
        "<a title='",
        "<svg onload=",
        "onerror=",
        "alert(1)",
        "javascript:",
        "JaVa\tScript:",
        "&#106;avascript:",
        "java&Tab;script:",
        "data:text/html,",
        "vbscript:",
        "//x.example",
        "https://x",
        "\"",
        "'",
        "`",
        "```\n",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "<style>",
        "<table><td>",
        "</td>",
        "<pre>",
        "<math><mi>",
        "<title>",
        "<noscript>",
        "<",
        ">",
        "/",
        "&lt;",
        "&amp;",
        "[x](",
        ")",
        "![",
        "](",
        "[a]: ",
        "<b",
        "\n",
        "\n\n",
        " ",
        "> ",
        "|a|\n|-|\n",
    ];

    proptest! {
        #[test]
        fn html_from_any_text_is_safe(
            text in prop::collection::vec(
                prop_oneof![9 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => ".{0,3}"],
                0..24,
            )
        ) {
            let text = text.concat();
            assert_safe(&to_safe_html(&text));
            assert_safe(&clean(&text));
        }
    }

    #[test]
    fn the_check_of_safe_html_finds_what_is_not() {
        assert_safe("<p>a &lt;b&gt; <a href=\"https://x\" title=\"javascript:\">b</a><br></p>");
        assert_safe("<img src=\"a/b:c\" alt=\"x\">");
        for unsafe_html in [
            "<script>",
            "<p onclick=\"x\">",
            "<p/>",
            "<a href=\"javascript:x\">",
            "<a href=\" java\tscript:x\">",
            "<img src=\"DATA:x\">",
            "<!-- x -->",
            "a < b",
        ] {
            let found = std::panic::catch_unwind(|| assert_safe(unsafe_html));
            assert!(found.is_err(), "{unsafe_html}");
        }
    }

    #[test]
    fn nothing_that_runs_remains() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "![x](data:text/html,<script>)",
            "<iframe src=https://evil.example></iframe>",
            "<a href=\" javascript:alert(1)\" style=\"x\">y</a>",
            "<svg><a xlink:href=\"javascript:alert(1)\">x</a></svg>",
        ] {
            let safe = to_safe_html(hostile).to_lowercase();
            for word in ["<script", " onerror=", "=\"javascript:", "=\"data:", "<iframe", "<svg"] {
                assert!(!safe.contains(word), "{hostile}: {safe}");
            }
        }
    }

    #[test]
    fn what_is_no_element_is_text() {
        for (text, expected) in [
            ("hello <unk> x <pad>", "<p>hello &lt;unk&gt; x &lt;pad&gt;</p>"),
            ("<class 'int'>", "<p>&lt;class 'int'&gt;</p>"),
            ("vector<int>", "<p>vector&lt;int&gt;</p>"),
            ("a <b>b</b> <em>c</em>", "<p>a &lt;b&gt;b&lt;/b&gt; <em>c</em></p>"),
        ] {
            assert_eq!(to_safe_html(text), expected);
        }
    }

    #[test]
    fn long_and_deep_texts_are_shown_as_they_are() {
        for (part, expected) in
            [("> ", "&gt; &gt; "), ("<ul>", "&lt;ul&gt;"), ("<em>", "&lt;em&gt;")]
        {
            let shown = to_safe_html(&part.repeat(20_000));
            assert!(shown.contains(expected), "{part}");
        }
        assert_eq!(to_safe_html(&"&".repeat(1 << 20)), "&amp;".repeat(1 << 20));
        assert_eq!(to_safe_html(&"&".repeat(1 << 14)).matches("&amp;").count(), 1 << 14);
        let long = "**a** <b> & ".repeat(100_000);
        assert!(to_safe_html(&long).starts_with("**a** &lt;b&gt; &amp; **a**"));
        let many = "- a\n".repeat(2_000);
        assert_eq!(to_safe_html(&many).matches("<li>").count(), 2_000);
    }

    #[test]
    fn markdown_becomes_html() {
        assert_eq!(to_safe_html("a **b** c"), "<p>a <strong>b</strong> c</p>");
        assert_eq!(to_safe_html(""), "");
        assert!(to_safe_html("|a|\n|-|\n|1|").contains("<td>1</td>"));
        assert!(to_safe_html("```\nx < y\n```").contains("x &lt; y"));
    }
}
