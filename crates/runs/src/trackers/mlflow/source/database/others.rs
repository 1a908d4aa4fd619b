//! Counts the rows of tables that are not imported.

use super::super::UNUSED_DATASETS;
use super::Database;
use super::cell::integer;
use crate::trackers::source::LeftOut;
use tbx::error::Result;

/// Tables that are imported.
const IMPORTED: [&str; 18] = [
    "experiments",
    "experiment_tags",
    "runs",
    "metrics",
    "params",
    "tags",
    "datasets",
    "inputs",
    "input_tags",
    "logged_models",
    "logged_model_metrics",
    "logged_model_params",
    "logged_model_tags",
    "registered_models",
    "registered_model_tags",
    "registered_model_aliases",
    "model_versions",
    "model_version_tags",
];

/// Tables without data of their own: computed values, and the state of servers.
const COMPUTED: [&str; 9] = [
    "alembic_version",
    "latest_metrics",
    "workspaces",
    "job_locks",
    "scheduler_leases",
    "sql_assessment_daily_rollups",
    "sql_span_cost_daily_rollups",
    "sql_trace_metric_daily_rollups",
    "sql_trace_rollup_rebuild_queue",
];

/// Names for the rows of other tables, in the plural; empty for tables that hold only parts of
/// other rows.
const KINDS: [(&str, &str); 37] = [
    ("trace_info", "traces"),
    ("trace_tags", ""),
    ("trace_request_metadata", ""),
    ("trace_metrics", ""),
    ("spans", ""),
    ("span_metrics", ""),
    ("assessments", "assessments of traces"),
    ("issues", "issues"),
    ("evaluation_datasets", "evaluation datasets"),
    ("evaluation_dataset_tags", ""),
    ("evaluation_dataset_records", ""),
    ("entity_associations", "associations"),
    ("scorers", "scorers"),
    ("scorer_versions", ""),
    ("online_scoring_configs", "online scoring configurations"),
    ("webhooks", "webhooks"),
    ("webhook_events", ""),
    ("jobs", "jobs"),
    ("secrets", "secrets"),
    ("endpoints", "endpoints"),
    ("endpoint_model_mappings", ""),
    ("endpoint_bindings", ""),
    ("endpoint_tags", ""),
    ("model_definitions", "definitions of models"),
    ("budget_policies", "budget policies"),
    ("guardrails", "guardrails"),
    ("guardrail_configs", ""),
    ("label_schemas", "label schemas"),
    ("review_queues", "review queues"),
    ("review_queue_users", ""),
    ("review_queue_items", ""),
    ("review_queue_label_schemas", ""),
    ("mcp_servers", "MCP servers"),
    ("mcp_server_versions", ""),
    ("mcp_server_tags", ""),
    ("mcp_server_version_tags", ""),
    ("mcp_server_aliases", ""),
];

/// Types of source and destination of the links that are imported.
const LINKS: &str = "source_type || '>' || destination_type NOT IN \
    ('DATASET>RUN', 'RUN_INPUT>MODEL_INPUT', 'RUN_OUTPUT>MODEL_OUTPUT')";

/// Counts all rows that are not imported, by kind.
pub(super) fn count_all(database: &Database) -> Result<Vec<LeftOut>> {
    let mut all = Vec::new();
    let mut tables: Vec<_> = database.columns.keys().map(String::as_str).collect();
    tables.sort_unstable();
    for table in tables {
        let is_imported = IMPORTED.contains(&table) || COMPUTED.contains(&table);
        if is_imported || table.starts_with("sqlite_") {
            continue;
        }
        let known = KINDS.iter().find(|(known, _)| *known == table);
        let kind = match known {
            Some((_, "")) => continue,
            Some((_, kind)) => (*kind).to_owned(),
            None => format!("rows of the table {table}"),
        };
        // The name of a table may contain any characters.
        let from = format!("\"{}\"", table.replace('"', "\"\""));
        LeftOut::count(&mut all, &kind, rows(database, &from)?, false);
    }
    if database.has_all("inputs", &["source_type", "source_id", "destination_type"]) {
        let links = rows(database, &format!("inputs WHERE {LINKS}"))?;
        LeftOut::count(&mut all, "links between runs and models", links, false);
        if database.has("datasets", "dataset_uuid") {
            let unused = "datasets WHERE dataset_uuid NOT IN (SELECT source_id FROM inputs WHERE source_type = 'DATASET')";
            LeftOut::count(&mut all, UNUSED_DATASETS, rows(database, unused)?, false);
        }
    }
    Ok(all)
}

fn rows(database: &Database, from: &str) -> Result<u64> {
    let query = format!("SELECT count(*) FROM {from}");
    let counts = database.rows(&query, "", |row| Ok(integer(row, 0)))?;
    Ok(counts.into_iter().flatten().next().and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
}
