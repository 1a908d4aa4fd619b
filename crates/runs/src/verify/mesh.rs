//! Checks the parts of meshes, which are separate series.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use prost::Message;

use super::Rule;
use super::finding::{Finding, Place, location};
use super::tag::Tag;
use tbx::event::pb::mesh::MeshPluginData;
use tbx::event::pb::mesh::mesh_plugin_data::ContentType;
use tbx::summary::Kind;

/// All parts: the default for a mesh that does not declare its parts
/// (`tensorboard/plugins/mesh/metadata.py`, `get_current_version` and `get_components_bitmask`).
const ALL: u32 = 0b1110;

/// Checks that each mesh has the parts that it declares.
pub(super) fn check(tags: &[Tag], paths: &[Arc<Path>], findings: &mut Vec<Finding>) {
    /// A mesh: its declared parts, its existing parts, and the place of its first value.
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
        let part = bit(data.content_type());
        let mesh = meshes.entry(data.name).or_default();
        mesh.said |= if data.components == 0 { ALL } else { data.components };
        mesh.there |= part;
        if let (None, Some(first)) = (&mesh.first, tag.first) {
            mesh.first = Some((first.place, tag.name.to_string()));
        }
    }
    for mesh in meshes.into_values() {
        let Some((place, tag)) = mesh.first else { continue };
        let mut find = |rule, parts: u32, what: &str| {
            if parts != 0 {
                let location = location(paths, place).with_tag(&tag);
                findings.push(Finding::new(rule, location, format!("{what} {}", names(parts))));
            }
        };
        find(Rule::MeshComponents, mesh.there & !mesh.said & ALL, "it does not declare its");
        find(Rule::MeshParts, mesh.said & !mesh.there & ALL, "it has no");
    }
}

fn bit(part: ContentType) -> u32 {
    u32::try_from(i32::from(part)).ok().and_then(|n| 1u32.checked_shl(n)).unwrap_or(0)
}

/// The names of the parts in a mask.
fn names(mask: u32) -> String {
    let parts = [
        (ContentType::Vertex, "vertices"),
        (ContentType::Face, "faces"),
        (ContentType::Color, "colors"),
    ];
    let names = parts.iter().filter(|(part, _)| mask & bit(*part) != 0).map(|(_, name)| *name);
    names.collect::<Vec<_>>().join(", ")
}
