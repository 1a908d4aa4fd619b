//! The parts of a mesh, which are series of their own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use prost::Message;

use super::Rule;
use super::finding::{Finding, Place};
use super::run::location;
use super::tag::Tag;
use crate::event::pb::mesh::MeshPluginData;
use crate::event::pb::mesh::mesh_plugin_data::ContentType;
use crate::summary::Kind;

/// All parts: what a mesh that says nothing is taken to have
/// (`tensorboard/plugins/mesh/metadata.py`, `get_current_version` and `get_components_bitmask`).
const ALL: u32 = 0b1110;

/// Looks whether each mesh has the parts that it says it has.
pub(super) fn check(tags: &[Tag], paths: &[Arc<Path>], findings: &mut Vec<Finding>) {
    /// A mesh: the parts that it says, those that are there, and where it starts.
    #[derive(Default)]
    struct Mesh {
        said: u32,
        there: u32,
        first: Option<(Place, String)>,
    }
    let mut meshes: BTreeMap<String, Mesh> = BTreeMap::new();
    for tag in tags.iter().filter(|tag| tag.kind == Some(Kind::Mesh)) {
        let content = tag.metadata.as_ref().map(|metadata| metadata.content.clone());
        let Ok(data) = MeshPluginData::decode(content.unwrap_or_default()) else { continue };
        let part = data.content_type();
        let mesh = meshes.entry(data.name).or_default();
        mesh.said |= if data.components == 0 { ALL } else { data.components };
        mesh.there |= 1u32.checked_shl(u32::try_from(i32::from(part)).unwrap_or(0)).unwrap_or(0);
        if let (None, Some(first)) = (&mesh.first, tag.first) {
            mesh.first = Some((first.place, tag.name.to_string()));
        }
    }
    for mesh in meshes.into_values() {
        let missing = mesh.said & !mesh.there & ALL;
        let Some((place, tag)) = mesh.first.filter(|_| missing != 0) else { continue };
        let parts = [ContentType::Vertex, ContentType::Face, ContentType::Color];
        let names = parts.iter().zip(["vertices", "faces", "colors"]);
        let is_missing = |part: ContentType| missing >> i32::from(part) & 1 == 1;
        let missing: Vec<_> =
            names.filter(|(part, _)| is_missing(**part)).map(|(_, name)| name).collect();
        let mut location = location(paths, place);
        location.tag = Some(tag);
        let message = format!("it has no {}", missing.join(" and no "));
        findings.push(Finding::new(Rule::MeshComponents, location, message));
    }
}
