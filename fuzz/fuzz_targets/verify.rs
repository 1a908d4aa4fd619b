//! `verify` ends, and says the same twice.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::Logdir;
use tbx::verify::Verify;
use tbx_fuzz::Logs;

fuzz_target!(|logs: Logs| {
    let dir = logs.write();
    let logdir = Logdir::open(dir.path()).expect("the directory is there");
    let first = format!("{:?}", Verify::new().check(&logdir).findings);
    assert_eq!(first, format!("{:?}", Verify::new().check(&logdir).findings));
});
