//! The name of an embedding, and the location of its files.

use crate::error::ErrorKind;
use crate::event::pb::projector::{EmbeddingInfo, SpriteMetadata};
use crate::safe_name;

use super::Embedding;

/// The name and directory of an embedding, as in PyTorch (`torch/utils/tensorboard/writer.py`,
/// `add_embedding`): `<tag>:<step>` and `<step>/<tag>`, where the step has at least five digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EmbeddingPlace {
    tag: String,
    escaped: String,
    step: String,
}

impl EmbeddingPlace {
    /// The place of the embedding `tag` at step 0.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the projector cannot request the tag. Its page inserts the name
    /// into a URL without escaping it (`vz_projector/data-provider-server.ts`). The tag must
    /// therefore not contain `&`, `#` or `+`, `%` before two hexadecimal digits, a tab, or a line
    /// break.
    pub(crate) fn of(tag: &str) -> Result<Self, ErrorKind> {
        if let Some(c) = tag.chars().find(|c| matches!(c, '&' | '#' | '+' | '\t' | '\n' | '\r')) {
            let what =
                format!("an embedding with {c:?} in its name, which TensorBoard cannot find");
            return Err(ErrorKind::Argument(what));
        }
        let mut codes = tag.as_bytes().windows(3);
        if codes
            .any(|w| matches!(w, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
        {
            let what =
                "an embedding with % and two digits in its name, which TensorBoard cannot find";
            return Err(ErrorKind::Argument(what.into()));
        }
        let escaped = safe_name::encode(tag);
        Ok(Self { tag: tag.into(), escaped, step: step(0) })
    }

    /// The same embedding at another step.
    #[must_use]
    pub(crate) fn at(self, number: i64) -> Self {
        Self { step: step(number), ..self }
    }

    /// Name of the embedding in the projector.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.tag, self.step)
    }

    /// Directories from the run's directory down to the files of the embedding.
    pub(crate) fn directory(&self) -> [&str; 2] {
        [&self.step, &self.escaped]
    }

    /// The configuration entry for `embedding` at this place.
    pub(crate) fn info(&self, embedding: &Embedding) -> EmbeddingInfo {
        let path = |file: &str| format!("{}/{}/{file}", self.step, self.escaped);
        EmbeddingInfo {
            tensor_name: self.name(),
            tensor_path: path(TENSORS_FILE),
            metadata_path: match embedding.has_metadata() {
                true => path(METADATA_FILE),
                false => String::new(),
            },
            sprite: embedding.sprite_image().map(|sprite| SpriteMetadata {
                image_path: path(SPRITE_FILE),
                single_image_dim: vec![sprite.width, sprite.height],
            }),
            ..Default::default()
        }
    }
}

/// File name of the table of numbers.
pub const TENSORS_FILE: &str = "tensors.tsv";
/// File name of the table of labels.
pub const METADATA_FILE: &str = "metadata.tsv";
/// File name of the sprite image.
pub const SPRITE_FILE: &str = "sprite.png";

fn step(number: i64) -> String {
    format!("{number:05}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(tag: &str, step: i64) -> String {
        EmbeddingPlace::of(tag).unwrap().at(step).directory().join("/")
    }

    /// Matches `str(step).zfill(5)` and PyTorch's `_encode`.
    #[test]
    fn places_are_pytorchs() {
        let place = EmbeddingPlace::of("words/all").unwrap().at(7);
        assert_eq!(place.name(), "words/all:00007");
        assert_eq!(place.directory(), ["00007", "words%2fall"]);
        assert!(EmbeddingPlace::of("a&b").is_err());
        assert_eq!(directory("default", 0), "00000/default");
        assert_eq!(directory("a/b\\c", 1_234_567), "1234567/a%2fb%5cc");
        assert_eq!(directory("50% größe", -1), "-0001/50%25 größe");
        assert_eq!(EmbeddingPlace::of("a/b").unwrap().at(-1).name(), "a/b:-0001");
    }

    #[test]
    fn no_tag_leaves_its_directory_and_no_two_share_one() {
        let tags = [
            "",
            ".",
            "..",
            "...",
            "%",
            "%2e",
            "../..",
            "/",
            "//",
            "/etc/passwd",
            "\\",
            "a\0b",
            "con",
            "a:b",
            "a*b",
            "<",
            "x.tfevents",
            "x.tfevent%73",
            " ",
            "🎉",
        ];
        let mut seen = std::collections::HashSet::new();
        for tag in tags {
            let Ok(place) = EmbeddingPlace::of(tag) else {
                assert!(tag.contains('%'), "{tag:?}");
                continue;
            };
            let [step, name] = place.directory();
            assert_eq!(step, "00000");
            assert!(!["", ".", ".."].contains(&name), "{tag:?}");
            assert!(!name.contains(['/', '\\', '\0']) && !name.contains("tfevents"), "{tag:?}");
            assert!(seen.insert(name.to_owned()), "{tag:?}");
        }
    }

    #[test]
    fn names_that_the_projector_cannot_ask_for_are_refused() {
        for tag in ["a&b", "#", "a+b", "a%41", "%0a", "a\tb", "a\n"] {
            assert!(matches!(EmbeddingPlace::of(tag), Err(ErrorKind::Argument(_))), "{tag:?}");
        }
        for tag in ["100%", "a%b", "%4", "%zz", "a?b=c;d", &"x".repeat(2000), &"/".repeat(500)] {
            assert!(EmbeddingPlace::of(tag).is_ok(), "{tag:?}");
        }
    }
}
