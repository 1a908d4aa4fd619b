//! ONNX models with the files that MLflow needs to show and to load them.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::artifact::open;
use super::run::ActiveRun;
use crate::error::{ErrorKind, Result, failed};
use crate::meta::{Artifact, now};
use crate::summary::graph::onnx::interface::{OnnxInterface, OnnxValue};
use crate::writer::IntoStep;
use crate::writer::onnx::read;

/// The file with the description of the model, in YAML, of which JSON is a part.
const MLMODEL: &str = "MLmodel";
/// The file with the model.
const DATA: &str = "model.onnx";
/// The file with an example of its inputs, and the one in the form that a server takes.
const EXAMPLE: &str = "input_example.json";
const SERVED_EXAMPLE: &str = "serving_input_example.json";
/// The file with the Python packages that load it.
const REQUIREMENTS: &str = "requirements.txt";
/// The kind of the artifacts.
const KIND: &str = "model";

/// An ONNX model to log.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx::track::{ActiveRun, OnnxModel};
///
/// let run = ActiveRun::create(dir.path())?;
/// let model = OnnxModel::new("fixtures/onnx/torch_exported.onnx");
/// run.log_onnx_model("model", &model, 100)?;
/// run.finish()?;
/// assert!(dir.path().join("artifacts/model/MLmodel").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct OnnxModel {
    path: PathBuf,
    files: Vec<PathBuf>,
    example: Option<Value>,
}

impl OnnxModel {
    /// The model in this `.onnx` file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), files: Vec::new(), example: None }
    }

    /// Adds a file that belongs to the model, such as one with its weights, under its own name.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }

    /// Sets an example of its inputs: a map or a struct with nested lists of numbers by the names of the inputs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the example is not a map whose keys are texts.
    pub fn input_example<T: Serialize + ?Sized>(mut self, inputs: &T) -> Result<Self, ErrorKind> {
        let value = serde_json::to_value(inputs)
            .map_err(|error| ErrorKind::Argument(format!("an example cannot be JSON: {error}")))?;
        if !value.is_object() {
            let what = "an example of inputs is a map from their names to nested lists";
            return Err(ErrorKind::Argument(what.into()));
        }
        self.example = Some(value);
        Ok(self)
    }
}

impl ActiveRun {
    /// Logs an ONNX model as the directory of artifacts `name`, with an `MLmodel` file. After an export to MLflow, its
    /// page shows the model with the names, types and shapes of its inputs and outputs, and
    /// `mlflow.pyfunc.load_model("runs:/<id>/<name>")` loads it. Inputs or outputs that are not tensors, or whose
    /// types NumPy does not have, have no signature.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the file is not an ONNX model, an input of the example is not one of the model, or
    /// `name` leads out of the directory; [`ErrorKind::Io`].
    pub fn log_onnx_model(
        &self,
        name: &str,
        model: &OnnxModel,
        step: impl IntoStep,
    ) -> Result<Vec<Artifact>> {
        let interface = read(&model.path, |bytes| OnnxInterface::read(bytes))?;
        if let Some(Value::Object(example)) = &model.example
            && let Some(unknown) =
                example.keys().find(|key| interface.inputs.iter().all(|input| input.name != **key))
        {
            let names: Vec<_> = interface.inputs.iter().map(|input| input.name.as_str()).collect();
            let names = names.join(", ");
            let what = format!("the example has {unknown:?}, but the inputs are {names}");
            return Err(failed(ErrorKind::Argument(what), &model.path));
        }
        let step = step.into_step();
        let mut kept = Vec::new();
        let mut keep = |file: &str, content: &mut dyn std::io::Read| -> Result<u64> {
            let artifact = self.store(&format!("{name}/{file}"), content, step)?;
            let size = artifact.size;
            kept.push(Artifact { kind: Some(KIND.into()), ..artifact });
            Ok(size)
        };
        let mut size = keep(DATA, &mut open(&model.path)?)?;
        for path in &model.files {
            let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            size = size.saturating_add(keep(file, &mut open(path)?)?);
        }
        if let Some(example) = &model.example {
            keep(EXAMPLE, &mut text(example)?.as_bytes())?;
            keep(SERVED_EXAMPLE, &mut text(&json!({ "inputs": example }))?.as_bytes())?;
        }
        keep(REQUIREMENTS, &mut b"mlflow\nonnxruntime\n".as_slice())?;
        // Last, as readers take a directory with it for a complete model.
        let described = describe(self.id(), name, &interface, model, size);
        keep(MLMODEL, &mut text(&described)?.as_bytes())?;
        self.list(&kept)?;
        Ok(kept)
    }
}

/// The content of `MLmodel` (`mlflow/models/model.py`, `Model.to_dict`).
fn describe(
    run: &str,
    name: &str,
    interface: &OnnxInterface,
    model: &OnnxModel,
    size: u64,
) -> Value {
    let mut described = json!({
        "artifact_path": name,
        "flavors": {
            "onnx": {
                "code": null,
                "data": DATA,
                "providers": ["CUDAExecutionProvider", "CPUExecutionProvider"],
            },
            "python_function": { "data": DATA, "loader_module": "mlflow.onnx" },
        },
        "model_size_bytes": size,
        "model_uuid": uuid::Uuid::new_v4().simple().to_string(),
        "run_id": run,
        "utc_time_created": time(now()),
    });
    if let Value::Object(described) = &mut described {
        if let (Some(inputs), Some(outputs)) =
            (tensors(&interface.inputs), tensors(&interface.outputs))
        {
            // The lists are texts in it.
            let signature = json!({
                "inputs": inputs.to_string(),
                "outputs": outputs.to_string(),
                "params": null,
            });
            described.insert("signature".into(), signature);
        }
        if model.example.is_some() {
            let info = json!({
                "artifact_path": EXAMPLE,
                "format": "tf-serving",
                "serving_input_path": SERVED_EXAMPLE,
                "type": "ndarray",
            });
            described.insert("saved_input_example_info".into(), info);
        }
    }
    described
}

/// The values as MLflow describes tensors; `None` if it cannot.
fn tensors(values: &[OnnxValue]) -> Option<Value> {
    let tensor = |value: &OnnxValue| {
        let (dtype, shape) = (value.dtype?, value.shape.as_ref()?);
        Some(json!({
            "name": value.name,
            "type": "tensor",
            "tensor-spec": { "dtype": dtype, "shape": shape },
        }))
    };
    let all: Option<Vec<_>> = values.iter().map(tensor).collect();
    all.filter(|all| !all.is_empty()).map(Value::Array)
}

fn text(value: &Value) -> Result<String> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| ErrorKind::Argument(format!("cannot be JSON: {error}")))?;
    Ok(json + "\n")
}

/// A time as Python's `str` of a `datetime`, in UTC.
fn time(seconds: f64) -> String {
    let time = SignedDuration::try_from_secs_f64(seconds).and_then(Timestamp::from_duration);
    time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, dtype: Option<&'static str>, shape: Option<Vec<i64>>) -> OnnxValue {
        OnnxValue { name: name.into(), dtype, shape }
    }

    #[test]
    fn values_that_numpy_does_not_have_give_no_signature() {
        let known = value("x", Some("float32"), Some(vec![-1, 4]));
        let expected =
            r#"[{"name":"x","tensor-spec":{"dtype":"float32","shape":[-1,4]},"type":"tensor"}]"#;
        assert_eq!(tensors(std::slice::from_ref(&known)).unwrap().to_string(), expected);
        assert_eq!(tensors(&[known.clone(), value("y", None, Some(vec![]))]), None);
        assert_eq!(tensors(&[known, value("y", Some("int8"), None)]), None);
        assert_eq!(tensors(&[]), None);
        assert_eq!(time(1_700_000_000.25), "2023-11-14 22:13:20.250000");
    }

    #[test]
    fn an_example_is_a_map() {
        assert!(OnnxModel::new("a").input_example(&[1, 2]).is_err());
    }
}
