//! The metadata that a run needs so that it can be reproduced.

use super::{ArtifactRef, RunMeta};

/// An item of metadata that a run should have.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Item {
    /// The name in the program's output.
    pub name: &'static str,
    /// Description of the item, and how to record it.
    pub about: &'static str,
    /// Whether a run cannot be reproduced without the item.
    pub is_required: bool,
    holds: fn(&RunMeta) -> bool,
}

/// Every item, in order of importance.
pub const CHECKLIST: &[Item] = &[
    Item {
        name: "params",
        about: "the parameters that it was started with: RunOptions::params, add_hparams",
        is_required: true,
        holds: |meta| !meta.params.is_empty(),
    },
    Item {
        name: "seeds",
        about: "the seeds of its random numbers: RunOptions::seed, or a parameter with seed in its name",
        is_required: true,
        holds: |meta| !meta.seeds.is_empty() || meta.params.keys().any(|name| is_seed(name)),
    },
    Item {
        name: "commit",
        about: "the commit of its code: run it in a git repository",
        is_required: true,
        holds: |meta| meta.git.as_ref().is_some_and(|git| git.commit.is_some()),
    },
    Item {
        name: "clean_tree",
        about: "code without uncommitted changes: commit them before the run",
        is_required: true,
        holds: |meta| meta.git.as_ref().is_some_and(|git| git.dirty == Some(false)),
    },
    Item {
        name: "versions",
        about: "the versions of its packages: RunOptions::environment, with a Cargo.lock",
        is_required: true,
        holds: |meta| {
            let environment = meta.environment.as_ref();
            environment.is_some_and(|e| e.lock_sha256.is_some() || !e.packages.is_empty())
        },
    },
    Item {
        name: "dataset",
        about: "a digest of its data: RunOptions::dataset, or use_artifact of a dataset",
        is_required: false,
        holds: |meta| {
            let is_data =
                |used: &ArtifactRef| matches!(used.kind.as_deref(), Some("dataset" | "data"));
            meta.datasets.iter().any(|data| !data.digest.is_empty())
                || meta.inputs.iter().any(is_data)
        },
    },
    Item {
        name: "hardware",
        about: "the processor or the graphics cards: RunOptions::environment",
        is_required: false,
        holds: |meta| {
            meta.environment.as_ref().is_some_and(|e| e.cpu.is_some() || !e.gpus.is_empty())
        },
    },
    Item {
        name: "variables",
        about: "environment variables that matter: RunOptions::variables",
        is_required: false,
        holds: |meta| meta.environment.as_ref().is_some_and(|e| !e.variables.is_empty()),
    },
    Item {
        name: ARCHITECTURE,
        about: "the architecture of its model: add_graph, or an artifact such as config.json or model.onnx",
        is_required: false,
        holds: |meta| files(meta).any(|(path, kind)| is_architecture(path, kind)),
    },
    Item {
        name: "preprocessing",
        about: "how its data was prepared: a parameter, a tag or an artifact with preprocessing in its name",
        is_required: false,
        holds: |meta| says(meta, &["preprocess", "augment", "normaliz", "tokeniz", "transform"]),
    },
    Item {
        name: "data_validation",
        about: "the result of checking its data: a tag or an artifact with data_validation in its name",
        is_required: false,
        holds: |meta| says(meta, &["data_validation", "data_check", "expectations"]),
    },
];

/// The name of the item that a graph in the log has, too.
#[doc(hidden)]
pub const ARCHITECTURE: &str = "architecture";

impl Item {
    /// Whether `meta` has the item.
    pub fn holds(&self, meta: &RunMeta) -> bool {
        (self.holds)(meta)
    }
}

/// Matches `seed`, `random_seed` and `seed/weights`, but not `seeded`.
fn is_seed(name: &str) -> bool {
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case("seed"))
}

/// The path and the kind of the files that a run produced, and of the versions that it logged.
fn files(meta: &RunMeta) -> impl Iterator<Item = (&str, Option<&str>)> {
    let versions = meta.outputs.iter();
    let versions = versions
        .map(|version| (version.path.as_deref().unwrap_or(&version.name), version.kind.as_deref()));
    let files = meta.artifacts.iter();
    files.map(|file| (file.path.as_str(), file.kind.as_deref())).chain(versions)
}

/// Matches `config.json`, `model/architecture.yaml` and `net.onnx`, and files that are logged as a configuration.
fn is_architecture(path: &str, kind: Option<&str>) -> bool {
    let path = path.to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_text = matches!(extension, "json" | "toml" | "yaml" | "yml");
    let describes = stem.contains("config") || stem.contains("architecture");
    extension == "onnx"
        || (is_text && describes)
        || kind.is_some_and(|kind| matches!(kind, "config" | "architecture"))
}

/// Whether the name of a parameter, a tag, an artifact or a version has one of these words in it.
fn says(meta: &RunMeta, words: &[&str]) -> bool {
    let files = files(meta).flat_map(|(path, kind)| [Some(path), kind].into_iter().flatten());
    let names = meta.params.keys().chain(meta.tags.keys()).map(String::as_str).chain(files);
    names
        .map(|name| name.to_ascii_lowercase().replace([' ', '-'], "_"))
        .any(|name| words.iter().any(|word| name.contains(word)))
}

impl RunMeta {
    /// The items of the [`CHECKLIST`] that are missing.
    ///
    /// ```
    /// use tbx::meta::RunMeta;
    ///
    /// let mut meta = RunMeta::default();
    /// meta.params.insert("lr".into(), 0.1.into());
    /// let missing: Vec<_> = meta.missing().map(|item| item.name).collect();
    /// assert_eq!(missing[..2], ["seeds", "commit"]);
    /// ```
    pub fn missing(&self) -> impl Iterator<Item = &'static Item> {
        CHECKLIST.iter().filter(|item| !item.holds(self))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Artifact;
    use super::*;

    #[test]
    fn names_say_how_data_was_prepared_and_checked() {
        let missing = |change: &dyn Fn(&mut RunMeta)| {
            let mut meta = RunMeta::default();
            change(&mut meta);
            meta.missing().map(|item| item.name).collect::<Vec<_>>()
        };
        let lacks = |name: &str, change: &dyn Fn(&mut RunMeta)| missing(change).contains(&name);
        let artifact = |path: &str| {
            let path = path.to_owned();
            move |meta: &mut RunMeta| meta.artifacts.push(Artifact::new(path.clone(), 1, ""))
        };
        assert_eq!(missing(&|_| {}).len(), CHECKLIST.len());
        assert!(!lacks("preprocessing", &|meta| {
            meta.params.insert("data/Tokenizer".into(), "bpe".into());
        }));
        assert!(!lacks("preprocessing", &artifact("code/preprocess.rs")));
        assert!(!lacks("data_validation", &artifact("Data-Validation.html")));
        assert!(lacks("data_validation", &artifact("validation.html")));
        for (path, expected) in [
            ("config.json", false),
            ("a/model.ONNX", false),
            ("net_architecture.yaml", false),
            ("config.bin", true),
            ("model.bin", true),
        ] {
            assert_eq!(lacks(ARCHITECTURE, &artifact(path)), expected, "{path}");
        }
    }

    #[test]
    fn a_seed_is_a_word_in_the_name_of_a_parameter() {
        for (name, expected) in [
            ("seed", true),
            ("random_seed", true),
            ("seed/weights", true),
            ("seeded", false),
            ("lr", false),
        ] {
            assert_eq!(is_seed(name), expected, "{name}");
        }
    }
}
