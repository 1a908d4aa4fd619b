//! Registered models, with files in various places.

use std::fs;

use tbx_runs::import::Import;
use tbx_runs::registry::{Registry, Stage, Version};

use super::{ID, OTHER, Store};

fn version(store: &Store, model: &str, number: u32, fields: &str) {
    store.file(&format!("models/{model}/meta.yaml"), &format!("name: {model}\n"));
    store.file(&format!("models/{model}/version-{number}/meta.yaml"), fields);
}

fn found(store: &Store, name: &str) -> Version {
    Registry::open(store.out()).version(&name.parse().unwrap()).unwrap()
}

#[test]
fn a_version_whose_files_are_elsewhere_keeps_all_but_them() {
    let store = Store::new();
    store.run(ID, "run_name: best\nstatus: 3", &[]);
    let places = [
        "s3://bucket/1/x/artifacts/model",
        "dbfs:/databricks/mlflow/1/model",
        "https://host/model?sig=1",
        "/not/here/model",
        "hdfs://host:1/model",
    ];
    for (i, place) in places.iter().enumerate() {
        let text = format!(
            "source: {place}\nrun_id: {ID}\ncurrent_stage: Production\ndescription: d\n\
             creation_timestamp: 5000\nuser_id: me\nstatus: READY\n"
        );
        version(&store, "clf", i as u32 + 1, &text);
    }
    store.file("models/clf/version-1/tags/k", "v");
    store.file("models/clf/aliases/champion", "1");
    // The run of this version is not in the store.
    version(&store, "clf", 9, &format!("source: s3://b/m\nrun_id: {OTHER}\n"));
    let imported = store.import();
    assert!(imported.report.is_lossless(), "{:?}", imported.report);
    assert_eq!((imported.models, imported.models_elsewhere), (6, 6));
    for (i, place) in places.iter().enumerate() {
        let version = found(&store, &format!("clf/{}", i + 1));
        assert_eq!((&*version.path, version.source.as_deref()), ("", Some(*place)));
        assert_eq!((&*version.run, version.run_id.as_deref()), ("digits/best", Some(ID)));
        assert_eq!((version.stage, version.created), (Stage::Production, Some(5.0)));
        assert_eq!(version.description.as_deref(), Some("d"));
        assert_eq!(serde_json::to_value(&version).unwrap()["mlflow"]["user"], "me");
    }
    assert_eq!(found(&store, "clf/champion").tags["k"], "v");
    let lost = found(&store, "clf/9");
    assert_eq!((&*lost.run, lost.run_id.as_deref()), ("", Some(OTHER)));
    assert_eq!(store.import().models, 0);
}

#[test]
fn files_that_come_later_are_those_of_the_version() {
    let store = Store::new();
    store.run(ID, "run_name: best\nstatus: 3\nartifact_uri: s3://b/1/x/artifacts", &[]);
    version(&store, "clf", 1, &format!("source: s3://b/1/{ID}/artifacts/model\nrun_id: {ID}\n"));
    let imported = store.import();
    assert_eq!(imported.runs[0].elsewhere, ["s3://b/1/x/artifacts"]);
    assert!(found(&store, "clf/1").source.is_some());
    // The files of the bucket have been copied here.
    store.file(&format!("1/{ID}/artifacts/model/MLmodel"), "flavors: {}\n");
    let again = store.import();
    assert_eq!((again.runs[0].was_there, again.runs[0].artifacts, again.models), (true, 1, 0));
    let version = found(&store, "clf/1");
    assert_eq!((&*version.path, &version.source), ("model/MLmodel", &None));
    let path = Registry::open(store.out()).path(&"clf/1".parse().unwrap()).unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "flavors: {}\n");
}

#[test]
fn sources_name_other_runs_and_models() {
    let store = Store::new();
    store.run(ID, "run_name: a\nstatus: 3", &[("artifacts/m/MLmodel", "of a")]);
    store.run(OTHER, "run_name: b\nstatus: 3", &[("artifacts/n/MLmodel", "of b")]);
    store.file("1/models/m-1/meta.yaml", "model_id: m-1\nname: net\n");
    store.file("1/models/m-1/artifacts/MLmodel", "of no run");
    // The run that created the version is not the run with the files.
    version(&store, "a", 1, &format!("source: runs:/{OTHER}/n\nrun_id: {ID}\n"));
    version(&store, "b", 1, "source: models:/a/1\n");
    store.file("models/b/aliases/best", "1");
    version(&store, "c", 1, "source: models:/b@best\n");
    version(&store, "c", 2, &format!("source: models:/m-1\nrun_id: {ID}\n"));
    version(&store, "c", 3, "source: models:/c/3\n"); // refers to itself
    version(&store, "c", 4, "source: models:/none/1\n");
    let imported = store.import();
    assert!(imported.report.is_lossless(), "{:?}", imported.report);
    let registry = Registry::open(store.out());
    let read =
        |name: &str| fs::read_to_string(registry.path(&name.parse().unwrap()).unwrap()).unwrap();
    for name in ["a/1", "b/1", "c/1"] {
        assert_eq!(read(name), "of b", "{name}");
        assert_eq!(found(&store, name).run, "digits/b");
    }
    assert_eq!(read("c/2"), "of no run");
    assert_eq!(found(&store, "c/2").run, "digits");
    for name in ["c/3", "c/4"] {
        assert!(found(&store, name).source.unwrap().starts_with("models:/"), "{name}");
    }
}

#[test]
fn two_versions_of_one_number_are_both_kept() {
    let store = Store::new();
    store.run(ID, "run_name: a\nstatus: 3", &[("artifacts/m/MLmodel", "x")]);
    let source = format!("source: runs:/{ID}/m\nrun_id: {ID}\n");
    // tbx exported version 2 as MLflow's version 1, then somebody added another version.
    version(&store, "net", 1, &source);
    store.file("models/net/version-1/tags/tbx.version", "2");
    version(&store, "net", 2, "source: s3://b/second\n");
    assert_eq!(store.import().models, 2);
    assert_eq!(found(&store, "net/2").path, "m/MLmodel");
    assert_eq!(found(&store, "net/3").source.as_deref(), Some("s3://b/second"));
    assert_eq!(store.import().models, 0);

    // A model with the same name in another store.
    let other = Store::new();
    version(&other, "net", 2, &format!("source: s3://b/other\nrun_id: {OTHER}\n"));
    let source = other.path("");
    let source = source.to_str().unwrap();
    let imported = Import::new().from("mlflow").run(source, &store.out());
    assert_eq!(imported.unwrap().models, 1);
    assert_eq!(found(&store, "net/4").source.as_deref(), Some("s3://b/other"));
}
