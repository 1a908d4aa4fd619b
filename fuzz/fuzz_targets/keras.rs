//! Keras models: a model that is taken is JSON with a list of layers, and is read back as it was written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::KerasModel;
use tbx::summary::graph::keras;
use tbx_fuzz::read_back;

fuzz_target!(|data: &[u8]| {
    let Ok(json) = str::from_utf8(data) else { return };
    let Ok(model) = KerasModel::from_json(json) else { return };
    let parsed: serde_json::Value = serde_json::from_str(json).expect("a model is JSON");
    assert!(parsed["config"]["layers"].is_array());
    assert!(parsed["config"]["name"].is_string());
    let (_, value) = read_back(&keras::v2("model", &model));
    assert_eq!(KerasModel::read(&value).expect("what was written can be read").json(), json);
});
