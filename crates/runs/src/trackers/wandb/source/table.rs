//! Tables as Markdown.

use serde_json::Value;

use super::json;

/// Maximum number of rows that are shown; the file has all.
const MAX_ROWS: usize = 100;

/// Maximum number of characters of a cell that are shown.
const MAX_CELL: usize = 200;

/// The Markdown of a file `.table.json` with this name.
pub(super) fn markdown(value: &Value, name: &str) -> Option<String> {
    let columns = value.get("columns")?.as_array()?;
    let rows = value.get("data")?.as_array()?;
    let mut text = String::new();
    line(&mut text, columns.iter());
    text.push('|');
    text.push_str(&"---|".repeat(columns.len()));
    text.push('\n');
    for row in rows.iter().take(MAX_ROWS) {
        line(&mut text, row.as_array()?.iter());
    }
    let more = rows.len().saturating_sub(MAX_ROWS);
    if more > 0 {
        text.push_str(&format!("\n{more} more rows are in {name}\n"));
    }
    Some(text)
}

fn line<'v>(text: &mut String, cells: impl Iterator<Item = &'v Value>) {
    text.push('|');
    for cell in cells {
        text.push(' ');
        text.push_str(&shown(cell));
        text.push_str(" |");
    }
    text.push('\n');
}

/// The text of a cell. A line break or a bar would end it.
fn shown(cell: &Value) -> String {
    let text = match cell {
        Value::Null => String::new(),
        Value::String(text) if json::number(cell).is_none() => text.clone(),
        cell => json::to_text(cell),
    };
    let mut shown = String::new();
    for (n, c) in text.chars().enumerate() {
        match c {
            _ if n >= MAX_CELL => {
                shown.push('…');
                break;
            }
            '|' => shown.push_str("\\|"),
            '\n' | '\r' => shown.push(' '),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_a_table_of_markdown() {
        let table = json::parse(r#"{"columns":["x","na|me"],"data":[[1,"a\nb"],[NaN,null]]}"#);
        let text = markdown(&table.unwrap(), "t.json").unwrap();
        assert_eq!(text, "| x | na\\|me |\n|---|---|\n| 1 | a b |\n| NaN |  |\n");
        let long = json!({"columns": [1], "data": vec![json!([2]); 150]});
        let text = markdown(&long, "t.json").unwrap();
        assert!(text.ends_with("\n50 more rows are in t.json\n"), "{text}");
        assert_eq!(markdown(&json!({"columns": [], "data": [1]}), ""), None);
    }
}
