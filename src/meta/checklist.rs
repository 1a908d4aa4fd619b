//! The metadata that a run needs so that it can be reproduced.

use super::RunMeta;

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
        about: "a digest of its data: RunOptions::dataset",
        is_required: false,
        holds: |meta| meta.datasets.iter().any(|data| !data.digest.is_empty()),
    },
    Item {
        name: "hardware",
        about: "the processor or the graphics cards: RunOptions::environment",
        is_required: false,
        holds: |meta| {
            meta.environment.as_ref().is_some_and(|e| e.cpu.is_some() || !e.gpus.is_empty())
        },
    },
];

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
    use super::*;

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
