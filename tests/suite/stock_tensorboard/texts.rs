//! Texts.

use serde_json::json;
use tbx::Text;

use super::log::Run;

impl Run<'_> {
    pub(super) fn text(&mut self, tag: &str, text: &str, step: i64) {
        self.call("text", tag, step, json!(text)).add_text(tag, text, step).unwrap();
    }

    fn texts(&mut self, tag: &str, text: Text, step: i64) {
        let input = json!({"shape": text.shape, "strings": text.strings});
        self.call("text", tag, step, input).add_text(tag, text, step).unwrap();
    }
}

pub(super) fn write(run: &mut Run<'_>) {
    let table = "| model | loss |\n|---|---|\n| größe 🎉 | `0.25` |\n";
    let markdown = "# Title\n\n- **bold** and <script>alert(1)</script>\n- [link](https://a.b/)\n";
    for (step, text) in (0..).zip(["plain", "", markdown, table, "a\nb\0c"]) {
        run.text("notes/markdown", text, step);
    }
    run.text("config", "lr = 0.001\nbatch = 32", 0);
    let list = Text::list(["first", "**second** of <b>größe</b>", ""]);
    run.texts("tables/list", list, 0);
    let rows = [["model", "`loss`"], ["small", "0.25"], ["*large*", "[0.125](https://a.b/)"]];
    run.texts("tables/table", Text::table(rows).unwrap(), 0);
    run.texts("tables/one cell", Text::list(["only"]), 0);
    run.texts("tables/empty", Text::list([""; 0]), 0);
    run.texts("tables/no rows", Text::table([[""; 0]; 0]).unwrap(), 0);
    let cube = Text::new([2, 2, 2], ["a", "b", "c", "d", "e", "f", "g", "h"]);
    run.texts("tables/rank 3", cube, 0);
}
