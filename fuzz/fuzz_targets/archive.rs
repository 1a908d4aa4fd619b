//! Logs that are archived and restored are unchanged. Damaged or hostile archives are restored completely
//! or not at all, and never outside the output. Only artifacts are removed, and none that a registry names.

#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tar::{EntryType, Header};
use tbx_fuzz::{Input, Logs, Sandbox, files};
use tbx_runs::archive::{Pack, Restore, Rules};

/// Maximum number of unpacked bytes: small enough that an archive from an input can exceed it.
const MAX_BYTES: u64 = 1 << 20;

/// Packs, restores, restores again, and removes.
fn there_and_back(sandbox: &Sandbox, logs: &Logs) {
    logs.write_to(&sandbox.logs());
    let before = files(&sandbox.logs());
    let (packed, back) = (sandbox.path("a.tar.zst"), sandbox.path("back"));
    let pack = Pack::find(&sandbox.logs()).expect("it is there").force(true);
    let Ok(done) = pack.run(&packed) else {
        return sandbox.check(&[]);
    };
    let restored = Restore::new(&packed).run(&back).expect("the archive is sound");
    assert_eq!((restored.files, restored.same), (done.files, 0));
    for (path, content) in files(&back) {
        assert_eq!(before.get(&path), Some(&content), "{}", path.display());
    }
    let again = Restore::new(&packed).run(&back).expect("it was possible before");
    assert_eq!((again.files, again.same), (0, done.files));
    assert!(before == files(&sandbox.logs()), "the log was changed");
    // After removing and restoring, everything is there again.
    let removed = Pack::find(&sandbox.logs()).expect("it is there").force(true).remove(true);
    if removed.run(&packed).is_ok() {
        Restore::new(&packed).overwrite(true).run(&sandbox.logs()).expect("the archive is sound");
        let after = files(&sandbox.logs());
        for (path, content) in &before {
            assert_eq!(after.get(path), Some(content), "{} is gone", path.display());
        }
    }
    sandbox.check(&["a.tar.zst", "back"]);
}

/// Restores arbitrary bytes: either everything is written, or nothing.
fn restore(sandbox: &Sandbox, packed: &[u8]) {
    let (archive, back) = (sandbox.path("a.tar.zst"), sandbox.path("back"));
    fs::write(&archive, packed).expect("a new file");
    let restore = Restore::new(&archive).max_bytes(MAX_BYTES);
    let mut listed = 0;
    let list = restore.list(|entry| {
        listed += usize::from(!entry.is_dir);
        Ok(())
    });
    let restored = restore.run(&back);
    match restored {
        Ok(restored) => {
            assert!(list.is_ok());
            assert_eq!(restored.files + restored.same, listed);
            let again = restore.run(&back).expect("it was possible before");
            assert_eq!((again.files, again.same), (0, listed));
        }
        Err(_) => assert!(files(&back).is_empty(), "a part was written: {:?}", files(&back)),
    }
    let _ = restore.runs();
    sandbox.check(&["a.tar.zst", "back"]);
}

/// An archive with names and entry types from the input.
fn hostile(input: &mut Input<'_>) -> Vec<u8> {
    const NAMES: [&str; 12] = [
        "a/events.out.tfevents.1.h",
        "a/tbx.json",
        "a/artifacts/model.bin",
        "a",
        "a/",
        "../outside/secret",
        "/dev/shm/tbx-fuzz",
        "a/../../outside/new",
        "./a/./tbx.json",
        "a//tbx.json",
        ".tbx~1-1.job",
        "a/.tbx~1-2.new/x",
    ];
    let mut tar = Vec::new();
    for _ in 0..12 {
        if input.is_empty() {
            break;
        }
        let mut header =
            if input.byte() % 2 == 0 { Header::new_gnu() } else { Header::new_ustar() };
        let name: &[u8] = match input.byte() {
            200.. => input.bytes(),
            i => NAMES[usize::from(i) % NAMES.len()].as_bytes(),
        };
        let len = name.len().min(100);
        header.as_old_mut().name[..len].copy_from_slice(&name[..len]);
        let kind = match input.byte() {
            kind @ 0..=9 => b'0' + kind,
            kind @ 10..=20 => b"gxLKVSMND\0"[usize::from(kind) % 10],
            kind @ 250.. => kind,
            _ => b'0',
        };
        header.set_entry_type(EntryType::new(kind));
        let content = input.bytes();
        let size = match input.byte() {
            250.. => input.i64() as u64,
            _ => content.len() as u64,
        };
        header.set_size(size);
        header.set_mode(u32::from(input.u16()));
        header.set_mtime(u64::from(input.u16()));
        let link = input.pick(&["", "../../outside", "/dev/zero", "a"]);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    if input.byte() % 4 != 0 {
        tar.resize(tar.len() + 1024, 0);
    }
    for _ in 0..input.below(4) {
        let at = usize::from(input.u16()) % tar.len().max(1);
        if let Some(byte) = tar.get_mut(at) {
            *byte = input.byte();
        }
    }
    zstd::encode_all(&tar[..], 1).expect("memory")
}

/// Removes the artifacts that rules select; everything else stays.
fn collect(sandbox: &Sandbox, logs: &Logs) {
    logs.write_to(&sandbox.logs());
    let before = files(&sandbox.logs());
    if let Ok(candidates) = Rules::new().larger_than(0).find(&sandbox.logs()) {
        let may_go: Vec<_> = candidates.files.iter().map(|file| file.path.clone()).collect();
        let _ = candidates.remove();
        let after = files(&sandbox.logs());
        for (path, content) in before {
            let is_artifact = path.iter().any(|part| part == "artifacts");
            let is_gone = after.get(&path) != Some(&content);
            let is_side_file = path.file_name().is_some_and(|name| name == "tbx.json");
            assert!(!is_gone || is_artifact || is_side_file, "{} changed", path.display());
            let may = may_go.iter().any(|file| file.ends_with(&path));
            assert!(!is_gone || may || is_side_file, "{} was no candidate", path.display());
        }
    }
    sandbox.check(&[]);
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let sandbox = Sandbox::new(data);
    match input.below(6) {
        0 | 1 => there_and_back(&sandbox, &Logs::read(&mut input)),
        2 => collect(&sandbox, &Logs::read(&mut input)),
        3 => restore(&sandbox, input.rest()),
        _ => {
            let packed = hostile(&mut input);
            restore(&sandbox, &packed);
            assert!(
                !Path::new("/dev/shm/tbx-fuzz").exists(),
                "a file was written to an absolute path"
            );
        }
    }
});
