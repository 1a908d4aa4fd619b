//! Files next to logs: hyperparameters, metadata, registries, projector configurations.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::meta::RunMeta;
use tbx::registry::Registry;
use tbx_fuzz::scratch;

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (name, content) = input;
    let names = ["hparams.yaml", "tbx.json", "tbx.registry.json", "projector_config.pbtxt"];
    let dir = scratch();
    let name = names[usize::from(name) % names.len()];
    let _ = std::fs::write(dir.path().join(name), &content);
    let _ = std::fs::write(dir.path().join("events.out.tfevents.1.h"), b"");
    if let Ok(Some(meta)) = RunMeta::read(dir.path()) {
        let json = meta.to_json().expect("what was read can be written");
        assert_eq!(RunMeta::from_json(json.as_bytes()).expect("and read"), meta);
    }
    if let Ok(logdir) = tbx::Logdir::open(dir.path()) {
        for run in logdir.load(&tbx::LoadOptions::new().with_run_meta()).expect("reported").runs {
            let _ = run.meta();
            let _ = run.embeddings();
        }
    }
    let _ = Registry::open(dir.path()).models();
});
