//! Adds the versions of another list to a list.

use std::collections::BTreeMap;

use super::{Artifacts, VersionedArtifact, file};
use crate::error::{Location, Result};

impl Artifacts {
    /// Adds what the other list `json` has. Content that is a version here keeps its number here; one whose number has
    /// another content here gets the next number. Aliases that are here stay as they are.
    #[doc(hidden)]
    pub fn merge(&self, json: &[u8]) -> Result<()> {
        let other = file::parse(json).map_err(|kind| kind.at(Location::of(self.file())))?;
        self.edit(|all| {
            for (name, artifact) in other.artifacts {
                self.merge_artifact(all.entry(name).or_default(), artifact);
            }
            Ok(())
        })
    }

    fn merge_artifact(&self, here: &mut VersionedArtifact, other: VersionedArtifact) {
        let mut numbers = BTreeMap::new();
        for mut version in other.versions {
            let old = version.version;
            if let Some(known) = here.versions.iter_mut().find(|it| it.digest == version.digest) {
                for place in version.places() {
                    known.hold(place, |place| self.place(place).is_ok_and(|path| path.exists()));
                }
                numbers.insert(old, known.version);
                continue;
            }
            if here.versions.iter().any(|known| known.version == old) {
                let next = here.versions.iter().map(|known| known.version.saturating_add(1)).max();
                version.version = next.unwrap_or(0);
            }
            numbers.insert(old, version.version);
            here.versions.push(version);
        }
        here.versions.sort_by_key(|version| version.version);
        here.kind = here.kind.take().or(other.kind);
        for (alias, number) in other.aliases {
            if let Some(number) = numbers.get(&number) {
                here.aliases.entry(alias).or_insert(*number);
            }
        }
    }
}
