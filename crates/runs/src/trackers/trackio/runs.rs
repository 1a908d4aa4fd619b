//! The runs of a project and their metadata.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::local;
use super::super::python_json::{self, Plain, fields, plain};
use super::super::source::{Content, LeftOut, SourceExperiment};
use super::super::sqlite::{Sqlite, bytes, text};
use super::super::time_text;
use super::NAME;
use tbx::error::{ErrorKind, Result};
use tbx::meta::{Environment, Param};

/// Tables with rows of runs, and their columns of times.
const TABLES: [(&str, &str); 6] = [
    ("configs", "created_at"),
    ("metrics", "timestamp"),
    ("system_metrics", "timestamp"),
    ("alerts", "timestamp"),
    ("traces", "timestamp"),
    (LINKS, "created_at"),
];
/// The table of the artifacts of runs.
const LINKS: &str = "run_artifact_links";
/// Maximum size in bytes of the configuration of a run.
pub(super) const MAX_JSON: i64 = 16 << 20;
/// Maximum number of runs in a project.
const MAX_RUNS: usize = 1 << 20;
/// Prefix of the keys of a configuration that trackio itself adds.
const OWN: char = '_';

/// A run.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Its id; none in old databases.
    pub(super) id: Option<String>,
    pub(super) name: String,
    /// Whether other runs of the database may have ids.
    has_ids: bool,
    /// The time of its first row.
    pub(super) start: Option<f64>,
    /// Changes when rows are added: the number of rows in each table, and the last one.
    pub(super) state: String,
}

impl Run {
    /// Its identity among all runs.
    pub(super) fn id(&self, database: &Path) -> String {
        self.id.clone().unwrap_or_else(|| local::id_of(database, &self.name))
    }

    /// The condition for rows of the run, whose parameter is [`key`](Self::key).
    pub(super) fn condition(&self) -> &'static str {
        match (&self.id, self.has_ids) {
            (Some(_), _) => " WHERE run_id = ?1",
            (None, true) => " WHERE run_name = ?1 AND coalesce(run_id, '') = ''",
            (None, false) => " WHERE run_name = ?1",
        }
    }

    pub(super) fn key(&self) -> &str {
        self.id.as_ref().unwrap_or(&self.name)
    }
}

/// The runs of a project, in the order in which they began.
pub(super) fn all(database: &Sqlite) -> Result<Vec<Run>> {
    let has_ids = database.has("metrics", &["run_id"]);
    let mut runs: BTreeMap<(Option<String>, String), (Option<f64>, String)> = BTreeMap::new();
    for (table, time) in TABLES {
        if !database.has(table, &["run_name"]) || has_ids && !database.has(table, &["run_id"]) {
            continue;
        }
        let time = if database.has(table, &[time]) { time } else { "NULL" };
        let id = if has_ids { "run_id" } else { "NULL" };
        // Links to artifacts may lack the id of a run that has one.
        let with_id: HashMap<_, _> = match table {
            LINKS => runs
                .keys()
                .filter(|key| key.0.is_some())
                .map(|key| (key.1.clone(), key.clone()))
                .collect(),
            _ => HashMap::new(),
        };
        let query = format!(
            "SELECT {id}, run_name, min({time}), count(*), max(rowid), max({time}) FROM {table} GROUP BY 1, 2"
        );
        database.rows(&query, &[], |row| {
            let id = text(row, 0).filter(|id| !id.is_empty());
            let name = text(row, 1).unwrap_or_default();
            // A run may have been renamed: the name of its configuration comes first.
            let known = runs.range((id.clone(), String::new())..).next();
            let known = known.map(|(key, _)| key).filter(|key| id.is_some() && key.0 == id);
            let by_name = with_id.get(&name).filter(|_| id.is_none());
            let key = match known.or(by_name) {
                Some(key) => key.clone(),
                None if runs.len() >= MAX_RUNS => return,
                None => (id, name),
            };
            let start = text(row, 2).and_then(|time| time_text::seconds(&time));
            let (known, state) = runs.entry(key).or_default();
            *known = [*known, start].into_iter().flatten().min_by(f64::total_cmp);
            let [count, last, time] = [3, 4, 5].map(|column| text(row, column).unwrap_or_default());
            state.push_str(&format!("{table} {count} {last} {time};"));
        })?;
    }
    let run = |((id, name), (start, state))| Run { id, name, has_ids, start, state };
    let mut runs: Vec<_> = runs.into_iter().map(run).collect();
    runs.sort_by(|a, b| {
        let start = |run: &Run| run.start.unwrap_or(f64::MAX);
        start(a).total_cmp(&start(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(runs)
}

/// The project of a database.
pub(super) fn experiment(database: &Sqlite) -> Result<SourceExperiment> {
    let path = database.path();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut facts = Map::new();
    if database.has("project_metadata", &["key", "value"]) {
        database.rows("SELECT key, value FROM project_metadata LIMIT 1000", &[], |row| {
            if let (Some(key), Some(value)) = (text(row, 0), text(row, 1)) {
                facts.insert(key, value.into());
            }
        })?;
    }
    let id = local::id_of(path, "");
    Ok(SourceExperiment { id, name, facts, ..SourceExperiment::default() })
}

/// Counts data of a project that is left out.
pub(super) fn count_others(database: &Sqlite, left_out: &mut Vec<LeftOut>) -> Result<()> {
    for (table, kind) in [
        ("traces", "traces"),
        ("external_run_artifact_links", "links to artifacts of other projects"),
    ] {
        LeftOut::count(left_out, kind, database.count(table)?, false);
    }
    Ok(())
}

/// Adds the configuration of a run.
pub(super) fn add_meta(
    database: &Sqlite,
    run: &Run,
    id: &str,
    content: &mut Content,
    flaws: &mut Vec<String>,
) -> Result<()> {
    let mut config = None;
    if database.has("configs", &["config"]) {
        let query = format!(
            "SELECT CASE WHEN length(config) <= {MAX_JSON} THEN config END FROM configs{} LIMIT 1",
            run.condition()
        );
        database
            .rows(&query, &[&run.key()], |row| config = Some(bytes(row, 0).map(<[u8]>::to_vec)))?;
    }
    let mut facts = Map::new();
    let meta = &mut content.meta;
    meta.start_time = run.start;
    match config {
        None => {}
        Some(None) => flaws.push(format!("its configuration has more than {MAX_JSON} bytes")),
        Some(Some(config)) => {
            let json = String::from_utf8_lossy(&python_json::strict(config)).into_owned();
            let mut own = BTreeMap::new();
            let read = python_json::add_params(&json, &mut meta.params).and_then(|()| {
                fields(&json, |key, value| {
                    if let (Some(name), Plain::Text(text)) = (key.strip_prefix(OWN), plain(value)) {
                        own.insert(name.to_owned(), text);
                    }
                    Ok(())
                })
            });
            if let Err(error) = read {
                flaws.push(format!("its configuration: {error}"));
            }
            meta.params.retain(|name, value| {
                let name = name.strip_prefix(OWN);
                if let Some(name) = name.filter(|name| !own.contains_key(*name)) {
                    facts.insert(name.to_lowercase(), fact(value));
                }
                name.is_none()
            });
            for (name, text) in own {
                match name.as_str() {
                    "Created" => meta.start_time = time_text::seconds(&text).or(meta.start_time),
                    "Username" => {
                        let mut environment = Environment::default();
                        environment.user = Some(text);
                        meta.environment = Some(environment);
                    }
                    "Group" => drop(meta.tags.insert("group".into(), text)),
                    _ => drop(facts.insert(name.to_lowercase(), text.into())),
                }
            }
        }
    }
    // In an object of their own: the import has its keys next to the id.
    meta.other.insert(NAME.into(), json!({ "run_id": id, "config": facts }));
    Ok(())
}

fn fact(param: &Param) -> Value {
    serde_json::to_value(param).unwrap_or(Value::Null)
}

/// Decodes JSON in a cell, which older versions stored as text and newer ones store as a blob.
pub(super) fn json(cell: Option<&[u8]>) -> Result<String, ErrorKind> {
    let cell = cell.ok_or_else(|| {
        ErrorKind::Value(format!("a row has no JSON, or more than {MAX_JSON} bytes"))
    })?;
    String::from_utf8(python_json::strict(cell.to_vec()))
        .map_err(|_| ErrorKind::Value("a row is not UTF-8".into()))
}
