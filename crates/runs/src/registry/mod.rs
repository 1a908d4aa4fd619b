//! Models that runs produced, by name and version: `tbx.registry.json` at the root of a log
//! directory.
//!
//! A version is an artifact of a run, with its digest: loading `name/alias` returns the registered
//! file or an error. Names, aliases and stages are those that MLflow accepts.

mod file;
mod find;
#[cfg(feature = "archive")]
mod merge;
mod name;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

pub use file::{FILE, Model, OtherVersions, Stage, Version};
pub use find::Registries;
pub use name::VersionName;
#[cfg(feature = "mlflow")]
pub(crate) use name::check_alias;
pub(crate) use name::check_model;

use tbx::digest;
use tbx::error::{Error, ErrorKind, Location, Result, failed};
use tbx::meta::{Artifact, RunMeta, now};
use tbx::replace::{self, Folder};
use tbx::store::{Links, Root};
use tbx::tree::{Listing, MAX_FILES, Tree};

/// The models of a log directory.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// use tbx_runs::registry::{OtherVersions, Registry, Stage};
///
/// std::fs::create_dir_all(dir.join("first/artifacts"))?;
/// std::fs::write(dir.join("first/artifacts/model.bin"), [1, 2, 3])?;
///
/// let registry = Registry::open(dir);
/// let version = registry.register("classifier", dir.join("first"), "model.bin")?;
/// registry.set_alias(&"classifier/1".parse()?, "champion")?;
/// registry.set_stage(&"classifier/1".parse()?, Stage::Production, OtherVersions::Archive)?;
///
/// let path = registry.path(&"classifier/champion".parse()?)?;
/// assert_eq!(std::fs::read(path)?, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Registry {
    root: PathBuf,
    links: Links,
}

impl Registry {
    /// The registry of the log directory `root`; nothing is read or created yet.
    pub fn open(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), links: Links::Inside }
    }

    /// Whether the registry and the files of versions are also read if links lead out of the log
    /// directory, or out of the directory of the run. Default: false.
    #[must_use]
    pub fn follow_links(self, follow: bool) -> Self {
        Self { links: Links::all_if(follow), ..self }
    }

    /// The directory of the registry; names of runs are relative to it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn file(&self) -> PathBuf {
        self.root.join(FILE)
    }

    /// All models by name; empty if there is no registry.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the file is not a registry; [`ErrorKind::Io`].
    pub fn models(&self) -> Result<BTreeMap<String, Model>> {
        let path = self.file();
        file::read(&path, self.links).map_err(|kind| kind.at(Location::of(path)))
    }

    /// Registers the artifact `artifact` of the run in `run`, a directory in the log directory, as
    /// the next version of the model `name`. The artifact is a file, or a directory with all of its
    /// files. Creates the model if it does not exist. Registering
    /// the same file again returns the same version.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: MLflow would reject the name, or the run is not in the log
    /// directory; [`ErrorKind::Value`]: the artifact differs from the run's metadata, or a file of a
    /// directory is missing; [`ErrorKind::Io`]: the artifact cannot be read, or the registry cannot
    /// be written.
    pub fn register(&self, name: &str, run: impl AsRef<Path>, artifact: &str) -> Result<Version> {
        name::check_model(name)?;
        let (run, dir) = self.run(run.as_ref())?;
        let path = Artifact::place(&dir, artifact)?;
        let found = Content::read(&dir, &path, self.links)?;
        let meta = RunMeta::read_in(&dir, self.links)?.unwrap_or_default();
        found.check(&dir, artifact, &meta)?;
        let new = Version {
            run,
            run_id: meta.id,
            path: artifact.into(),
            is_folder: found.tree.is_some(),
            size: found.size,
            sha256: found.sha256,
            created: Some(now()),
            ..Version::default()
        };
        let mut registered = new.clone();
        self.edit(|models| {
            let model = models.entry(name.to_owned()).or_default();
            registered = model.add(new);
            Ok(())
        })?;
        Ok(registered)
    }

    /// Changes any of the models, whose names [`check_model`] accepts.
    pub(crate) fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Model>)) -> Result<()> {
        self.edit(|models| {
            change(models);
            Ok(())
        })
    }

    /// Sets the stage of a version. Other versions of the model in that stage stay there, or are archived.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no such version; [`ErrorKind::Io`].
    pub fn set_stage(
        &self,
        version: &VersionName,
        stage: Stage,
        others: OtherVersions,
    ) -> Result<()> {
        self.edit_version(version, |model, number| {
            for other in &mut model.versions {
                if other.version == number {
                    other.stage = stage;
                } else if others == OtherVersions::Archive
                    && other.stage == stage
                    && stage != Stage::None
                {
                    other.stage = Stage::Archived;
                }
            }
        })
    }

    /// Makes the alias `alias` of the model name this version, and no other.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no such version, or MLflow would reject the alias;
    /// [`ErrorKind::Io`].
    pub fn set_alias(&self, version: &VersionName, alias: &str) -> Result<()> {
        name::check_alias(alias)?;
        self.edit_version(version, |model, number| {
            model.aliases.insert(alias.to_owned(), number);
        })
    }

    /// Removes an alias of a model.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no such alias; [`ErrorKind::Io`].
    pub fn remove_alias(&self, model: &str, alias: &str) -> Result<()> {
        self.edit(|models| {
            let removed = models.get_mut(model).and_then(|model| model.aliases.remove(alias));
            let none = || ErrorKind::Argument(format!("{model:?} has no alias {alias:?}"));
            removed.map(drop).ok_or_else(none)
        })
    }

    /// Sets the description of a version, in Markdown.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no such version; [`ErrorKind::Io`].
    pub fn describe(&self, version: &VersionName, text: &str) -> Result<()> {
        self.with_version(version, |version| version.description = Some(text.into()))
    }

    /// Sets the description of a model, in Markdown.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no such model; [`ErrorKind::Io`].
    pub fn describe_model(&self, name: &str, text: &str) -> Result<()> {
        self.edit(|models| {
            let model = models.get_mut(name).ok_or_else(|| no_model(name))?;
            model.description = Some(text.into());
            Ok(())
        })
    }

    /// Sets a tag of a version.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no such version; [`ErrorKind::Io`].
    pub fn tag(&self, version: &VersionName, name: &str, value: &str) -> Result<()> {
        self.with_version(version, |version| {
            version.tags.insert(name.into(), value.into());
        })
    }

    /// The version with this name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no such version. Also as for [`models`](Self::models).
    pub fn version(&self, name: &VersionName) -> Result<Version> {
        let models = self.models()?;
        let model = models.get(&name.model).ok_or_else(|| no_model(&name.model))?;
        Ok(name.of(model).cloned()?)
    }

    /// The path of the file or the directory of a version. Reads it once to check that it is the
    /// registered one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: it is another file, or its files are [elsewhere](Version::source);
    /// [`ErrorKind::Io`]: the file does not exist. Also as for [`version`](Self::version).
    pub fn path(&self, name: &VersionName) -> Result<PathBuf> {
        let version = self.version(name)?;
        let path = self.local(name, &version)?;
        let found = Content::read(&self.root.join(&version.run), &path, self.links)?;
        match found.sha256 == version.sha256 {
            true => Ok(path),
            false => Err(differs(name, path)),
        }
    }

    /// The expected path of the files of a version, which must not be elsewhere.
    fn local(&self, name: &VersionName, version: &Version) -> Result<PathBuf> {
        if !version.path.is_empty() {
            return self.place(version);
        }
        let what = match &version.source {
            Some(source) => {
                format!("the files of {name} are at {source}, not in the log directory")
            }
            None => format!("{name} has no file in the log directory"),
        };
        Err(ErrorKind::Value(what).at(Location::of(self.file())))
    }

    /// Copies the files of a version to `to`, a new or empty directory, and checks them. The directory
    /// appears when it is complete.
    ///
    /// # Errors
    ///
    /// The same as for [`path`](Self::path); [`ErrorKind::Io`]: `to` is not empty, or cannot be
    /// written.
    pub fn fetch(&self, name: &VersionName, to: &Path) -> Result<()> {
        let version = self.version(name)?;
        let path = self.local(name, &version)?;
        let root = Root::new(&self.root.join(&version.run), self.links);
        root.and_then(|root| root.resolve(&path)).map_err(|error| failed(error, &path))?;
        let listing = Listing::read(&path, MAX_FILES)?;
        let folder = Folder::create(to)?;
        if listing.copy(&folder)?.digest() != version.sha256 {
            return Err(differs(name, path));
        }
        folder.finish()
    }

    /// The expected paths of the files of all versions, except those whose files are elsewhere.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: a file is not in the log directory. Also as for
    /// [`models`](Self::models).
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let models = self.models()?;
        let versions = models.values().flat_map(|model| &model.versions);
        versions.filter(|version| !version.path.is_empty()).map(|v| self.place(v)).collect()
    }

    /// The expected path of the file of a version.
    pub(crate) fn place(&self, version: &Version) -> Result<PathBuf> {
        use std::path::Component;
        let is_inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(&version.run).components().all(is_inside) {
            let what = format!("{:?} is not a run in the log directory", version.run);
            return Err(ErrorKind::Value(what).at(Location::of(self.file())));
        }
        Ok(Artifact::place(&self.root.join(&version.run), &version.path)?)
    }

    /// The name of the run in `dir`, and its directory.
    fn run(&self, dir: &Path) -> Result<(String, PathBuf)> {
        let absolute = |path: &Path| path.canonicalize().map_err(|error| failed(error, path));
        // A name in the log directory, or a path from the current directory.
        let inside = self.root.join(dir);
        let dir = if inside.is_dir() { inside } else { dir.to_owned() };
        let (root, found) = (absolute(&self.root)?, absolute(&dir)?);
        let name = found.strip_prefix(&root).ok().and_then(Path::to_str).ok_or_else(|| {
            let what =
                format!("{} is not a run in the log directory {}", dir.display(), root.display());
            Error::argument(what)
        })?;
        let name = if name.is_empty() { "." } else { name };
        Ok((name.replace(std::path::MAIN_SEPARATOR, "/"), found))
    }

    fn with_version(&self, name: &VersionName, change: impl FnOnce(&mut Version)) -> Result<()> {
        self.edit_version(name, |model, number| {
            let mut versions = model.versions.iter_mut();
            if let Some(version) = versions.find(|version| version.version == number) {
                change(version);
            }
        })
    }

    fn edit_version(&self, name: &VersionName, change: impl FnOnce(&mut Model, u32)) -> Result<()> {
        self.edit(|models| {
            let model = models.get_mut(&name.model).ok_or_else(|| no_model(&name.model))?;
            let number = name.of(model)?.version;
            change(model, number);
            Ok(())
        })
    }

    /// Changes the file. Concurrent changes wait for each other.
    fn edit(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Model>) -> Result<(), ErrorKind>,
    ) -> Result<()> {
        replace::edit(&self.file(), |old| file::changed(old, change))
    }
}

fn no_model(name: &str) -> ErrorKind {
    ErrorKind::Argument(format!("there is no model {name:?}"))
}

/// The content of a file or a directory.
struct Content {
    sha256: String,
    size: u64,
    /// The files, if it is a directory.
    tree: Option<Tree>,
}

impl Content {
    /// Reads the file or the directory at `path` of the run in `dir`.
    fn read(dir: &Path, path: &Path, links: Links) -> Result<Self> {
        let at = |error: io::Error| failed(error, path);
        let root = Root::new(dir, links).map_err(at)?;
        if path.is_dir() {
            root.resolve(path).map_err(at)?;
            let tree = Tree::read(path)?;
            return Ok(Self { sha256: tree.digest(), size: tree.size(), tree: Some(tree) });
        }
        let (file, len) = root.open(path).map_err(at)?;
        let (size, sha256) = digest::read(&mut file.into_reader(len)).map_err(at)?;
        Ok(Self { sha256, size, tree: None })
    }

    /// Fails unless it is what the run in `dir` has recorded about its artifact `artifact`.
    fn check(&self, dir: &Path, artifact: &str, meta: &RunMeta) -> Result<()> {
        let at = |path: &str, what: &str| match Artifact::place(dir, path) {
            Ok(path) => Err(failed(ErrorKind::Value(what.into()), &path)),
            Err(kind) => Err(kind.into()),
        };
        let differs = "it is not what the run produced: its SHA-256 differs from tbx.json";
        let files = self.tree.as_ref().map(Tree::files).unwrap_or_default();
        for said in &meta.artifacts {
            let below = said.path.strip_prefix(artifact).and_then(|rest| rest.strip_prefix('/'));
            let there = match (&self.tree, below) {
                (None, _) if said.path == artifact => Some(&self.sha256),
                (Some(_), Some(below)) => {
                    let at = files.binary_search_by(|file| file.path.as_str().cmp(below));
                    at.ok().and_then(|at| files.get(at)).map(|file| &file.sha256)
                }
                _ => continue,
            };
            match there {
                Some(sha256) if *sha256 == said.sha256 => {}
                Some(_) => return at(&said.path, differs),
                None => {
                    return at(
                        &said.path,
                        "it is missing, so the directory is not complete: tbx.json lists it",
                    );
                }
            }
        }
        let version = meta.outputs.iter().find(|version| version.path.as_deref() == Some(artifact));
        match version {
            Some(version) if version.digest != self.sha256 => at(artifact, differs),
            _ => Ok(()),
        }
    }
}

/// The error for files that are not those of a version.
fn differs(name: &VersionName, path: PathBuf) -> Error {
    let what = format!("it is not what was registered as {name}: its SHA-256 differs");
    ErrorKind::Value(what).at(Location::of(path))
}
