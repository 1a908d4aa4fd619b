//! Side files: everything that is read can be written and read again with the same result. Nothing outside
//! the run is read.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use tbx::meta::{ExperimentMeta, RunMeta};
use tbx::{LoadOptions, Logdir};
use tbx_fuzz::{Input, Sandbox, files, write};
use tbx_runs::registry::Registry;

const NAMES: [&str; 8] = [
    "hparams.yaml",
    "tbx.json",
    "tbx.registry.json",
    "tbx.experiment.json",
    "projector_config.pbtxt",
    "tensors.tsv",
    "metadata.tsv",
    "tensors.bytes",
];

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let sandbox = Sandbox::new(data);
    let dir = sandbox.logs();
    fs::write(dir.join("events.out.tfevents.1.h"), b"").expect("a new file");
    for _ in 0..4 {
        let name = input.pick(&NAMES);
        let content = if input.byte() % 2 == 0 { input.rest() } else { input.bytes() };
        write(&dir, &dir.join(name), content);
    }
    let before = files(&dir);

    if let Ok(Some(meta)) = RunMeta::read(&dir)
        && let Ok(json) = meta.to_json()
    {
        let again = RunMeta::from_json(json.as_bytes()).expect("what was written can be read");
        assert_eq!(json, again.to_json().expect("and written"));
    }
    if let Ok(Some(meta)) = ExperimentMeta::read(&dir) {
        let other = sandbox.path("experiment");
        fs::create_dir(&other).expect("a new directory");
        if meta.write(&other).is_ok() {
            let again = ExperimentMeta::read(&other).expect("what was written can be read");
            assert_eq!(Some(meta.name), again.map(|meta| meta.name));
        }
    }
    let logdir = Logdir::open(&dir).expect("it is there");
    for run in logdir.load(&LoadOptions::new()).expect("damage is in the report").runs {
        let (meta, _) = run.meta();
        let (again, _) = run.meta();
        assert_eq!(format!("{meta:?}"), format!("{again:?}"));
        for saved in run.embeddings().unwrap_or_default() {
            if let Ok(embedding) = saved.load() {
                assert_eq!(format!("{:?}", saved.load().ok()), format!("{:?}", Some(embedding)));
            }
        }
    }
    tbx_runs::verify::Verify::new().run(&logdir);
    let registry = Registry::open(&dir);
    let models = registry.models();
    assert_eq!(before, files(&dir), "a file was changed");
    if let Ok(mut models) = models
        && let Some(name) = models.keys().next().cloned()
        && registry.describe_model(&name, "new").is_ok()
    {
        let mut again = registry.models().expect("what was written can be read");
        assert_eq!(again.get(&name).and_then(|model| model.description.as_deref()), Some("new"));
        models.remove(&name);
        again.remove(&name);
        assert_eq!(format!("{models:?}"), format!("{again:?}"), "another model was changed");
    }
    sandbox.check(&["experiment"]);
});
