//! All data in MLflow is imported or counted as left out.

use std::fs;

use serde_json::{Value, json};
use tbx_runs::import::Import;
use tbx_runs::registry::Registry;

use super::{ID, OTHER, Store, meta, points};

fn experiment(store: &Store, name: &str) -> Value {
    let path = store.out().join(name).join("tbx.experiment.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The kinds of data that were left out, with their counts.
fn left_out(imported: &tbx_runs::import::Imported) -> Vec<(&str, u64)> {
    imported.left_out.iter().map(|left_out| (&*left_out.kind, left_out.count)).collect()
}

#[test]
fn experiments_without_runs_are_kept_with_what_they_say() {
    let store = Store::new();
    store.file(
        "2/meta.yaml",
        "experiment_id: '2'\nname: empty\nartifact_location: s3://b/2\ncreation_time: 5000\n\
         last_update_time: 6000\n",
    );
    store.file("2/tags/team/lead", "a\n");
    store.file("2/tags/mlflow.note.content", "about it");
    // MLflow creates this experiment in every store, so it is not imported.
    store.file("0/meta.yaml", "experiment_id: '0'\nname: Default\n");
    store.file(".trash/3/meta.yaml", "experiment_id: '3'\nname: gone\nlifecycle_stage: deleted\n");
    let imported = store.import();
    assert_eq!((imported.empty_experiments, imported.deleted_experiments), (2, 1));
    assert_eq!(
        experiment(&store, "empty"),
        json!({
            "schema": "tbx.experiment/1", "name": "empty", "description": "about it",
            "created_at": 5.0, "tags": { "team/lead": "a\n" }, "ids": { "mlflow": "2" },
            "mlflow": { "artifact_location": "s3://b/2", "last_update_time": 6000 },
        })
    );
    assert!(!store.out().join("Default").exists() && !store.out().join("gone").exists());
    // Local changes stay, and new data from MLflow is added.
    let path = store.out().join("empty/tbx.experiment.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("about it", "mine").replace("\"name\"", "\"color\": 3, \"name\""),
    )
    .unwrap();
    store.file("2/tags/late", "b");
    let again = store.import_with(&Import::new().deleted(true));
    assert_eq!((again.empty_experiments, again.deleted_experiments), (1, 0));
    let now = experiment(&store, "empty");
    assert_eq!((&now["description"], &now["color"]), (&json!("mine"), &json!(3)));
    assert_eq!(now["tags"], json!({ "team/lead": "a\n", "late": "b" }));
    assert_eq!(experiment(&store, "gone")["mlflow"]["deleted"], true);
}

#[test]
fn logged_models_are_kept_with_their_files_whoever_logged_them() {
    let store = Store::new();
    store.run(ID, "run_name: a\nstatus: 3", &[("artifacts/net/notes.txt", "of the run")]);
    store.file(&format!("1/{ID}/inputs/i/meta.yaml"), "source_type: MODEL\nsource_id: m-0\n");
    store.file(&format!("1/{ID}/outputs/m-1/meta.yaml"), "source_id: m-1\nstep: 7\n");
    let run = format!("source_run_id: '{ID}'\n");
    let model = |id: &str, more: &str| {
        let text = format!("model_id: {id}\nname: net\nstatus: 2\ncreation_timestamp: 17\n{more}");
        store.file(&format!("1/models/{id}/meta.yaml"), &text);
    };
    model("m-1", &run);
    store.file("1/models/m-1/params/p", "1.0");
    store.file("1/models/m-1/tags/t", "u");
    store
        .file("1/models/m-1/metrics/acc", &format!("1000 nan 3 {ID} data 0a1b\n2000 0.5 4 {ID}\n"));
    store.file("1/models/m-1/artifacts/MLmodel", "of the model");
    model("m-2", "model_type: agent\n");
    store.file("1/models/m-2/artifacts/code/a:b.py", "no run");
    model("m-3", "lifecycle_stage: deleted\n");
    let imported = store.import();
    assert!(imported.report.is_lossless(), "{:?}", imported.report);
    assert_eq!(left_out(&imported), [("deleted logged models", 1)]);
    assert_eq!((imported.model_files, imported.model_bytes), (1, 6));
    let dir = store.out().join("digits/a");
    // Another directory of the run already has the model's name.
    assert_eq!(fs::read(dir.join("artifacts/net-m-1/MLmodel")).unwrap(), b"of the model");
    let own = meta(&dir).other["mlflow"].clone();
    assert_eq!(own["model_inputs"], json!(["m-0"]));
    assert_eq!(own["model_outputs"], json!([{ "id": "m-1", "step": 7 }]));
    let [model] = &own["logged_models"].as_array().unwrap()[..] else { panic!("{own}") };
    assert_eq!((&model["status"], &model["folder"]), (&json!("READY"), &json!("net-m-1")));
    assert_eq!((&model["params"]["p"], &model["tags"]["t"]), (&json!("1.0"), &json!("u")));
    assert_eq!(
        model["metrics"],
        json!([
            { "name": "acc", "value": "NaN", "step": 3, "timestamp": 1000, "run_id": ID,
              "dataset_name": "data", "dataset_digest": "0a1b" },
            { "name": "acc", "value": 0.5, "step": 4, "timestamp": 2000, "run_id": ID },
        ])
    );
    let said = experiment(&store, "digits");
    let [model] = &said["mlflow"]["logged_models"].as_array().unwrap()[..] else {
        panic!("{said}")
    };
    assert_eq!((&model["id"], &model["type"]), (&json!("m-2"), &json!("agent")));
    let file = &model["artifacts"][0];
    assert_eq!(
        (&file["path"], &file["name"]),
        (&json!("net-m-2/code/a%3ab.py"), &json!("code/a:b.py"))
    );
    let copy = store.out().join("digits/artifacts/net-m-2/code/a%3ab.py");
    assert_eq!(fs::read(copy).unwrap(), b"no run");
    // Nothing is imported twice.
    let again = store.import();
    assert_eq!((again.model_files, again.runs[0].artifacts), (0, 0));
    assert_eq!(experiment(&store, "digits"), said);
}

#[test]
fn what_tbx_has_no_place_for_is_counted_by_kind() {
    let store = Store::new();
    store.run(ID, "run_name: a\nstatus: 3", &[("metrics/acc", "1 0.5 1 data 0a1b\n2 0.5 2\n")]);
    for trace in ["tr-1", "tr-2"] {
        store.file(&format!("1/traces/{trace}/trace_info.yaml"), "trace_id: x\n");
    }
    for (data, input) in [("d1", Some("i")), ("d2", None)] {
        store.file(&format!("1/datasets/{data}/meta.yaml"), "name: d\ndigest: '1'\n");
        if let Some(input) = input {
            let text = format!("source_type: DATASET\nsource_id: {data}\n");
            store.file(&format!("1/{ID}/inputs/{input}/meta.yaml"), &text);
        }
    }
    store.file("models/net/meta.yaml", "name: net\n");
    store.file("models/net/version-1/meta.yaml", "current_stage: Deleted_Internal\nsource: x\n");
    let imported = store.import();
    assert_eq!(
        left_out(&imported),
        [
            ("datasets that no run used", 1),
            ("deleted versions of models", 1),
            ("links from points to datasets", 1),
            ("traces", 2),
        ]
    );
    assert_eq!(points(&store.out(), "digits/a", "acc").len(), 2);
    // An import of selected runs reports only data that concerns them.
    fs::remove_dir_all(store.out()).unwrap();
    let one = store.import_with(&Import::new().runs([ID]).artifacts(false));
    assert_eq!(left_out(&one), [("links from points to datasets", 1)]);
}

#[test]
fn registered_models_and_prompts_are_kept_with_what_they_say() {
    let store = Store::new();
    store.file(
        "models/net/meta.yaml",
        "name: net\ndescription: 'about net'\ncreation_timestamp: 5000\nlast_updated_timestamp: 7000\n",
    );
    store.file("models/net/tags/team", "a");
    store.file("models/prompt/meta.yaml", "name: prompt\ndescription: first\n");
    store.file("models/prompt/tags/mlflow.prompt.is_prompt", "true");
    store.file("models/prompt/version-1/meta.yaml", "source: dummy-source\nstatus: READY\n");
    store.file("models/prompt/version-1/tags/mlflow.prompt.text", "Hello {{x}}");
    store.file("models/prompt/version-1/tags/mlflow.prompt.is_prompt", "true");
    let imported = store.import();
    assert_eq!((imported.models, imported.models_elsewhere), (1, 0));
    let registry = Registry::open(store.out());
    let models = registry.models().unwrap();
    let net = &models["net"];
    assert_eq!((net.description.as_deref(), net.created), (Some("about net"), Some(5.0)));
    assert_eq!((&*net.tags["team"], net.versions.len()), ("a", 0));
    let prompt = &models["prompt"];
    assert_eq!(prompt.versions[0].tags["mlflow.prompt.text"], "Hello {{x}}");
    let said = registry.path(&"prompt/1".parse().unwrap()).unwrap_err().to_string();
    assert!(said.contains("prompt/1 has no file in the log directory"), "{said}");
    assert_eq!(registry.files().unwrap().len(), 0);
    // Local changes stay.
    registry.describe_model("net", "mine").unwrap();
    store.file("models/net/tags/late", "b");
    store.import();
    let net = registry.models().unwrap().remove("net").unwrap();
    assert_eq!((net.description.as_deref(), &*net.tags["late"]), (Some("mine"), "b"));
}

#[test]
fn an_experiment_that_cannot_be_made_costs_itself_alone() {
    let store = Store::new();
    store.run(ID, "run_name: a\nstatus: 3", &[]);
    store.file("2/meta.yaml", "experiment_id: '2'\nname: taken\n");
    store.file(&format!("2/{OTHER}/meta.yaml"), &format!("run_id: {OTHER}\nrun_name: b\n"));
    fs::create_dir_all(store.out()).unwrap();
    fs::write(store.out().join("taken"), "a file of somebody").unwrap();
    let imported = store.import();
    assert_eq!(imported.runs.len(), 1);
    let issue = imported.report.issues[0].to_string();
    assert!(issue.contains("could not import experiment \"taken\""), "{issue}");
    assert_eq!(fs::read(store.out().join("taken")).unwrap(), b"a file of somebody");
    fs::remove_file(store.out().join("taken")).unwrap();
    let again = store.import();
    assert!(again.report.issues.is_empty() && store.out().join("taken/b").is_dir());
}
