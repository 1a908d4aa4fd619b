//! Markdown and HTML as HTML that a page may show: nothing that runs is in it.

#![no_main]

#[path = "../../crates/serve/src/routes/markdown/mod.rs"]
#[allow(dead_code)] // some of it is for tables of texts
mod markdown;
#[path = "../../crates/serve/src/routes/markdown/safe.rs"]
mod safe;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    for html in [markdown::to_safe_html(text), markdown::clean(text)] {
        safe::assert_safe(&html);
    }
});
