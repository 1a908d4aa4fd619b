//! Texts: one as a page, which W&B shows step by step; a list or a table of texts as a table.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::file::Described;
use super::{At, Media};
use crate::error::ErrorKind;
use crate::summary::RawValue;
use crate::summary::text::Text;

/// The start and the end of the page of a text. W&B does not render Markdown in a page, so it is shown as it is.
const PAGE: (&str, &str) =
    ("<meta charset=\"utf-8\"><pre style=\"white-space: pre-wrap\">", "</pre>\n");

pub(super) fn of(at: At<'_>, value: &RawValue) -> Result<Option<Media>, ErrorKind> {
    let Text { shape, strings } = Text::read(value)?;
    match (strings.as_slice(), shape.len()) {
        ([], _) => Ok(None),
        // PyTorch writes a single text as a list of one.
        ([text], 0 | 1) => {
            let page = format!("{}{}{}", PAGE.0, escaped(text), PAGE.1);
            Ok(Some(Described::new(at, "html", "html", page.into()).into_media("html-file")))
        }
        _ => {
            let width = if shape.len() < 2 { 1 } else { shape.last().copied().unwrap_or(1) };
            let rows = strings.chunks(width.max(1));
            let rows = rows.map(|row| row.iter().map(|cell| Value::from(cell.as_str())).collect());
            let columns: Vec<_> = match width {
                1 => vec!["text".to_owned()],
                width => (1..=width).map(|i| i.to_string()).collect(),
            };
            Ok(Some(table(at, &columns, rows.collect())))
        }
    }
}

/// The text of a page that tbx made; `None` for any other page.
pub fn text_of_page(page: &str) -> Option<String> {
    let text = page.strip_prefix(PAGE.0)?.strip_suffix(PAGE.1)?;
    Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

/// A table as the package writes it.
pub(super) fn table(at: At<'_>, columns: &[String], rows: Vec<Value>) -> Media {
    let (width, height) = (columns.len(), rows.len());
    let file = json!({ "columns": columns, "data": rows }).to_string();
    let mut media = Described::new(at, "table", "table.json", file.into()).into_media("table-file");
    media.fields.extend([("ncols", width.to_string()), ("nrows", height.to_string())]);
    media
}

/// A text in HTML.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::pb::summary::value::Value::Tensor;
    use crate::summary::Form;

    fn made(text: Text) -> Media {
        let Some(Tensor(tensor)) = text.into_v2("t").unwrap().value else { panic!("no tensor") };
        let value = RawValue::new(Form::Tensor, prost::Message::encode_to_vec(&tensor));
        of(At { key: "t", step: 3 }, &value).unwrap().unwrap()
    }

    #[test]
    fn a_page_has_the_text_as_it_is() {
        for text in ["", "a & b", "<script>&amp;&lt;</pre>\n", "# Größe\n\n    code"] {
            let media = made(text.into());
            assert_eq!(media.fields[0], ("_type", "\"html-file\"".into()));
            let page = str::from_utf8(&media.files[0].bytes).unwrap();
            assert_eq!(page.matches('<').count(), 3, "{page}");
            assert_eq!(text_of_page(page).as_deref(), Some(text));
        }
        assert_eq!(text_of_page("<b>hi</b>"), None);
    }

    #[test]
    fn lists_and_tables_are_tables() {
        let table = made(Text::table([["a", "b"], ["1", "2"], ["3", "4"]]).unwrap());
        let file = str::from_utf8(&table.files[0].bytes).unwrap();
        assert_eq!(file, r#"{"columns":["1","2"],"data":[["a","b"],["1","2"],["3","4"]]}"#);
        let list = made(Text::list(["a", "b"]));
        let file = str::from_utf8(&list.files[0].bytes).unwrap();
        assert_eq!(file, r#"{"columns":["text"],"data":[["a"],["b"]]}"#);
    }
}
