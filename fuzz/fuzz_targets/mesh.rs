//! Meshes: settings are taken exactly if another parser takes them as JSON. A part that is read can be written and
//! read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::summary::{Form, Kind};
use tbx::{Mesh, MeshComponent};
use tbx_fuzz::{Input, metadata, raw, read_back};

/// Maximum nesting depth of settings.
const MAX_DEPTH: usize = 100;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    if input.byte() % 2 == 0 {
        if let Ok(json) = str::from_utf8(input.rest()) {
            settings(json);
        }
    } else {
        component(input.bytes(), input.rest());
    }
});

fn settings(json: &str) {
    let point = Mesh::new(&[[0.0f32; 3]]).expect("one point");
    let is_taken = point.with_config(json).is_ok();
    let is_object = json.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
        && serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok();
    match depth(json) {
        // A number counts as one level, an empty object does not.
        MAX_DEPTH => assert!(!is_taken || is_object, "{json:?}"),
        depth => assert_eq!(is_taken, is_object && depth < MAX_DEPTH, "{json:?}"),
    }
}

/// The nesting depth of arrays and objects in a text that is JSON.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut is_text, mut is_escaped) = (0usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn component(content: &[u8], tensor: &[u8]) {
    let metadata = metadata(Kind::Mesh, content);
    let Ok(part) = MeshComponent::read(&metadata, &raw(Form::Tensor, tensor)) else { return };
    let Ok(mesh) = Mesh::from_components([part]) else { return };
    for value in mesh.to_v2("m").expect("dimensions are small") {
        let (metadata, raw) = read_back(&value);
        assert_eq!(metadata.kind, Kind::Mesh);
        let again = MeshComponent::read(&metadata, &raw).expect("what was written can be read");
        let again = Mesh::from_components([again]).expect("the same vertices");
        assert_eq!(format!("{again:?}"), format!("{mesh:?}"));
    }
}
