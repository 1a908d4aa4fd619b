//! Records of hyperparameters: what is read can be written and read again. Changing one value keeps the others.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use tbx::pb::hparams::HParamsPluginData;
use tbx::prost::Message;
use tbx::summary::Kind;
use tbx::summary::hparams::{self, HparamsRecord};
use tbx::{HparamValue, Hparams};
use tbx_fuzz::{metadata, read_back};

fuzz_target!(|data: &[u8]| {
    let Some(record) = read(data) else { return };
    let written = match &record {
        HparamsRecord::Experiment(experiment) => hparams::experiment(experiment, 9.0),
        HparamsRecord::Start(start) => hparams::session_start(start, 9.0),
        HparamsRecord::End(end) => Ok(hparams::session_end(end)),
        other => panic!("{other:?} has no writer"),
    };
    if let Ok(value) = written {
        let (metadata, _) = read_back(&value);
        let mut again = HparamsRecord::read(&metadata).expect("what was written can be read");
        match (&mut again, &record) {
            (HparamsRecord::Experiment(again), HparamsRecord::Experiment(first)) => {
                assert_eq!(again.time_created, first.time_created.or(Some(9.0)));
                again.time_created = first.time_created;
            }
            (HparamsRecord::Start(again), HparamsRecord::Start(first)) => {
                assert_eq!(again.start_time, first.start_time.or(Some(9.0)));
                again.start_time = first.start_time;
            }
            _ => {}
        }
        assert_eq!(text(&again), text(&record));
    }
    if let HparamsRecord::Start(start) = record {
        changes(data, start);
    }
});

fn read(content: &[u8]) -> Option<HparamsRecord> {
    HparamsRecord::read(&metadata(Kind::Hparams, content)).ok()
}

/// NaN is not equal to itself.
fn text(record: &HparamsRecord) -> String {
    format!("{record:?}")
}

fn changes(content: &[u8], start: Hparams) {
    let with = |content: &[u8], value| {
        let values = BTreeMap::from([("new".to_owned(), value)]);
        hparams::with_values(content, &values).expect("a record")
    };
    let nothing = hparams::with_values(content, &BTreeMap::new()).expect("a record");
    // A map with NaN is not equal to itself. Not all of it is in the record.
    let has_nan = format!("{:?}", HParamsPluginData::decode(content)).contains("NaN");
    assert!(nothing.is_none() || has_nan);
    let set = with(content, HparamValue::Number(0.5)).unwrap_or_else(|| content.to_vec());
    let mut expected = start;
    expected.values.insert("new".into(), HparamValue::Number(0.5));
    let changed = read(&set).expect("what was written can be read");
    assert_eq!(text(&changed), text(&HparamsRecord::Start(expected.clone())));
    let removed = with(&set, HparamValue::Unset).expect("it is there");
    expected.values.remove("new");
    let changed = read(&removed).expect("what was written can be read");
    assert_eq!(text(&changed), text(&HparamsRecord::Start(expected)));
}
