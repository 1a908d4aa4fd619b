//! Sparse files, which are long but take no disk space: their length must not decide how much is
//! read into memory.

use std::fs::{self, File};
use std::io::Write;

use tbx::Kind;

use super::{ID, Store, meta};
use crate::common::load;

/// As much as the memory of some machines.
const HUGE: u64 = 4 << 30;
/// Longer than the part of an image or of metadata that is read from artifacts; still copied.
const LONG: u64 = 40 << 20;

impl Store {
    /// A file that begins with `start` and has a hole up to `len` bytes.
    fn sparse(&self, name: &str, start: &[u8], len: u64) {
        self.file(name, "");
        let mut file = File::create(self.path(name)).unwrap();
        file.write_all(start).unwrap();
        file.set_len(len).unwrap();
    }
}

#[test]
fn values_and_metadata_of_any_length_cost_themselves_only() {
    let store = Store::new();
    let files = [("params/lr", "0.1"), ("tags/a", "b"), ("metrics/loss", "1700000000000 0.5 1\n")];
    store.run(ID, "run_name: a\nstatus: 3", &files);
    let run = format!("1/{ID}");
    let long = [
        format!("{run}/params/long"),
        format!("{run}/params/a/longer"),
        format!("{run}/tags/long"),
        format!("{run}/inputs/x/meta.yaml"),
        "1/tags/long".to_owned(),
        "models/m/meta.yaml".to_owned(),
        "2/meta.yaml".to_owned(),
    ];
    for name in &long {
        store.sparse(name, b"name: x\n", HUGE);
    }
    let imported = store.import();
    let said = format!("{:?}", imported.report.issues);
    for name in &long {
        assert!(said.contains(name.as_str()), "{name} is not in {said}");
    }
    assert_eq!((imported.runs.len(), imported.points), (1, 1));
    let meta = meta(&store.out().join("digits/a"));
    assert_eq!(meta.params.keys().collect::<Vec<_>>(), ["lr"]);
    assert_eq!(meta.tags["a"], "b");
}

#[test]
fn an_artifact_of_any_length_is_copied_and_not_read_into_memory() {
    let store = Store::new();
    store.run(ID, "run_name: a\nstatus: 3", &[]);
    let artifacts = format!("1/{ID}/artifacts");
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0".to_vec();
    let image = |name: &str| format!("{artifacts}/images/{name}%step%1%timestamp%2%u.png");
    store.sparse(&image("long"), &png, LONG);
    store.sparse(&image("short"), &png, 100);
    store.sparse(
        &format!("{artifacts}/tbx/tbx.json"),
        br#"{"schema": "tbx.run/1", "name": "x"}"#,
        LONG,
    );
    let imported = store.import();
    assert_eq!(imported.runs.len(), 1, "{:?}", imported.report.issues);
    let dir = store.out().join("digits/a");
    let long = dir.join("artifacts/images").read_dir().unwrap().flatten();
    let lengths: Vec<_> = long.map(|entry| fs::metadata(entry.path()).unwrap().len()).collect();
    assert!(lengths.contains(&LONG), "{lengths:?}");
    // Only the short one becomes an image in the log, and the name in the long file is not used.
    let loaded = load(&dir, &tbx::LoadOptions::new());
    let images = loaded.runs[0].series.iter().filter(|series| series.kind() == Kind::Image);
    assert_eq!(images.map(|series| series.tag()).collect::<Vec<_>>(), ["short"]);
    assert_eq!(meta(&dir).name.as_deref(), Some("a"));
}
