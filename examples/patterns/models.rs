//! A model with its signature and an example of its input, registered during the run. MLflow loads it.

use std::collections::BTreeMap;
use std::path::Path;

use tbx::track::{ActiveRun, OnnxModel};
use tbx_runs::registry::{OtherVersions, Registry, Stage};

use crate::Result;

/// A network that PyTorch exported. A program exports its own model.
const EXPORTED: &[u8] = include_bytes!("../../fixtures/onnx/torch_exported.onnx");

pub(crate) fn main(dir: &Path) -> Result {
    let run = ActiveRun::options().name("digits-cnn-v1").experiment("digits-cnn").create(dir)?;
    let folder = std::env::temp_dir().join(run.id());
    std::fs::create_dir(&folder)?;
    let path = folder.join("digits.onnx");
    std::fs::write(&path, EXPORTED)?;

    // Names, types and shapes of inputs and outputs are in the file. The example becomes input_example.json.
    let example = BTreeMap::from([("image", [[[[0.5f32; 4]; 4]; 1]; 1])]);
    let model = OnnxModel::new(&path).input_example(&example)?;
    run.log_onnx_model("model", &model, None)?;
    std::fs::remove_dir_all(&folder)?;
    run.add_scalar("test/accuracy", 0.97, 0)?;

    let registry = Registry::open(dir);
    let version = registry.register("digits", run.dir(), "model")?.version;
    run.finish()?;
    let name = format!("digits/{version}").parse()?;
    registry.set_stage(&name, Stage::Production, OtherVersions::Archive)?;
    registry.describe(&name, "97% accuracy")?;
    registry.tag(&name, "task", "classification")?;

    // As in MLflow: by stage, by version, by alias.
    for name in ["models:/digits/production", "models:/digits/1"] {
        let path = registry.path(&name.parse()?)?;
        println!("models: {name} has {} bytes", std::fs::metadata(path.join("model.onnx"))?.len());
    }
    Ok(())
}
