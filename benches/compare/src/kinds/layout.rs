//! Layouts of custom scalars.

use tbx::{Category, Chart, ChartLayout};

use super::{Kind, no_inputs, no_method};
use crate::writers::{Own, TENSORBOARDX, TENSORFLOW, TORCH, Tbx};

pub const KIND: Kind = Kind {
    name: "layout",
    what: "custom scalar layout of 20 charts",
    calls: (20_000, 2_000),
    peers: &[(TENSORBOARDX, ""), (TORCH, ""), (TENSORFLOW, "`custom_scalar.summary.pb`")],
    inputs: no_inputs,
    write: |own, run| match own {
        Own::Tbx => run.calls(|writer: &mut Tbx, _| {
            let charts = (0..20).map(|number| {
                Chart::multiline(format!("chart {number}"), ["train/loss", "test/loss"])
            });
            let category = charts.fold(Category::new("losses"), Category::chart);
            Ok(writer.0.add_custom_scalars(&ChartLayout::new().category(category))?)
        }),
        _ => no_method(),
    },
};
