//! `tbx models`

use super::Folder;

fn logs() -> Folder {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("logs/first/artifacts")).unwrap();
    std::fs::write(folder.path("logs/first/artifacts/model.bin"), b"abc").unwrap();
    folder
}

#[test]
fn models_are_registered_listed_and_found() {
    let folder = logs();
    let empty = folder.tbx("models logs").fine();
    assert_eq!(empty, "no models; tbx models LOGDIR register makes one\n");
    let register = "models logs register clf first model.bin";
    let first = folder.tbx(&format!("{register} --alias champion --stage staging --tag a=b=c"));
    assert_eq!(first.fine(), "clf/1\n");
    assert_eq!(folder.tbx(register).fine(), "clf/2\n");
    assert_eq!(folder.tbx("models logs stage clf/2 Production").fine(), "");
    assert_eq!(folder.tbx("models logs alias clf/latest next").fine(), "");
    let list = folder.tbx("models logs").fine();
    let expected = [
        "model  version  stage       aliases   run    artifact   size  age",
        "clf          1  Staging     champion  first  model.bin   3 B  ",
        "clf          2  Production  next      first  model.bin   3 B  ",
    ];
    for (line, expected) in list.lines().zip(expected) {
        assert!(line.starts_with(expected.trim_end()), "{list}");
    }
    let path = folder.tbx("models logs path clf/champion").fine();
    assert_eq!(std::fs::read(path.trim_end()).unwrap(), b"abc");
    let json = folder.tbx("models logs --format json").fine();
    let json: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(json["aliases"], serde_json::json!(["champion"]));
    assert_eq!((&json["tags"]["a"], &json["size"]), (&"b=c".into(), &3.into()));
    let csv = folder.tbx("models logs --format csv").fine();
    assert!(csv.starts_with("model,version,stage,aliases,run,artifact,size,created,sha256\n"));
    folder.tbx("models logs unalias clf champion").fine();
    folder.tbx("models logs describe clf text").fine();
    folder.tbx("models logs tag clf/2 k=v").fine();
    assert!(folder.tbx("models logs path clf/champion").failed().contains("no \"champion\""));
}

#[test]
fn a_model_that_is_another_now_is_not_given() {
    let folder = logs();
    folder.tbx("models logs register clf first model.bin").fine();
    std::fs::write(folder.path("logs/first/artifacts/model.bin"), b"abd").unwrap();
    let said = folder.tbx("models logs path clf/1").failed();
    assert!(said.contains("not the file that was registered"), "{said}");
    assert!(folder.tbx("models logs register clf no model.bin").failed().contains("no run"));
    assert!(folder.tbx("models logs stage clf/1 ready").failed().contains("no stage"));
}
