//! Adds the models of another registry.

use std::collections::BTreeMap;

use super::file::{self, Model};
use super::{Registry, name};
use tbx::error::{ErrorKind, Location, Result};

impl Registry {
    /// Adds what the other registry `json` has. A version that is here keeps its number here; one whose number another
    /// version has gets the next number. Everything else that is here stays as it is.
    pub(crate) fn merge(&self, json: &[u8]) -> Result<()> {
        let at = |kind: ErrorKind| kind.at(Location::of(self.file()));
        let other = file::parse(json).map_err(at)?.models;
        for (name, model) in &other {
            name::check_model(name).map_err(at)?;
            for alias in model.aliases.keys() {
                name::check_alias(alias).map_err(at)?;
            }
        }
        self.change(|all| {
            for (name, model) in other {
                all.entry(name).or_default().merge(model);
            }
        })
    }
}

impl Model {
    fn merge(&mut self, other: Self) {
        let mut numbers = BTreeMap::new();
        for mut version in other.versions {
            let old = version.version;
            if let Some(known) = self.same(&version) {
                numbers.insert(old, known.version);
                continue;
            }
            if self.versions.iter().any(|known| known.version == old) {
                version.version = self.next();
            }
            numbers.insert(old, version.version);
            self.versions.push(version);
        }
        self.versions.sort_by_key(|version| version.version);
        for (alias, number) in other.aliases {
            if let Some(number) = numbers.get(&number) {
                self.aliases.entry(alias).or_insert(*number);
            }
        }
        for (tag, value) in other.tags {
            self.tags.entry(tag).or_insert(value);
        }
        for (field, value) in other.other {
            self.other.entry(field).or_insert(value);
        }
        self.description = self.description.take().or(other.description);
        self.created = self.created.or(other.created);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Version;
    use super::*;

    fn model(versions: &[(u32, &str)], aliases: &[(&str, u32)]) -> Model {
        let version = |(version, sha256): &(u32, &str)| Version {
            version: *version,
            path: "model.bin".into(),
            sha256: (*sha256).into(),
            ..Version::default()
        };
        Model {
            versions: versions.iter().map(version).collect(),
            aliases: aliases.iter().map(|(name, number)| ((*name).into(), *number)).collect(),
            ..Model::default()
        }
    }

    #[test]
    fn what_is_here_stays_and_what_is_new_is_added() {
        let mut here = model(&[(1, "a"), (2, "b")], &[("best", 2)]);
        here.merge(model(&[(1, "b"), (2, "c"), (7, "d")], &[("best", 7), ("old", 1), ("new", 2)]));
        let expected = model(
            &[(1, "a"), (2, "b"), (3, "c"), (7, "d")],
            &[("best", 2), ("old", 2), ("new", 3)],
        );
        assert_eq!(here, expected);
        here.merge(expected.clone());
        assert_eq!(here, expected);
    }
}
