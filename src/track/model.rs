//! ONNX models with the files that MLflow needs to show and to load them.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::artifact::open;
use super::run::ActiveRun;
use crate::digest;
use crate::error::{ErrorKind, Result, failed};
use crate::meta::{Artifact, now};
use crate::replace::{Folder, disk, sweep_once};
use crate::summary::graph::onnx::interface::{OnnxInterface, OnnxValue};
use crate::writer::IntoStep;
use crate::writer::onnx::read;

/// The file with the description of the model, in YAML. Every JSON text is YAML.
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
    /// A model that was logged never changes, as it may be registered. Another model with the same name is logged as
    /// `<name>-2`, the next one as `<name>-3`, and so on: the paths of the returned artifacts say where. The same model
    /// again is not logged again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the file is not an ONNX model, an input of the example is not one of the model, two
    /// files have the same name, or `name` leads out of the directory; [`ErrorKind::Io`].
    pub fn log_onnx_model(
        &self,
        name: &str,
        model: &OnnxModel,
        step: impl IntoStep,
    ) -> Result<Vec<Artifact>> {
        let interface = read(&model.path, |bytes| OnnxInterface::read(bytes))?;
        let step = step.into_step();
        if let Some(Value::Object(example)) = &model.example
            && let Some(unknown) =
                example.keys().find(|key| interface.inputs.iter().all(|input| input.name != **key))
        {
            let names: Vec<_> = interface.inputs.iter().map(|input| input.name.as_str()).collect();
            let names = names.join(", ");
            let what = format!("the example has {unknown:?}, but the inputs are {names}");
            return Err(failed(ErrorKind::Argument(what), &model.path));
        }
        let mut parts = vec![(DATA, Part::File(&model.path))];
        for path in &model.files {
            let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if file == MLMODEL || parts.iter().any(|(other, _)| *other == file) {
                let what = format!("a model has only one file {file:?}: rename it");
                return Err(failed(ErrorKind::Argument(what), path));
            }
            parts.push((file, Part::File(path)));
        }
        let weights = parts.len();
        if let Some(example) = &model.example {
            parts.push((EXAMPLE, Part::Text(text(example)?)));
            parts.push((SERVED_EXAMPLE, Part::Text(text(&json!({ "inputs": example }))?)));
        }
        parts.push((REQUIREMENTS, Part::Text("mlflow\nonnxruntime\n".into())));
        let sums = parts.iter().map(|(_, part)| part.sum()).collect::<Result<Vec<_>>>()?;
        let size =
            sums.iter().take(weights).map(|(size, _)| size).fold(0u64, |a, b| a.saturating_add(*b));
        let known = self.meta()?.artifacts;
        let mut folders: HashMap<&str, HashMap<&str, &Artifact>> = HashMap::new();
        for artifact in &known {
            if let Some((folder, file)) = artifact.path.rsplit_once('/') {
                folders.entry(folder).or_default().insert(file, artifact);
            }
        }
        for number in 1u32.. {
            let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            let place = Artifact::place(&self.dir, &name)?;
            // A program may have died before its complete directory had its name.
            place.parent().into_iter().for_each(sweep_once);
            if place.symlink_metadata().is_ok() {
                let Some(there) = folders.get(name.as_str()) else { continue };
                let has = |file: &str, sha256: &str| {
                    there.get(file).is_some_and(|known| known.sha256 == sha256)
                };
                let is_same = there.len() == parts.len() + 1
                    && there.contains_key(MLMODEL)
                    && parts.iter().zip(&sums).all(|((file, _), (_, sha256))| has(file, sha256));
                if is_same {
                    let all = known.iter().filter(|known| below(known, &name).is_some());
                    return Ok(all.cloned().collect());
                }
                continue;
            }
            let described = text(&describe(self.id(), &name, &interface, model, size))?;
            let all = parts.iter().map(|(file, part)| (*file, part));
            let described = Part::Text(described);
            let all: Vec<_> = all.chain([(MLMODEL, &described)]).collect();
            match write(&place, &all) {
                Err(error) if place.symlink_metadata().is_ok() => drop(error), // by another thread
                written => {
                    let artifact = |(file, (size, sha256)): (&str, (u64, String))| Artifact {
                        kind: Some(KIND.into()),
                        step,
                        time: Some(now()),
                        ..Artifact::new(format!("{name}/{file}"), size, sha256)
                    };
                    let files = all.iter().map(|(file, _)| *file);
                    let kept: Vec<_> = files.zip(written?).map(artifact).collect();
                    self.list(&kept)?;
                    return Ok(kept);
                }
            }
        }
        Err(failed(ErrorKind::Argument("it has too many models of this name".into()), &self.dir))
    }
}

/// The content of a file of a model.
enum Part<'m> {
    File(&'m Path),
    Text(String),
}

impl Part<'_> {
    fn open(&self) -> Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::File(path) => Box::new(open(path)?),
            Self::Text(text) => Box::new(text.as_bytes()),
        })
    }

    /// Its size and its SHA-256.
    fn sum(&self) -> Result<(u64, String)> {
        let at = match self {
            Self::File(path) => path,
            Self::Text(_) => Path::new(MLMODEL),
        };
        digest::read(&mut self.open()?).map_err(|error| failed(error, at))
    }
}

/// The path of an artifact in the directory `name`.
fn below<'a>(artifact: &'a Artifact, name: &str) -> Option<&'a str> {
    artifact.path.strip_prefix(name)?.strip_prefix('/')
}

/// Writes the files of a model to the directory `to`, which appears when it is complete. Returns their sizes and
/// digests.
fn write(to: &Path, parts: &[(&str, &Part<'_>)]) -> Result<Vec<(u64, String)>> {
    let folder = Folder::create(to)?;
    let mut sums = Vec::new();
    for (name, part) in parts {
        let path = folder.file(Path::new(name));
        let at = |error| failed(error, &path);
        let mut out = disk::create_new(&path).map_err(at)?;
        let copied = digest::copy(&mut part.open()?, &mut out).map_err(at)?;
        sums.push(copied.map_err(at)?);
        out.sync_data().map_err(at)?;
    }
    folder.finish()?;
    Ok(sums)
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
