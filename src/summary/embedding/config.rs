//! The file that lists a run's embeddings for the projector, `projector_config.pbtxt`: a
//! `ProjectorConfig` in protobuf's text format.
//!
//! Source: `tensorboard/plugins/projector/projector_config.proto`.

use std::ops::Range;

use super::text_format::{Content, Field, Malformed, Value, literal, parse};
use crate::error::ErrorKind;
use crate::event::pb::projector::{EmbeddingInfo, SpriteMetadata};

/// Name of the file in the run's directory (`tensorboard/plugins/projector/metadata.py`).
pub const CONFIG_FILE: &str = crate::file_names::PROJECTOR;

/// Reads the embeddings listed in the configuration `text`.
///
/// # Errors
///
/// [`ErrorKind::Value`]: the text is not in protobuf's text format.
pub fn read(text: &[u8]) -> Result<Vec<EmbeddingInfo>, ErrorKind> {
    Ok(embeddings(text)?.into_iter().map(|(info, _)| info).collect())
}

/// Merges `info` into the configuration `text`. It replaces the embedding with the same name; if
/// there is none, it is added at the end. All other bytes stay unchanged.
///
/// # Errors
///
/// The same as for [`read`]: a configuration that cannot be parsed is not changed.
pub fn merge(text: &[u8], info: &EmbeddingInfo) -> Result<Vec<u8>, ErrorKind> {
    let body = print(info);
    let mut merged = Vec::with_capacity(text.len() + body.len() + 16);
    let mut kept = 0;
    for (_, span) in
        embeddings(text)?.into_iter().filter(|(other, _)| other.tensor_name == info.tensor_name)
    {
        merged.extend_from_slice(text.get(kept..span.start).unwrap_or(&[]));
        merged.extend_from_slice(body.as_bytes());
        kept = span.end;
    }
    merged.extend_from_slice(text.get(kept..).unwrap_or(&[]));
    if kept == 0 {
        // The last line may be a comment.
        if merged.last().is_some_and(|last| *last != b'\n') {
            merged.push(b'\n');
        }
        merged.extend_from_slice(b"embeddings ");
        merged.extend_from_slice(body.as_bytes());
        merged.push(b'\n');
    }
    Ok(merged)
}

/// The embeddings of a configuration, and the byte range of each, including its braces.
fn embeddings(text: &[u8]) -> Result<Vec<(EmbeddingInfo, Range<usize>)>, ErrorKind> {
    let fields = parse(text).map_err(|Malformed { offset, expected }| {
        ErrorKind::Value(format!("not in protobuf's text format: no {expected} at byte {offset}"))
    })?;
    let values = fields.into_iter().filter(|field| field.name == b"embeddings");
    let embedding = |value: Value<'_>| match value.content {
        Content::Message(fields) => Some((info(&fields), value.span)),
        _ => None,
    };
    Ok(values.flat_map(|field| field.values).filter_map(embedding).collect())
}

fn info(fields: &[Field<'_>]) -> EmbeddingInfo {
    let mut info = EmbeddingInfo::default();
    for Field { name, values } in fields {
        for value in values {
            match (*name, &value.content) {
                (b"tensor_name", Content::Text(bytes)) => info.tensor_name = lossy(bytes),
                (b"tensor_path", Content::Text(bytes)) => info.tensor_path = lossy(bytes),
                (b"metadata_path", Content::Text(bytes)) => info.metadata_path = lossy(bytes),
                (b"bookmarks_path", Content::Text(bytes)) => info.bookmarks_path = lossy(bytes),
                (b"tensor_shape", Content::Word(word)) => info.tensor_shape.extend(number(word)),
                (b"sprite", Content::Message(fields)) => info.sprite = Some(sprite(fields)),
                _ => {}
            }
        }
    }
    info
}

fn sprite(fields: &[Field<'_>]) -> SpriteMetadata {
    let mut sprite = SpriteMetadata::default();
    for Field { name, values } in fields {
        for value in values {
            match (*name, &value.content) {
                (b"image_path", Content::Text(bytes)) => sprite.image_path = lossy(bytes),
                (b"single_image_dim", Content::Word(word)) => {
                    sprite.single_image_dim.extend(number(word));
                }
                _ => {}
            }
        }
    }
    sprite
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Parses a number in decimal, octal or hexadecimal digits.
fn number(word: &[u8]) -> Option<u32> {
    let word = str::from_utf8(word).ok()?.to_ascii_lowercase();
    match (word.strip_prefix("0x"), word.strip_prefix('0')) {
        (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
        (_, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
        _ => word.parse().ok(),
    }
}

/// Formats the message with its braces, as protobuf prints it.
fn print(info: &EmbeddingInfo) -> String {
    let mut text = String::from("{\n");
    for (name, value) in [
        ("tensor_name", &info.tensor_name),
        ("metadata_path", &info.metadata_path),
        ("bookmarks_path", &info.bookmarks_path),
    ] {
        if !value.is_empty() {
            text.push_str(&format!("  {name}: {}\n", literal(value)));
        }
    }
    for size in &info.tensor_shape {
        text.push_str(&format!("  tensor_shape: {size}\n"));
    }
    if let Some(sprite) = &info.sprite {
        let path = literal(&sprite.image_path);
        text.push_str(&format!("  sprite {{\n    image_path: {path}\n"));
        for size in &sprite.single_image_dim {
            text.push_str(&format!("    single_image_dim: {size}\n"));
        }
        text.push_str("  }\n");
    }
    if !info.tensor_path.is_empty() {
        text.push_str(&format!("  tensor_path: {}\n", literal(&info.tensor_path)));
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> EmbeddingInfo {
        EmbeddingInfo {
            tensor_name: name.into(),
            tensor_path: "00000/é/tensors.tsv".into(),
            ..Default::default()
        }
    }

    fn full(name: &str) -> EmbeddingInfo {
        EmbeddingInfo {
            metadata_path: "m \"1\".tsv".into(),
            bookmarks_path: "b".into(),
            tensor_shape: vec![10, 3],
            sprite: Some(SpriteMetadata {
                image_path: "s.png".into(),
                single_image_dim: vec![28, 14],
            }),
            ..named(name)
        }
    }

    #[track_caller]
    fn merged(text: &str, info: &EmbeddingInfo) -> String {
        String::from_utf8(merge(text.as_bytes(), info).unwrap()).unwrap()
    }

    #[test]
    fn an_embedding_is_printed_and_read() {
        for info in [named("x"), full("a{\n} # é"), EmbeddingInfo::default()] {
            let text = merged("", &info);
            assert_eq!(read(text.as_bytes()).unwrap(), [info]);
        }
        let expected = "embeddings {\n  tensor_name: \"x\"\n  metadata_path: \"m \\\"1\\\".tsv\"\n  \
             bookmarks_path: \"b\"\n  tensor_shape: 10\n  tensor_shape: 3\n  sprite {\n    \
             image_path: \"s.png\"\n    single_image_dim: 28\n    single_image_dim: 14\n  }\n  \
             tensor_path: \"00000/\\303\\251/tensors.tsv\"\n}\n";
        assert_eq!(merged("", &full("x")), expected);
    }

    /// Output of PyTorch 2.15.
    #[test]
    fn a_configuration_of_torch_is_read() {
        let text = "embeddings {\n  tensor_name: \"default:00000\"\n  metadata_path: \
            \"00000/default/metadata.tsv\"\n  sprite {\n    image_path: \"00000/default/sprite.png\"\n    \
            single_image_dim: 16\n    single_image_dim: 16\n  }\n  tensor_path: \
            \"00000/default/tensors.tsv\"\n}\n";
        let expected = EmbeddingInfo {
            tensor_name: "default:00000".into(),
            metadata_path: "00000/default/metadata.tsv".into(),
            sprite: Some(SpriteMetadata {
                image_path: "00000/default/sprite.png".into(),
                single_image_dim: vec![16, 16],
            }),
            tensor_path: "00000/default/tensors.tsv".into(),
            ..Default::default()
        };
        assert_eq!(read(text.as_bytes()).unwrap(), std::slice::from_ref(&expected));
        assert_eq!(merged("", &expected), text);
    }

    #[test]
    fn what_others_wrote_stays_to_the_byte() {
        let x = "embeddings {\n  tensor_name: \"x\"\n  tensor_path: \"00000/\\303\\251/tensors.tsv\"\n}";
        for (before, after) in [
            // Added at the end, even after a comment.
            ("", format!("{x}\n")),
            (
                "embeddings { tensor_name: \"y\" }",
                format!("embeddings {{ tensor_name: \"y\" }}\n{x}\n"),
            ),
            (
                " # embeddings { tensor_name: \"x\" }",
                format!(" # embeddings {{ tensor_name: \"x\" }}\n{x}\n"),
            ),
            ("model_checkpoint_path: \"{\"\n", format!("model_checkpoint_path: \"{{\"\n{x}\n")),
            // Replaced in place, however it is written.
            (
                "# a\nembeddings: < # b\n tensor_name: 'x' bookmarks_path: '}>' > # c\nunknown { embeddings {} };",
                format!("# a\nembeddings: {} # c\nunknown {{ embeddings {{}} }};", &x[11..]),
            ),
            (
                "embeddings [{tensor_name: \"y\"}, {tensor_name: \"x\"},{}] # d",
                format!("embeddings [{{tensor_name: \"y\"}}, {},{{}}] # d", &x[11..]),
            ),
            // Present twice, as tensorboardX leaves it.
            ("embeddings {tensor_name: \"x\"}embeddings {tensor_name: \"x\"}", format!("{x}{x}")),
            // Only an exact match is the same name.
            (
                "embeddings {tensor_name: \"x:0\"}\n",
                format!("embeddings {{tensor_name: \"x:0\"}}\n{x}\n"),
            ),
        ] {
            assert_eq!(merged(before, &named("x")), after);
            // Merging again changes nothing.
            assert_eq!(merged(&after, &named("x")), after);
        }
        let not_utf8 = b"embeddings { tensor_name: \"\xff\" } # \xfe";
        let merged = merge(not_utf8, &named("x")).unwrap();
        assert!(merged.starts_with(not_utf8));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_written() {
        for text in ["embeddings {", "not a configuration", "embeddings { tensor_name: \"x }", "\0"]
        {
            let error = merge(text.as_bytes(), &named("x")).unwrap_err();
            assert!(matches!(error, ErrorKind::Value(_)), "{error}");
        }
    }

    #[test]
    fn numbers_are_read_in_every_base() {
        let text =
            b"embeddings { tensor_shape: [1, 0x1F, 010], tensor_shape: 0; tensor_shape: -1 }";
        assert_eq!(read(text).unwrap()[0].tensor_shape, [1, 31, 8, 0]);
    }
}
