//! The dashboard Mesh.

use std::collections::BTreeMap;

use prost::Message;
use serde::Serialize;
use serde_json::json;
use tbx::pb::mesh::MeshPluginData;
use tbx::pb::mesh::mesh_plugin_data::ContentType;
use tbx::{MeshComponent, MeshPart, Triples};

use super::json::{Entries, Number};
use super::no_data;
use crate::app::App;
use crate::http::{Answer, MAX_ANSWER, Refusal, Request};
use crate::state::{Run, Series};

const PLUGIN: &str = "mesh";
/// Number of points that are shown of a series.
const POINTS: usize = 100;

/// The bits of vertices, faces and colors: what a mesh has that does not say what it has.
const ALL_PARTS: u32 = 0b1110;

/// The part of a mesh that a series has.
fn part(series: &Series) -> Option<MeshPluginData> {
    MeshPluginData::decode(series.metadata.content.clone()).ok()
}

/// The series of a mesh, each one component of it.
fn parts<'a>(run: &'a Run, mesh: &str) -> Vec<(&'a Series, MeshPluginData)> {
    let parts = run.of_plugin(PLUGIN).iter().filter_map(|series| Some((&**series, part(series)?)));
    parts.filter(|(_, part)| part.name == mesh).collect()
}

pub(super) fn tags(app: &App, _: &Request) -> Result<Answer, Refusal> {
    let runs = app.state.runs();
    Answer::json(&Entries(|| {
        runs.of_plugin(PLUGIN).map(|(name, all)| {
            let meshes: BTreeMap<String, _> = all
                .iter()
                .filter_map(|series| part(series))
                .map(|part| (part.name, json!({ "samples": part.shape.first().unwrap_or(&0) })))
                .collect();
            (name, meshes)
        })
    }))
}

#[derive(Serialize)]
struct Shown {
    wall_time: Number,
    step: i64,
    content_type: i32,
    components: u32,
    config: String,
    data_shape: Vec<i32>,
}

pub(super) fn meshes(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let (run, tag) = request.run_and_tag()?;
    let runs = app.state.runs();
    let count = app.state.samples().shown(PLUGIN, POINTS);
    let mut shown = Vec::new();
    // Of an unknown mesh, an empty list, as in TensorBoard.
    for (series, part) in runs.get(run).map(|found| parts(found, tag)).unwrap_or_default() {
        shown.extend(series.places(count).map(|point| Shown {
            wall_time: Number(point.wall_time),
            step: point.step,
            content_type: part.content_type,
            components: if part.components == 0 { ALL_PARTS } else { part.components },
            config: part.json_config.clone(),
            data_shape: part.shape.clone(),
        }));
    }
    shown.sort_by_key(|shown| shown.step);
    Answer::json(&shown)
}

/// The numbers of one component, as they are in memory on most machines: float32, int32 or bytes.
pub(super) fn data(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let (run, tag) = request.run_and_tag()?;
    let sample = request.sample()?;
    let step = request.get("step").unwrap_or("0");
    let wrong = || Refusal::Invalid(format!("the step {step:?} is not a whole number"));
    let whole = step.strip_suffix(".0").unwrap_or(step);
    let step: i64 = whole.parse().map_err(|_| wrong())?;
    let content_type = request.need("content_type")?;
    let content_type = ContentType::from_str_name(content_type)
        .ok_or_else(|| Refusal::Invalid(format!("{content_type:?} is no part of a mesh")))?;

    let runs = app.state.runs();
    let found = runs.get(run).ok_or_else(|| no_data("mesh", run, tag))?;
    let count = app.state.samples().shown(PLUGIN, POINTS);
    let mut bytes = Vec::new();
    for (series, part) in parts(found, tag) {
        if part.content_type() != content_type {
            continue;
        }
        let points = series.places(count).filter(|point| point.step == step);
        for point in found.read(run, series, points) {
            let component = MeshComponent::read(&series.metadata, &point.value?)?;
            match component.part {
                MeshPart::Vertices(rows) => add(&mut bytes, &rows, sample, f32::to_le_bytes),
                MeshPart::Faces(rows) => add(&mut bytes, &rows, sample, i32::to_le_bytes),
                MeshPart::Colors(rows) => add(&mut bytes, &rows, sample, u8::to_le_bytes),
                _ => {}
            }
            if bytes.len() > MAX_ANSWER {
                return Err(Refusal::Invalid("the mesh is too large".to_owned()));
            }
        }
    }
    Ok(Answer::bytes("arraybuffer", bytes))
}

/// Adds the rows of mesh `sample` of a batch.
fn add<T: Copy, const N: usize>(
    bytes: &mut Vec<u8>,
    rows: &Triples<T>,
    sample: usize,
    to_bytes: impl Fn(T) -> [u8; N],
) {
    let rows = rows.values().chunks(rows.rows().max(1)).nth(sample).unwrap_or_default();
    bytes.extend(rows.iter().flatten().flat_map(|number| to_bytes(*number)));
}
