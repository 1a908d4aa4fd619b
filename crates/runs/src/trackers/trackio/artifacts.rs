//! Artifacts of runs. Their files are stored once, by digest.

use rusqlite::ToSql;
use serde_json::value::RawValue;
use serde_json::{Map, json};

use super::super::local::Local;
use super::super::python_json::{Plain, fields, items, plain};
use super::super::source::{Content, SourceFile};
use super::super::sqlite::{Sqlite, bytes, integer, text};
use super::runs::{MAX_JSON, Run, json as json_of};
use tbx::error::{ErrorKind, Result};
use tbx::store::Root;

/// The directory of artifacts, next to the databases.
const ARTIFACTS: &str = "artifacts";
/// Maximum number of files of a run.
const MAX_FILES: usize = 1 << 20;
/// Number of hex digits of a digest.
const DIGEST: usize = 64;

/// A version of an artifact.
struct Version {
    name: String,
    kind: Option<String>,
    facts: Map<String, serde_json::Value>,
    number: i64,
    is_input: bool,
    manifest: std::result::Result<String, ErrorKind>,
}

/// Adds the files that a run produced, and the names of the artifacts that it used.
pub(super) fn add(
    database: &Sqlite,
    source: &Local,
    run: &Run,
    content: &mut Content,
    flaws: &mut Vec<String>,
) -> Result<()> {
    let needed = [
        ("run_artifact_links", &["run_id", "run_name", "artifact_version_id", "direction"][..]),
        ("artifact_versions", &["id", "artifact_id", "version", "manifest", "metadata"]),
        ("artifacts", &["id", "name", "type", "description"]),
    ];
    if !needed.iter().all(|(table, columns)| database.has(table, columns)) {
        return Ok(());
    }
    // A link may lack the id of its run.
    let condition = match run.id {
        Some(_) => " WHERE (l.run_id = ?1 OR (l.run_id IS NULL AND l.run_name = ?2))".to_owned(),
        None => run.condition().replace("run_", "l.run_"),
    };
    let parameters: &[&dyn ToSql] =
        if run.id.is_some() { &[&run.key(), &run.name] } else { &[&run.key()] };
    let query = format!(
        "SELECT a.name, a.type, a.description, v.version, l.direction, \
         CASE WHEN length(v.manifest) <= {MAX_JSON} THEN v.manifest END, v.metadata \
         FROM run_artifact_links l JOIN artifact_versions v ON v.id = l.artifact_version_id \
         JOIN artifacts a ON a.id = v.artifact_id{condition} ORDER BY a.name, v.version"
    );
    let mut versions = Vec::new();
    database.rows(&query, parameters, |row| {
        let mut facts = Map::new();
        for (column, key) in [(2, "description"), (6, "metadata")] {
            if let Some(text) = text(row, column).filter(|text| !text.is_empty()) {
                let value = serde_json::from_str(&text).ok().filter(|_| key == "metadata");
                facts.insert(key.into(), value.unwrap_or_else(|| text.into()));
            }
        }
        versions.push(Version {
            name: text(row, 0).unwrap_or_default(),
            kind: text(row, 1),
            facts,
            number: integer(row, 3).unwrap_or_default(),
            is_input: text(row, 4).is_some_and(|direction| direction == "input"),
            manifest: json_of(bytes(row, 5)),
        });
    })?;
    // Without that directory, there is no file below it, and nothing is opened. Digests are no paths.
    let root = source.inside(ARTIFACTS).unwrap_or_else(|_| source.root.clone());
    let mut used = Vec::new();
    for mut version in versions {
        let name = format!("{}/v{}", version.name, version.number);
        if version.is_input {
            used.push(name);
            continue;
        }
        version.facts.insert("artifact".into(), json!(version.name));
        version.facts.insert("version".into(), json!(version.number));
        let manifest = std::mem::replace(&mut version.manifest, Ok(String::new()));
        let read = manifest.and_then(|manifest| {
            items(&manifest, |entry| {
                file(entry, &name, &version, database, (source, &root), content)
            })
        });
        if let Err(error) = read {
            flaws.push(format!("artifact {name}: {error}"));
        }
    }
    if let Some(facts) =
        content.meta.other.get_mut(super::NAME).and_then(|facts| facts.as_object_mut())
        && !used.is_empty()
    {
        facts.insert("used_artifacts".into(), used.into());
    }
    Ok(())
}

/// Adds a file of a version. A file that is only a reference stays where it is.
fn file(
    entry: &RawValue,
    name: &str,
    version: &Version,
    database: &Sqlite,
    (source, root): (&Local, &Root),
    content: &mut Content,
) -> Result<(), ErrorKind> {
    let texts = super::object::texts(entry)?;
    if content.files.len() >= MAX_FILES {
        return Err(ErrorKind::Value(format!("the run has more than {MAX_FILES} files")));
    }
    let path = texts.get("path").map_or("file", String::as_str);
    if let Some(reference) = texts.get("ref") {
        content.elsewhere.push(reference.clone());
        return Ok(());
    }
    let is_digest = |digest: &&String| {
        digest.len() == DIGEST && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let Some(digest) = texts.get("digest").filter(is_digest) else {
        return Err(ErrorKind::Value(format!("its file {path:?} has no digest")));
    };
    let mut size = None;
    fields(entry.get(), |key, value| {
        if key == "size"
            && let Plain::Number(_) = plain(value)
        {
            size = value.get().parse().ok();
        }
        Ok(())
    })?;
    let project = database.path().file_stem().unwrap_or_default();
    let (first, _) = digest.split_at_checked(2).unwrap_or((digest, ""));
    let blobs = source.dir().join(ARTIFACTS).join(project).join("blobs").join("sha256");
    let place = blobs.join(first).join(digest);
    content.files.push(SourceFile {
        size,
        sha256: Some(digest.to_lowercase()),
        kind: version.kind.clone(),
        facts: version.facts.clone(),
        ..SourceFile::local(format!("{name}/{path}"), root, place)
    });
    Ok(())
}
