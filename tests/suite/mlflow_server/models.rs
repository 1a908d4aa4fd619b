//! ONNX models that a run logged: MLflow shows and loads them, and `tbx models` fetches them from its server.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tbx::track::OnnxModel;
use tbx_runs::registry::Registry;

use super::mirror::Mirroring;
use super::real::{Server, python};
use super::{export, fine, quiet};
use crate::common::repository;

const MODEL: &str = "fixtures/onnx/torch_exported.onnx";

/// An example of the inputs of the model.
fn example() -> BTreeMap<&'static str, [[[[f32; 4]; 4]; 1]; 1]> {
    BTreeMap::from([("image", [[[[0.5; 4]; 4]; 1]; 1])])
}

/// Logs the model in a run of the log directory, and registers it.
fn log(logs: &Path) {
    let run = quiet().experiment("onnx").create(logs.join("run")).unwrap();
    let model = OnnxModel::new(repository(MODEL)).input_example(&example()).unwrap();
    let logged = run.log_onnx_model("model", &model, 3).unwrap();
    assert!(logged.iter().all(|artifact| artifact.kind.as_deref() == Some("model")));
    run.add_scalar("loss", 0.5, 3).unwrap();
    run.finish().unwrap();
    let registry = Registry::open(logs);
    registry.register("clf", logs.join("run"), "model").unwrap();
    registry.set_alias(&"clf/1".parse().unwrap(), "champion").unwrap();
}

#[test]
fn what_is_no_model_is_not_logged() {
    let dir = tempfile::tempdir().unwrap();
    let run = quiet().create(dir.path().join("run")).unwrap();
    fs::write(dir.path().join("text.onnx"), "no model").unwrap();
    let text = OnnxModel::new(dir.path().join("text.onnx"));
    let said = run.log_onnx_model("model", &text, None).unwrap_err().to_string();
    assert!(said.contains("text.onnx") && said.contains("not an ONNX model"), "{said}");
    let wrong = OnnxModel::new(repository(MODEL)).input_example(&json!({"picture": [1]})).unwrap();
    let said = run.log_onnx_model("model", &wrong, None).unwrap_err().to_string();
    assert!(said.contains("\"picture\", but the inputs are image"), "{said}");
    run.log_onnx_model("../model", &OnnxModel::new(repository(MODEL)), None).unwrap_err();
    run.finish().unwrap();
    assert!(!dir.path().join("run/artifacts").exists());
}

/// Rounds after the one that registered a version, and a version of a run that ended in an earlier round.
#[test]
fn a_mirror_keeps_the_aliases_that_it_set() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let server = Server::start(python, dir.path(), &["--serve-artifacts"]);
    let end = |name: &str, alias: &str| {
        let run = quiet().create(logs.join(name)).unwrap();
        run.log_artifact_bytes("model.bin", b"weights", None).unwrap();
        run.finish().unwrap();
        let registry = Registry::open(&logs);
        let version = registry.register("clf", logs.join(name), "model.bin").unwrap();
        registry.set_alias(&format!("clf/{}", version.version).parse().unwrap(), alias).unwrap();
    };
    end("first", "champion");
    let open = quiet().create(logs.join("open")).unwrap();
    open.add_scalar("loss", 0.5, 0).unwrap();
    open.flush().unwrap();
    let mirror = Mirroring::to(&logs, &server.uri(), &["--until-finished"]);
    std::thread::sleep(std::time::Duration::from_secs(3));
    end("second", "challenger");
    open.finish().unwrap();
    let said = fine(mirror.end());
    assert!(!said.contains("not exported"), "{said}");
    let ask = |alias: &str| {
        let address = server.uri().replace("http://", "");
        let mut stream = TcpStream::connect(&address).unwrap();
        let path = format!("/api/2.0/mlflow/registered-models/alias?name=clf&alias={alias}");
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        let (_, body) = said.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        body["model_version"]["version"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    assert_ne!(ask("champion"), ask("challenger"));
}

#[test]
fn mlflow_loads_an_onnx_model_that_a_rust_program_logged() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    log(&logs);
    let server = Server::start(python.clone(), dir.path(), &["--serve-artifacts"]);
    fine(export(&logs, &server.uri(), &[], &[]));

    let tbx = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
        let command = command.current_dir(dir.path()).args(args).stdin(Stdio::null());
        let done = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    for (out, name) in
        [("a", "models:/clf@champion"), ("b", "models:/clf/1"), ("c", "models:/clf/latest")]
    {
        let (code, said, error) = tbx(&["models", &server.uri(), "fetch", name, "--out", out]);
        assert_eq!(code, Some(0), "{name}: {error}");
        assert!(said.starts_with("version 1: 5 files, "), "{said}");
        let fetched = fs::read(dir.path().join(out).join("model.onnx")).unwrap();
        assert_eq!(fetched, fs::read(repository(MODEL)).unwrap(), "{name}");
    }
    for name in ["models:/clf@none", "models:/clf/7", "models:/clf/production", "models:/no/1"] {
        let (code, _, error) = tbx(&["models", &server.uri(), "fetch", name, "--out", "d"]);
        assert_eq!(code, Some(2), "{name}: {error}");
        assert!(error.contains(&format!("has no {name}").replace("models:/", "")), "{error}");
        assert!(!dir.path().join("d").exists());
    }
    assert_eq!(tbx(&["models", &server.uri()]).0, Some(2));
    // The same names, in the log directory.
    assert_eq!(tbx(&["models", "logs", "fetch", "models:/clf@champion", "--out", "e"]).0, Some(0));
    assert!(dir.path().join("e/MLmodel").is_file());

    let probe = "import importlib.util as u, sys; sys.exit(u.find_spec('onnxruntime') is None)";
    if !Command::new(&python).args(["-c", probe]).status().unwrap().success() {
        eprintln!("skipped: MLflow: {} has no onnxruntime", python.display());
        return;
    }
    let mut command = Command::new(&python);
    command.args(["-B", "-X", "utf8"]).arg(repository("tests/mlflow/load_model.py"));
    let output = command.args([&server.uri(), "models:/clf@champion"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tensor = |name: &str, shape: Value| json!({"name": name, "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": shape}});
    assert_eq!(said["inputs"], json!([tensor("image", json!([-1, 1, 4, 4]))]));
    let outputs = json!([tensor("logits", json!([-1, 3])), tensor("mean", json!([]))]);
    assert_eq!(said["outputs"], outputs);
    assert_eq!(said["flavors"], json!(["onnx", "python_function"]));
    assert_eq!(said["example"], json!({"image": [1, 1, 4, 4]}));
    assert_eq!(said["predicted"], json!({"logits": [1, 3], "mean": []}));
}
