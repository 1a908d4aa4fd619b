//! Archives of logs come back as they were, and damaged ones write nothing elsewhere.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tbx::archive::{Pack, Restore};
use tbx_fuzz::{Logs, files, scratch};

#[derive(Debug, Arbitrary)]
struct Input {
    logs: Logs,
    flips: Vec<(u16, u8)>,
    cut: Option<u16>,
}

fuzz_target!(|input: Input| {
    let dir = scratch();
    let (logs, packed) = (dir.path().join("logs"), dir.path().join("a.tar.zst"));
    std::fs::create_dir(&logs).expect("a new directory");
    input.logs.write_to(&logs);
    let Ok(archive) = Pack::find(&logs) else { return };
    if archive.write(&packed).is_err() {
        return;
    }
    let back = dir.path().join("back");
    Restore::new(&packed).to(&back).expect("the archive is sound");
    let mut bytes = std::fs::read(&packed).expect("it was written");
    for (at, bit) in &input.flips {
        let len = bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(usize::from(*at) % len) {
            *byte ^= 1 << (bit % 8);
        }
    }
    if let Some(cut) = input.cut {
        bytes.truncate(cut.into());
    }
    let box_ = scratch();
    let damaged = box_.path().join("damaged.tar.zst");
    std::fs::write(&damaged, bytes).expect("a new file");
    let _ = Restore::new(&damaged).to(&box_.path().join("back"));
    let outside: Vec<_> = files(box_.path())
        .into_iter()
        .filter(|(path, _)| !path.starts_with(box_.path().join("back")) && *path != damaged)
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
});
