//! Registered models in a database, and the implementation of `Tracking`.

use rusqlite::{Connection, params};

use super::runs::key_values;
use super::{Database, now};
use crate::trackers::mlflow::record::{ExperimentRecord, HistoryPoint};
use crate::trackers::mlflow::tracking::{FoundRun, Placed, RunUpdate, Tags, Tracking};
use crate::trackers::mlflow::{
    Content, DatasetInput, Metric, ModelVersionRecord, RegisteredModelRecord, RunRecord,
};
use tbx::error::Result;

/// Number of points per transaction.
const BATCH: usize = 50_000;

impl Database {
    /// Changes a model and its modification time.
    fn change_model(
        &self,
        name: &str,
        change: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let of_workspace = self.of_workspace();
        self.write(|connection| {
            change(connection)?;
            let query = format!(
                "UPDATE registered_models SET last_updated_time = ?1 WHERE name = ?2{of_workspace}"
            );
            connection.execute(&query, params![now(), name]).map(drop)
        })
    }

    /// Changes a version and its modification time.
    fn change_version(
        &self,
        name: &str,
        version: &str,
        change: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let of_workspace = self.of_workspace();
        self.change_model(name, |connection| {
            change(connection)?;
            let query = format!(
                "UPDATE model_versions SET last_updated_time = ?1 \
                 WHERE name = ?2 AND version = CAST(?3 AS INTEGER){of_workspace}"
            );
            connection.execute(&query, params![now(), name, version]).map(drop)
        })
    }

    fn all_models(&self, connection: &Connection) -> rusqlite::Result<Vec<RegisteredModelRecord>> {
        let condition = if self.has_workspaces { "WHERE workspace = 'default'" } else { "" };
        let and = self.of_workspace();
        let query = format!("SELECT name, description FROM registered_models {condition}");
        let mut statement = connection.prepare(&query)?;
        let found = statement.query_map([], |row| {
            let description: Option<String> = row.get(1)?;
            Ok((row.get::<_, String>(0)?, description.unwrap_or_default()))
        })?;
        let mut models = Vec::new();
        for found in found {
            let (name, description) = found?;
            let query =
                format!("SELECT key, value FROM registered_model_tags WHERE name = ?1{and}");
            let tags = key_values(connection, &query, &name)?;
            let query =
                format!("SELECT alias, version FROM registered_model_aliases WHERE name = ?1{and}");
            let mut statement = connection.prepare(&query)?;
            let aliases = statement.query_map([&name], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.to_string()))
            })?;
            let aliases: Vec<_> = aliases.collect::<rusqlite::Result<_>>()?;
            let query = format!(
                "SELECT version, description, current_stage, source, run_id FROM model_versions \
                 WHERE name = ?1{and} ORDER BY version"
            );
            let mut statement = connection.prepare(&query)?;
            let versions = statement.query_map([&name], |row| {
                let number = row.get::<_, i64>(0)?.to_string();
                let text = |i| {
                    Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(i)?.unwrap_or_default())
                };
                let of_it = aliases.iter().filter(|(_, version)| *version == number);
                let query = format!(
                    "SELECT key, value FROM model_version_tags \
                     WHERE name || '/' || version = ?1{and}"
                );
                Ok(ModelVersionRecord {
                    aliases: of_it.map(|(alias, _)| alias.clone()).collect(),
                    tags: key_values(connection, &query, &format!("{name}/{number}"))?,
                    name: name.clone(),
                    version: number,
                    description: text(1)?,
                    stage: text(2)?,
                    source: text(3)?,
                    run: text(4)?,
                    ..ModelVersionRecord::default()
                })
            })?;
            let versions = versions.collect::<rusqlite::Result<_>>()?;
            models.push(RegisteredModelRecord {
                name,
                description,
                tags,
                versions,
                ..RegisteredModelRecord::default()
            });
        }
        Ok(models)
    }
}

impl Tracking for Database {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn points_at_once(&self) -> usize {
        BATCH
    }

    fn experiment(&self, name: &str) -> Result<Option<ExperimentRecord>> {
        Ok(self.experiments("name = ?1", name)?.into_iter().next())
    }

    fn experiment_with_id(&self, id: &str) -> Result<Option<ExperimentRecord>> {
        let condition = "experiment_id = CAST(?1 AS INTEGER)";
        Ok(self.experiments(condition, id)?.into_iter().next())
    }

    fn experiments_with(&self, tag: &str, value: &str) -> Result<Vec<ExperimentRecord>> {
        // Neither contains data of others.
        let condition = format!(
            "experiment_id IN (SELECT experiment_id FROM experiment_tags \
             WHERE key = '{tag}' AND value = ?1)"
        );
        self.experiments(&condition, value)
    }

    fn create_experiment(&self, name: &str, tags: &Tags) -> Result<String> {
        self.new_experiment(name, tags)
    }

    fn restore_experiment(&self, id: &str) -> Result<()> {
        self.reopen_experiment(id)
    }

    fn set_experiment_tag(&self, id: &str, tag: &str, value: Option<&str>) -> Result<bool> {
        self.change_experiment_tag(id, tag, value).map(|()| true)
    }

    fn run(&self, id: &str) -> Result<Option<FoundRun>> {
        Ok(self.runs("run_uuid = ?1", &[id])?.into_iter().next())
    }

    fn runs_with(&self, experiment: &str, tag: &str, value: Option<&str>) -> Result<Vec<FoundRun>> {
        let condition = "experiment_id = CAST(?1 AS INTEGER) AND run_uuid IN \
                         (SELECT run_uuid FROM tags WHERE key = ?2";
        match value {
            Some(value) => {
                self.runs(&format!("{condition} AND value = ?3)"), &[experiment, tag, value])
            }
            None => self.runs(&format!("{condition})"), &[experiment, tag]),
        }
    }

    fn create_run(&self, run: &RunRecord) -> Result<(String, String)> {
        self.new_run(run)
    }

    fn update_run(&self, id: &str, update: &RunUpdate) -> Result<()> {
        self.change_run(id, update)
    }

    fn delete_run(&self, id: &str) -> Result<()> {
        self.set_deleted(id, true)
    }

    fn restore_run(&self, id: &str) -> Result<()> {
        self.set_deleted(id, false)
    }

    fn log_batch(&self, id: &str, metrics: &[Metric], params: &Tags, tags: &Tags) -> Result<()> {
        self.log(id, metrics, params, tags)
    }

    fn delete_tag(&self, id: &str, tag: &str) -> Result<()> {
        self.remove_tag(id, tag)
    }

    fn log_inputs(&self, id: &str, datasets: &[DatasetInput]) -> Result<()> {
        self.add_inputs(id, datasets)
    }

    fn points_there(&self, id: &str, key: &str) -> Result<Vec<HistoryPoint>> {
        self.points_of(id, key)
    }

    fn has_points(&self, id: &str, key: &str, count: usize) -> Result<bool> {
        Ok(self.count_points(id, key)? >= count)
    }

    fn put(&self, run: &str, uri: &str, path: &str, content: &Content, _: u64) -> Result<Placed> {
        self.copy(run, uri, path, content)
    }

    fn models(&self) -> Result<Vec<RegisteredModelRecord>> {
        self.read(|connection| self.all_models(connection))
    }

    fn create_model(&self, name: &str) -> Result<bool> {
        self.write(|connection| {
            let made = connection.execute(
                "INSERT OR IGNORE INTO registered_models (name, creation_time, last_updated_time) \
                 VALUES (?1, ?2, ?2)",
                params![name, now()],
            )?;
            Ok(made > 0)
        })
    }

    fn describe_model(&self, name: &str, text: &str) -> Result<()> {
        let and = self.of_workspace();
        self.change_model(name, |connection| {
            let query =
                format!("UPDATE registered_models SET description = ?1 WHERE name = ?2{and}");
            connection.execute(&query, params![text, name]).map(drop)
        })
    }

    fn set_model_tag(&self, name: &str, tag: &str, value: Option<&str>) -> Result<()> {
        let and = self.of_workspace();
        self.change_model(name, |connection| {
            let query =
                format!("DELETE FROM registered_model_tags WHERE key = ?1 AND name = ?2{and}");
            connection.execute(&query, params![tag, name])?;
            let Some(value) = value else { return Ok(()) };
            let query = "INSERT INTO registered_model_tags (key, value, name) VALUES (?1, ?2, ?3)";
            connection.execute(query, params![tag, value, name]).map(drop)
        })
    }

    fn set_alias(&self, name: &str, alias: &str, version: Option<&str>) -> Result<()> {
        let and = self.of_workspace();
        self.change_model(name, |connection| {
            let query =
                format!("DELETE FROM registered_model_aliases WHERE alias = ?1 AND name = ?2{and}");
            connection.execute(&query, params![alias, name])?;
            let Some(version) = version else { return Ok(()) };
            let query = "INSERT INTO registered_model_aliases (alias, version, name) \
                         VALUES (?1, CAST(?2 AS INTEGER), ?3)";
            connection.execute(query, params![alias, version, name]).map(drop)
        })
    }

    fn create_version(&self, name: &str, source: &str, run: &str, tags: &Tags) -> Result<String> {
        let and = self.of_workspace();
        self.write(|connection| {
            let query = format!(
                "SELECT COALESCE(MAX(version), 0) + 1 FROM model_versions WHERE name = ?1{and}"
            );
            let number: i64 = connection.query_row(&query, [name], |row| row.get(0))?;
            let now = now();
            connection.execute(
                "INSERT INTO model_versions (name, version, creation_time, last_updated_time, \
                 user_id, current_stage, source, run_id, status, storage_location) \
                 VALUES (?1, ?2, ?3, ?3, NULL, 'None', ?4, ?5, 'READY', ?4)",
                params![name, number, now, source, Some(run).filter(|run| !run.is_empty())],
            )?;
            for (tag, value) in tags {
                connection.execute(
                    "INSERT INTO model_version_tags (key, value, name, version) \
                     VALUES (?1, ?2, ?3, ?4)",
                    params![tag, value, name, number],
                )?;
            }
            let query =
                format!("UPDATE registered_models SET last_updated_time = ?1 WHERE name = ?2{and}");
            connection.execute(&query, params![now, name])?;
            Ok(number.to_string())
        })
    }

    fn delete_version(&self, name: &str, version: &str) -> Result<()> {
        let and = self.of_workspace();
        self.change_model(name, |connection| {
            for table in ["registered_model_aliases", "model_version_tags", "model_versions"] {
                let query = format!(
                    "DELETE FROM {table} WHERE name = ?1 AND version = CAST(?2 AS INTEGER){and}"
                );
                connection.execute(&query, params![name, version])?;
            }
            Ok(())
        })
    }

    fn describe_version(&self, name: &str, version: &str, text: &str) -> Result<()> {
        let and = self.of_workspace();
        self.change_version(name, version, |connection| {
            let query = format!(
                "UPDATE model_versions SET description = ?1 \
                 WHERE name = ?2 AND version = CAST(?3 AS INTEGER){and}"
            );
            connection.execute(&query, params![text, name, version]).map(drop)
        })
    }

    fn set_version_tag(
        &self,
        name: &str,
        version: &str,
        tag: &str,
        value: Option<&str>,
    ) -> Result<()> {
        let and = self.of_workspace();
        self.change_version(name, version, |connection| {
            let query = format!(
                "DELETE FROM model_version_tags WHERE key = ?1 AND name = ?2 \
                 AND version = CAST(?3 AS INTEGER){and}"
            );
            connection.execute(&query, params![tag, name, version])?;
            let Some(value) = value else { return Ok(()) };
            let query = "INSERT INTO model_version_tags (key, value, name, version) \
                         VALUES (?1, ?2, ?3, CAST(?4 AS INTEGER))";
            connection.execute(query, params![tag, value, name, version]).map(drop)
        })
    }

    fn set_stage(&self, name: &str, version: &str, stage: &str) -> Result<()> {
        let and = self.of_workspace();
        self.change_version(name, version, |connection| {
            let query = format!(
                "UPDATE model_versions SET current_stage = ?1 \
                 WHERE name = ?2 AND version = CAST(?3 AS INTEGER){and}"
            );
            connection.execute(&query, params![stage, name, version]).map(drop)
        })
    }
}
