//! Models that runs made, by name and version.
//!
//! `tbx.registry.json` in a log folder says which artifact of which run is version 3 of a model, at
//! which stage it is, and which aliases lead to it. The files stay where the runs put them; their
//! digests are kept, so that a model that is loaded is the one that was registered.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let root = dir.path();
//! # std::fs::create_dir_all(root.join("first/artifacts"))?;
//! # std::fs::write(root.join("first/artifacts/model.bin"), b"weights")?;
//! use tbx::registry::{Registry, Stage};
//!
//! // `first` is a run below `root`: its name, its directory or the id of `track::Run` will do.
//! let registry = Registry::open(root)?;
//! let version = registry.register("classifier", "first", "model.bin")?;
//! registry.set_stage("classifier", version.version, Stage::Production, true)?;
//! registry.set_alias("classifier", "champion", version.version)?;
//!
//! let mut model = registry.get("classifier/champion")?.open()?; // checks the digest
//! let mut weights = Vec::new();
//! std::io::Read::read_to_end(&mut model, &mut weights)?;
//! assert_eq!(weights, b"weights");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod digest;
mod find;
mod model;
mod names;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::model::{Model, ModelVersion, Stage};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::meta::now;
use crate::replace;
use crate::store;

/// The file's name.
pub const FILE: &str = "tbx.registry.json";

/// The form of the file that is written.
pub const SCHEMA: &str = "tbx.registry/1";

/// What of another version can be read, too.
const SCHEMAS: &str = "tbx.registry/";

/// As much as [`replace::edit`] takes.
const MAX_BYTES: u64 = 16 << 20;

/// The models of a log folder. It holds nothing: each call reads the file, and changes of several
/// threads and programs wait for each other.
#[derive(Debug, Clone)]
pub struct Registry {
    root: PathBuf,
}

/// A version that was asked for, and its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The model's name.
    pub model: String,
    /// The version.
    pub version: ModelVersion,
    /// Its file; absolute.
    pub path: PathBuf,
}

/// What the file says.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Content {
    schema: String,
    models: BTreeMap<String, Model>,
    /// What is not known here.
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl Registry {
    /// That of the log folder `logdir`, which may have none yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: there is no such directory.
    pub fn open(logdir: impl AsRef<Path>) -> Result<Self> {
        let path = logdir.as_ref();
        let root = store::local_only(path, "the registry of models");
        let root = root.and_then(|()| path.canonicalize()).and_then(|root| {
            root.read_dir()?;
            Ok(root)
        });
        let root = root.map_err(|error| ErrorKind::from(error).at(Location::path(path)))?;
        Ok(Self { root })
    }

    /// All models, by name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]; [`ErrorKind::Value`]: `tbx.registry.json` is something else.
    pub fn models(&self) -> Result<BTreeMap<String, Model>> {
        let path = self.file();
        let read = match store::read(&path, MAX_BYTES + 1) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeMap::new());
            }
            read => read.map_err(ErrorKind::from).and_then(|json| parse(&json)),
        };
        read.map(|content| content.models).map_err(|kind| kind.at(Location::path(path)))
    }

    /// Makes the artifact of a run the next version of the model `name`, which is made if there is
    /// none. `run` is the run's name in the log folder, its directory, or its id; `artifact` the
    /// path in the run's folder `artifacts`.
    ///
    /// The digest is the one in the run's `tbx.json`; if it has none, the file is read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: a name that cannot be, no such run, a path out of the folder;
    /// [`ErrorKind::Io`]: no such file; [`ErrorKind::Value`]: the file is not of the size that
    /// `tbx.json` says.
    pub fn register(
        &self,
        name: &str,
        run: impl AsRef<Path>,
        artifact: &str,
    ) -> Result<ModelVersion> {
        self.register_with(name, run, artifact, &[], |_| {})
    }

    /// The same, and `aliases` lead to it from the start, and `change` may say more of it before it
    /// is there. Its number and file stay as they are.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register) and [`set_alias`](Self::set_alias).
    pub fn register_with(
        &self,
        name: &str,
        run: impl AsRef<Path>,
        artifact: &str,
        aliases: &[String],
        change: impl FnOnce(&mut ModelVersion),
    ) -> Result<ModelVersion> {
        names::check_model(name)?;
        aliases.iter().try_for_each(|alias| names::check_alias(alias))?;
        let mut version = find::artifact(&self.root, run.as_ref(), artifact)?;
        version.created = Some(now());
        let file = version.clone();
        change(&mut version);
        let ModelVersion { run, run_id, artifact, sha256, size, .. } = file;
        version = ModelVersion { run, run_id, artifact, sha256, size, ..version };
        self.edit(|models| {
            let model = models.entry(name.to_owned()).or_default();
            model.created.get_or_insert_with(now);
            let newest = model.versions.iter().map(|version| version.version).max().unwrap_or(0);
            version.version = newest.saturating_add(1);
            model.versions.push(version.clone());
            let aliases = aliases.iter().map(|alias| (alias.clone(), version.version));
            model.aliases.extend(aliases);
            Ok(())
        })?;
        Ok(version)
    }

    /// Moves a version to `stage`. With `archive_existing` the versions that are there go to
    /// [`Stage::Archived`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no such version; as [`models`](Self::models).
    pub fn set_stage(
        &self,
        name: &str,
        version: u64,
        stage: Stage,
        archive_existing: bool,
    ) -> Result<()> {
        self.edit(|models| {
            let model = model(models, name)?;
            version_mut(model, name, version)?;
            for other in &mut model.versions {
                if other.version == version {
                    other.stage = stage;
                } else if archive_existing && other.stage == stage && stage != Stage::None {
                    other.stage = Stage::Archived;
                }
            }
            Ok(())
        })
    }

    /// Has `alias` lead to a version, and to no other of the model.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the alias is not of letters, digits, `_` and `-`, or is reserved
    /// (`latest`, `3`, `v3`, stages); there is no such version. As [`models`](Self::models).
    pub fn set_alias(&self, name: &str, alias: &str, version: u64) -> Result<()> {
        names::check_alias(alias)?;
        self.edit(|models| {
            let model = model(models, name)?;
            version_mut(model, name, version)?;
            model.aliases.insert(alias.to_owned(), version);
            Ok(())
        })
    }

    /// Takes `alias` away from the model.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is none; as [`models`](Self::models).
    pub fn remove_alias(&self, name: &str, alias: &str) -> Result<()> {
        self.edit(|models| match model(models, name)?.aliases.remove(alias) {
            Some(_) => Ok(()),
            None => Err(ErrorKind::Argument(format!("model {name:?} has no alias {alias:?}"))),
        })
    }

    /// Says what the model is about, or one version of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no such version; as [`models`](Self::models).
    pub fn describe(&self, name: &str, version: Option<u64>, text: &str) -> Result<()> {
        self.edit(|models| {
            let model = model(models, name)?;
            let description = match version {
                Some(version) => &mut version_mut(model, name, version)?.description,
                None => &mut model.description,
            };
            *description = Some(text.to_owned()).filter(|text| !text.is_empty());
            Ok(())
        })
    }

    /// Gives the model, or one version of it, a tag with a value.
    ///
    /// # Errors
    ///
    /// As [`describe`](Self::describe).
    pub fn tag(&self, name: &str, version: Option<u64>, key: &str, value: &str) -> Result<()> {
        self.edit(|models| {
            let model = model(models, name)?;
            let tags = match version {
                Some(version) => &mut version_mut(model, name, version)?.tags,
                None => &mut model.tags,
            };
            tags.insert(key.to_owned(), value.to_owned());
            Ok(())
        })
    }

    /// The version that `reference` names: `name/3` or `name/v3`, `name/latest`, `name/champion` by
    /// an alias, `name/production` for the newest at that stage.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is none, or its run leads out of the log folder; as
    /// [`models`](Self::models).
    pub fn get(&self, reference: &str) -> Result<Found> {
        let models = self.models()?;
        let (name, which) = reference.split_once('/').ok_or_else(|| {
            let what = format!("{reference:?} does not say which version: try {reference}/latest");
            Error::argument(what)
        })?;
        let model = models.get(name).ok_or_else(|| unknown(&models, name))?;
        let version = model.find(which).ok_or_else(|| {
            let aliases = model.aliases.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let aliases = if aliases.is_empty() { "no aliases".into() } else { aliases };
            let count = model.versions.len();
            let what =
                format!("model {name:?} has no {which:?}; it has {count} versions and {aliases}");
            Error::argument(what)
        })?;
        let path = find::path(&self.root, &version.run, &version.artifact)?;
        Ok(Found { model: name.to_owned(), version: version.clone(), path })
    }

    /// The files of all versions of all models, absolute.
    ///
    /// # Errors
    ///
    /// As [`models`](Self::models) and [`get`](Self::get).
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let models = self.models()?;
        let versions = models.values().flat_map(|model| &model.versions);
        versions.map(|version| find::path(&self.root, &version.run, &version.artifact)).collect()
    }

    fn file(&self) -> PathBuf {
        self.root.join(FILE)
    }

    fn edit(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Model>) -> Result<(), ErrorKind>,
    ) -> Result<()> {
        let mut refused = None;
        let edited = replace::edit(&self.file(), |old| {
            let mut content = if old.is_empty() { Content::default() } else { parse(old)? };
            if let Err(kind) = change(&mut content.models) {
                refused = Some(kind);
                return Ok(old.to_vec());
            }
            SCHEMA.clone_into(&mut content.schema);
            let json = serde_json::to_string_pretty(&content)
                .map_err(|error| ErrorKind::Argument(format!("models: {error}")))?;
            match u64::try_from(json.len()) {
                Ok(0..MAX_BYTES) => Ok((json + "\n").into_bytes()),
                _ => Err(ErrorKind::Argument(format!("more than {MAX_BYTES} bytes of models"))),
            }
        });
        match refused {
            // What was asked for cannot be: the file has no part in it.
            Some(kind) => Err(kind.into()),
            None => edited,
        }
    }
}

impl Found {
    /// Opens the file, once all of it is read and has the digest that was registered.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: it cannot be read; [`ErrorKind::Value`]: it is not what was registered.
    pub fn open(&self) -> Result<File> {
        let failed = |kind: ErrorKind| kind.at(Location::path(self.path.as_path()));
        digest::check(&self.path, &self.version).map_err(failed)
    }
}

fn parse(json: &[u8]) -> Result<Content, ErrorKind> {
    if u64::try_from(json.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(ErrorKind::Value(format!(
            "more than {MAX_BYTES} bytes: no registry of models"
        )));
    }
    let content: Content = serde_json::from_slice(json)
        .map_err(|error| ErrorKind::Value(format!("no registry of models: {error}")))?;
    if !content.schema.starts_with(SCHEMAS) {
        let schema = content.schema.chars().take(40).collect::<String>();
        let what = format!("its schema is {schema:?}, not {SCHEMA}: no registry of models");
        return Err(ErrorKind::Value(what));
    }
    Ok(content)
}

fn model<'m>(
    models: &'m mut BTreeMap<String, Model>,
    name: &str,
) -> Result<&'m mut Model, ErrorKind> {
    if !models.contains_key(name) {
        return Err(unknown(models, name).into_kind());
    }
    models.get_mut(name).ok_or_else(|| ErrorKind::Argument(name.into()))
}

fn version_mut<'m>(
    model: &'m mut Model,
    name: &str,
    number: u64,
) -> Result<&'m mut ModelVersion, ErrorKind> {
    let found = model.versions.iter_mut().find(|version| version.version == number);
    found.ok_or_else(|| ErrorKind::Argument(format!("model {name:?} has no version {number}")))
}

fn unknown(models: &BTreeMap<String, Model>, name: &str) -> Error {
    let some: Vec<_> = models.keys().take(5).map(|name| format!("{name:?}")).collect();
    Error::argument(match some.as_slice() {
        [] => format!("there is no model {name:?}, and no other in this log folder"),
        some => format!("there is no model {name:?}; there is {}", some.join(", ")),
    })
}
