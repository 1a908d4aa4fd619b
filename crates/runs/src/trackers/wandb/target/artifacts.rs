//! Files that a run produced, as artifacts of W&B.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde_json::json;
use sha2::Sha256;

use super::models::ModelUse;
use super::plan::{Plan, Planned};
use tbx::digest::hex;
use tbx::error::{Effect, Issue, Location, Result, failed};
use tbx::replace::{disk, unfinished};
use tbx::store::Root;
use tbx::wandb::artifact::{Artifact, Manifest, ManifestEntry, PolicyItem};
use tbx::wandb::identity;
use tbx::wandb::offline::OfflineRun;
use tbx::wandb::record::Content;

/// The directory for copies of the files, next to those that records name.
pub(super) const DIRECTORY: &str = "artifacts";
/// The type and the name of artifacts whose files have no kind.
const FILES: &str = "files";
/// The type of models.
const MODEL: &str = "model";
/// Maximum number of characters in the name of an artifact.
const MAX_NAME: usize = 128;
/// Number of bytes that are copied at a time.
const BUFFER: usize = 1 << 16;

/// A file among the artifacts of a run.
pub(super) struct Produced {
    /// Its path there, with `/` between directories.
    pub(super) path: String,
    /// Its name in the program that it comes from.
    pub(super) name: String,
    pub(super) root: Root,
    pub(super) file: PathBuf,
}

/// The copied files.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) models: u64,
    pub(super) issues: Vec<Issue>,
}

/// Copies the files to the directory of `out`, which will be at `home`, and adds the records of the artifacts.
pub(super) fn write(
    plan: &Plan,
    run: &Planned,
    produced: Vec<Produced>,
    home: &Path,
    out: &mut OfflineRun,
) -> Result<Copied> {
    let mut copied = Copied::default();
    let mut groups: BTreeMap<String, Vec<ManifestEntry>> = BTreeMap::new();
    let kinds: BTreeMap<&str, &str> = run
        .meta
        .artifacts
        .iter()
        .filter_map(|artifact| Some((artifact.path.as_str(), artifact.kind.as_deref()?)))
        .collect();
    let mut taken = BTreeSet::new();
    for file in produced {
        let place = Path::new(DIRECTORY).join(&file.path);
        let entry = match copy(&file, &unfinished(&out.dir().join(&place)))? {
            Ok((size, digest)) => ManifestEntry {
                path: if taken.insert(file.name.clone()) { file.name } else { file.path.clone() },
                digest,
                size,
                local_path: home.join(&place).to_string_lossy().into_owned(),
                ..ManifestEntry::default()
            },
            Err(error) => {
                let at = Location::of(file.file.as_path());
                copied.issues.push(Issue::new(error.into(), at, Effect::SkippedFile));
                continue;
            }
        };
        copied.files += 1;
        copied.bytes += u64::try_from(entry.size).unwrap_or_default();
        let models = plan.models.get(&(run.name.clone(), file.path.clone()));
        for model in models.into_iter().flatten() {
            out.put(Content::Artifact(Box::new(of_model(run, model, entry.clone()))))?;
            copied.models += 1;
        }
        if models.is_none() {
            let of_version = || {
                let version = run.meta.outputs.iter().find(|version| version.has(&file.path))?;
                version.kind.as_deref()
            };
            let kind = kinds.get(file.path.as_str()).copied().or_else(of_version).unwrap_or(FILES);
            groups.entry(kind.to_owned()).or_default().push(entry);
        }
    }
    for (kind, entries) in groups {
        let name = artifact_name(&format!("run-{}-{kind}", run.names.id));
        out.put(Content::Artifact(Box::new(artifact(run, &type_of(&kind), &name, entries))))?;
    }
    Ok(copied)
}

/// The artifact for a version of a registered model.
fn of_model(run: &Planned, model: &ModelUse, entry: ManifestEntry) -> Artifact {
    let version = &model.version;
    let facts = json!({
        "version": version.version, "stage": version.stage.name(), "tags": version.tags,
        "sha256": version.sha256,
    });
    let aliases = model.aliases.iter().filter(|alias| !alias.contains(['/', ':']));
    let name = artifact_name(&model.name);
    let mut artifact = artifact(run, MODEL, &name, vec![entry]);
    artifact.description = model.description.clone().unwrap_or_default();
    artifact.metadata = facts.to_string();
    artifact.aliases.extend(aliases.filter(|alias| *alias != "latest").cloned());
    artifact
}

/// A name that the package accepts for an artifact (`sdk/artifacts/_validators.py`). One that has to change gets a
/// digest, so that it stays apart from others.
fn artifact_name(name: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_allowed) {
        return name.to_owned();
    }
    let digest = identity::digest(name);
    let left = MAX_NAME.saturating_sub(digest.len()).saturating_sub(1);
    let allowed = name.chars().map(|c| if is_allowed(c) { c } else { '-' });
    let start: String = allowed.take(left).collect();
    format!("{start}-{digest}")
}

/// The package reserves the type `job` and those that begin with `wandb-`.
fn type_of(kind: &str) -> String {
    let kind = identity::project(kind);
    if kind == "job" || kind.starts_with("wandb-") { format!("x-{kind}") } else { kind }
}

fn artifact(run: &Planned, kind: &str, name: &str, mut contents: Vec<ManifestEntry>) -> Artifact {
    contents.sort_by(|a, b| a.path.cmp(&b.path));
    let digest = digest(&contents);
    let project = &run.names.project;
    let policy = PolicyItem { key: "storageLayout".into(), value_json: json!("V2").to_string() };
    Artifact {
        run_id: run.names.id.clone(),
        project: project.clone(),
        r#type: kind.into(),
        name: name.into(),
        // The package has random ids here. These are the same in each export.
        client_id: identifier(&[project, &run.names.id, name, &digest]),
        sequence_client_id: identifier(&[project, name]),
        digest,
        aliases: vec!["latest".into()],
        manifest: Some(Manifest {
            version: 1,
            storage_policy: "wandb-storage-policy-v1".into(),
            storage_policy_config: vec![policy],
            contents,
            manifest_file_path: String::new(),
        }),
        finalize: true,
        digest_algorithm: "MANIFEST_MD5".into(),
        ..Artifact::default()
    }
}

/// The digest of a manifest, whose files are sorted (`artifact_manifest_v1.py`).
fn digest(contents: &[ManifestEntry]) -> String {
    let mut hash = Md5::new();
    hash.update(b"wandb-artifact-manifest-v1\n");
    for entry in contents {
        hash.update(format!("{}:{}\n", entry.path, entry.digest));
    }
    hex(hash.finalize())
}

/// 128 digits, as many as the package's own identifiers have.
fn identifier(of: &[&str]) -> String {
    let text = of.join("\0");
    [format!("{text}\0a"), format!("{text}\0b")].map(|text| hex(Sha256::digest(text))).concat()
}

/// Copies a file. Returns its size and its MD5 in Base64; the inner error is one of the source.
fn copy(file: &Produced, to: &Path) -> Result<io::Result<(i64, String)>> {
    let (from, len) = match file.root.open(&file.file) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    let failed = |error| failed(error, to);
    to.parent().map_or(Ok(()), disk::create_dir_all).map_err(failed)?;
    let mut out: File = disk::create_new(to).map_err(failed)?;
    let (mut from, mut hash) = (from.into_reader(len), Md5::new());
    let mut buffer = vec![0; BUFFER];
    let mut size = 0i64;
    loop {
        let n = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                // Half a file would look like a whole one.
                disk::remove_file(to).map_err(failed)?;
                return Ok(Err(error));
            }
            Ok(n) => n,
        };
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
        out.write_all(read).map_err(failed)?;
        size = size.saturating_add(i64::try_from(n).unwrap_or(0));
    }
    Ok(Ok((size, STANDARD.encode(hash.finalize()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of an artifact that wandb 0.31.0 wrote.
    #[test]
    fn a_manifest_has_the_digest_of_the_package() {
        let entry = |path: &str, digest: &str| ManifestEntry {
            path: path.into(),
            digest: digest.into(),
            ..ManifestEntry::default()
        };
        let contents = [
            entry("media/images/d670284881f0c68a69c0.png", "1nAoSIHwxoppwEiE8bZ+IQ=="),
            entry("table.table.json", "n8+Wy4k5imF3ASQLCv11Lg=="),
        ];
        assert_eq!(digest(&contents), "67387f61bbcf365c141d2d127f4e00d0");
        assert_eq!(identifier(&["a"]).len(), 128);
        assert_eq!(type_of("job"), "x-job");
        assert_eq!(artifact_name("run-1-a.b_c"), "run-1-a.b_c");
        assert_ne!(artifact_name("a/b"), artifact_name("a-b"));
        for odd in ["", "a b", "ü", &"x".repeat(200), "a:b"] {
            let name = artifact_name(odd);
            assert!(name.is_ascii() && (1..=128).contains(&name.len()), "{name}");
            assert_eq!(name, artifact_name(&name));
        }
        assert_eq!((type_of("wandb-job"), type_of("a/b")), ("x-wandb-job".into(), "a-b".into()));
    }
}
