//! Texts.

use serde_json::json;

use super::log::Run;

impl Run<'_> {
    pub(super) fn text(&mut self, tag: &str, text: &str, step: i64) {
        self.call("text", tag, step, json!(text)).add_text(tag, text, step).unwrap();
    }
}

pub(super) fn write(run: &mut Run<'_>) {
    let table = "| model | loss |\n|---|---|\n| größe 🎉 | `0.25` |\n";
    let markdown = "# Title\n\n- **bold** and <script>alert(1)</script>\n- [link](https://a.b/)\n";
    for (step, text) in (0..).zip(["plain", "", markdown, table, "a\nb\0c"]) {
        run.text("notes/markdown", text, step);
    }
    run.text("config", "lr = 0.001\nbatch = 32", 0);
}
