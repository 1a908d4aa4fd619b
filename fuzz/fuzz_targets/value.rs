//! Values of every kind: a value that passes the check of its kind can be read, and reading it twice is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::summary::{Flaw, Form, Kind, check, damage};
use tbx::{ChartLayout, Graph, PrCurve, RunMetadata, Text};
use tbx_fuzz::{Input, metadata, raw};

const KINDS: [Kind; 6] =
    [Kind::PrCurve, Kind::CustomScalars, Kind::Text, Kind::Graph, Kind::RunMetadata, Kind::Meta];
const FORMS: [Form; 3] = [Form::Tensor, Form::GraphDef, Form::RunMetadata];

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let kind = KINDS[input.below(KINDS.len())];
    let value = raw(FORMS[input.below(FORMS.len())], input.rest());
    let flaw = check(&metadata(kind, b""), &value).err();
    let is_readable = !matches!(flaw, Some(Flaw::Unreadable(_)));
    assert_eq!(
        matches!(flaw, Some(Flaw::Damaged(_))),
        is_readable && damage(kind, &value).is_some()
    );
    let read = || match kind {
        Kind::PrCurve => PrCurve::read(&value).map(|curve| format!("{curve:?}")),
        Kind::CustomScalars => ChartLayout::read(&value).map(|layout| format!("{layout:?}")),
        Kind::Text => Text::read(&value).map(|text| format!("{text:?}")),
        Kind::RunMetadata => RunMetadata::read(&value).map(|all| format!("{all:?}")),
        Kind::Graph if value.form == Form::GraphDef => Graph::read(&value).map(|graph| {
            if let Ok(bytes) = graph.to_bytes() {
                let again = Graph::read(&raw(Form::GraphDef, &bytes));
                let again = again.expect("what was written can be read");
                assert_eq!(format!("{again:?}"), format!("{graph:?}"));
            }
            format!("{graph:?}")
        }),
        _ => tbx::summary::graph::blobs(&value).map(|blobs| format!("{blobs:?}")),
    };
    let first = read();
    if !matches!((kind, value.form), (Kind::Graph, Form::Tensor) | (Kind::Meta, _)) {
        assert_eq!(first.is_ok(), is_readable, "{kind:?}: {flaw:?}");
    }
    assert_eq!(format!("{first:?}"), format!("{:?}", read()));
});
