//! Keras models.

use std::fs;

use serde_json::json;
use tbx::{KerasModel, LoadOptions};

use super::log::Run;
use crate::common::{load, repository};

impl Run<'_> {
    fn keras_graph(&mut self, tag: &str, model: &str, step: i64) {
        self.call("keras", tag, step, json!(model)).add_keras_graph(tag, model, step).unwrap();
    }
}

pub(super) fn write(run: &mut Run<'_>) {
    let two_towers = fs::read_to_string(repository("fixtures/keras/two_towers.json")).unwrap();
    run.keras_graph("models/two towers", &two_towers, 0);
    // A model that Keras itself logged.
    let logged = load(&repository("fixtures/keras"), &LoadOptions::new());
    let logged = logged.runs.iter().find_map(|run| run.get("keras")?.raw()?.first()).unwrap();
    let logged = KerasModel::read(logged).unwrap();
    run.keras_graph("keras", &two_towers, 0);
    run.keras_graph("keras", logged.json(), 1);
}
