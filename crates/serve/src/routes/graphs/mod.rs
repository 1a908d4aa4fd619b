//! The dashboard Graphs.

mod keras;
mod merge;
mod text;

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use serde::Serialize;
use tbx::pb::{GraphDef, RunMetadata};
use tbx::summary::graph::{self, RUN_GRAPH_TAG};
use tbx::{KerasModel, RawValue};

use super::no_data;
use crate::app::App;
use crate::http::{Answer, Refusal, Request};

/// The plugins: the graph of a run, Keras models, and three forms of profiles.
const GRAPH: &str = "graphs";
const KERAS: &str = "graph_keras_model";
const PROFILE: &str = "graph_tagged_run_metadata";
const PROFILE_AND_GRAPH: &str = "graph_run_metadata";
const GRAPH_OF_PROFILE: &str = "graph_run_metadata_graph";
/// The content of the metadata of the plugins that have versions.
const VERSION: &[u8] = b"1";

pub(super) const PLUGINS: &[&str] = &[GRAPH, KERAS, PROFILE, PROFILE_AND_GRAPH, GRAPH_OF_PROFILE];

#[derive(Serialize, Default)]
struct Info {
    run: String,
    tags: BTreeMap<String, TagInfo>,
    run_graph: bool,
}

#[derive(Serialize, Default)]
struct TagInfo {
    tag: String,
    conceptual_graph: bool,
    op_graph: bool,
    profile: bool,
}

pub(super) fn info(app: &App, _: &Request) -> Result<Answer, Refusal> {
    let runs = app.state.runs();
    let mut all: BTreeMap<&str, Info> = BTreeMap::new();
    for plugin in PLUGINS {
        for (name, series) in runs.of_plugin(plugin) {
            for series in series {
                let is_versioned = [KERAS, PROFILE_AND_GRAPH, GRAPH_OF_PROFILE].contains(plugin);
                let is_graph = *plugin == GRAPH;
                if (is_versioned && series.metadata.content != VERSION)
                    || (is_graph && *series.tag != *RUN_GRAPH_TAG)
                {
                    continue;
                }
                let info = all.entry(name).or_default();
                name.clone_into(&mut info.run);
                if is_graph {
                    info.run_graph = true;
                    continue;
                }
                let tag = info.tags.entry(series.tag.to_string()).or_default();
                tag.tag = series.tag.to_string();
                tag.conceptual_graph |= *plugin == KERAS;
                tag.op_graph |= [PROFILE_AND_GRAPH, GRAPH_OF_PROFILE].contains(plugin);
                tag.profile |= [PROFILE_AND_GRAPH, PROFILE].contains(plugin);
            }
        }
    }
    Answer::json(&all)
}

/// The last value of the first of these plugins that the run has under this tag.
fn value(app: &App, plugins: &[&str], run: &str, tag: &str) -> Result<RawValue, Refusal> {
    let runs = app.state.runs();
    let found = runs.get(run).and_then(|found| {
        let series = plugins.iter().find_map(|plugin| found.get(plugin, tag))?;
        found.read(run, series, series.places(Some(1))).next()
    });
    Ok(found.ok_or_else(|| no_data("graph", run, tag))?.value?)
}

/// The first blob of a value.
fn blob(value: &RawValue) -> Result<Bytes, Refusal> {
    let blobs = match value.form {
        tbx::Form::Tensor => graph::blobs(value)?,
        _ => vec![value.bytes.clone()],
    };
    let empty = || Refusal::NotFound("the value is empty".to_owned());
    blobs.into_iter().next().ok_or_else(empty)
}

fn decode<M: Message + Default>(bytes: Bytes) -> Result<M, Refusal> {
    M::decode(bytes).map_err(|error| Refusal::Unreadable(format!("the value is damaged: {error}")))
}

/// Whether a tag has a Keras model and no other graph. The page asks for another one first, and TensorBoard says that it
/// is malformed.
fn has_only_model(app: &App, run: &str, tag: &str) -> bool {
    let runs = app.state.runs();
    let has = |plugin| runs.series(run, plugin, tag).is_some();
    has(KERAS) && !has(PROFILE_AND_GRAPH) && !has(GRAPH_OF_PROFILE)
}

pub(super) fn graph(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let (run, tag) = (request.need("run")?, request.get("tag"));
    let asks_for_model = request.get("conceptual") == Some("true");
    let is_conceptual = asks_for_model || tag.is_some_and(|tag| has_only_model(app, run, tag));
    let limit = match request.get("limit_attr_size") {
        None => None,
        Some(text) => {
            let wrong = || Refusal::Invalid(format!("limit_attr_size={text:?} is not a size"));
            let size = text.parse::<usize>().ok().filter(|size| *size > 0).ok_or_else(wrong)?;
            Some((size, request.need("large_attrs_key")?))
        }
    };
    let mut graph = match tag {
        Some(tag) if is_conceptual => {
            let model = KerasModel::read(&value(app, &[KERAS], run, tag)?)?;
            keras::to_graph(model.json())?
        }
        None if is_conceptual => return Err(no_data("Keras model", run, "")),
        None => decode(blob(&value(app, &[GRAPH], run, RUN_GRAPH_TAG)?)?)?,
        Some(tag) => {
            let value = value(app, &[PROFILE_AND_GRAPH, GRAPH_OF_PROFILE], run, tag)?;
            let metadata: RunMetadata = decode(blob(&value)?)?;
            let graphs = metadata.function_graphs.into_iter();
            merge::merge(
                graphs.map(|one| one.pre_optimization_graph.unwrap_or_default()).collect(),
            )?
        }
    };
    if let Some((size, key)) = limit {
        leave_out_large(&mut graph, size, key);
    }
    let text = text::of("tensorboard.GraphDef", &graph.encode_to_vec())?;
    Ok(Answer::text("text/x-protobuf; charset=utf-8", text))
}

/// Replaces attributes of more than `size` bytes with their names in an attribute `key`.
fn leave_out_large(graph: &mut GraphDef, size: usize, key: &str) {
    use tbx::pb::AttrValue;
    use tbx::pb::attr_value::{ListValue, Value};
    for node in &mut graph.node {
        let is_large = |(_, value): &(&String, &AttrValue)| value.encoded_len() > size;
        let large: Vec<String> =
            node.attr.iter().filter(is_large).map(|(name, _)| name.clone()).collect();
        if large.is_empty() {
            continue;
        }
        node.attr.retain(|name, _| !large.contains(name));
        let list =
            ListValue { s: large.into_iter().map(Bytes::from).collect(), ..ListValue::default() };
        node.attr.insert(key.to_owned(), AttrValue { value: Some(Value::List(list)) });
    }
}

pub(super) fn run_metadata(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let (run, tag) = request.run_and_tag()?;
    let value = value(app, &[PROFILE, PROFILE_AND_GRAPH], run, tag)?;
    let text = text::of("tensorboard.RunMetadata", &blob(&value)?)?;
    Ok(Answer::text("text/x-protobuf; charset=utf-8", text))
}
