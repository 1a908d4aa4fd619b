//! `repair` makes logs that need no other repair, and neither it nor `edit` touches anything else.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::edit::{Destination, Edit, repair};
use tbx::{Logdir, RestartPolicy};
use tbx_fuzz::{Logs, files, scratch};

fuzz_target!(|logs: Logs| {
    let dir = logs.write();
    let before = files(dir.path());
    let logdir = Logdir::open(dir.path()).expect("the directory is there");
    let outside = scratch();
    let (one, two) = (outside.path().join("one"), outside.path().join("two"));
    if repair(&logdir, Destination::Folder(&one), true).is_ok() && one.is_dir() {
        let repaired = Logdir::open(&one).expect("it was written");
        let again = repair(&repaired, Destination::Folder(&two), true).expect("it is sound");
        assert!(again.files.iter().all(|file| file.is_sound()), "{:?}", again.files);
    }
    let edited = outside.path().join("edited");
    let options = Edit::new().shift_steps(1).compact(RestartPolicy::SessionStart);
    let _ = options.apply(&logdir, Destination::Folder(&edited));
    assert_eq!(before, files(dir.path()), "the log itself was changed");
    let there: Vec<_> = std::fs::read_dir(outside.path()).into_iter().flatten().flatten().collect();
    assert!(there.len() <= 3, "{there:?}");
});
