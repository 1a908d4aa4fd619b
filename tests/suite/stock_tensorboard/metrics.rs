//! Structs of numbers, which TensorBoard shows as scalars.

use std::collections::BTreeMap;

use serde_json::json;

use super::log::{Run, number};

#[derive(serde::Serialize)]
struct Part {
    loss: f32,
    penalty: Option<f64>,
}

#[derive(serde::Serialize)]
struct Metrics {
    total: f64,
    done: bool,
    note: &'static str,
    parts: BTreeMap<&'static str, Part>,
    per_class: [i32; 2],
}

pub(super) fn write(run: &mut Run<'_>) {
    for step in 0..4i64 {
        let odd = [0.5, f64::NAN, f64::INFINITY, -1e300][step as usize];
        let part = Part { loss: step as f32 / 8.0, penalty: (step == 3).then_some(0.1) };
        let metrics = Metrics {
            total: odd,
            done: step == 3,
            note: "not shown",
            parts: BTreeMap::from([("é", part)]),
            per_class: [1, -(step as i32)],
        };
        let mut scalars = vec![
            ("total", odd),
            ("done", if step == 3 { 1.0 } else { 0.0 }),
            ("parts/é/loss", step as f64 / 8.0),
            ("per_class/0", 1.0),
            ("per_class/1", -step as f64),
        ];
        scalars.extend((step == 3).then_some(("parts/é/penalty", 0.1)));
        run.log.now += 0.1;
        for (name, value) in scalars {
            run.log.calls.push(json!({
                "call": "scalar", "run": run.name, "v2": run.v2, "tag": format!("struct/{name}"),
                "step": step, "wall_time": run.log.now, "input": number(value),
            }));
        }
        let writer = run.writer.with_wall_time(run.log.now).unwrap();
        writer.add_metrics("struct", &metrics, step).unwrap();
    }
}
