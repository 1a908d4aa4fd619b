//! Tables of anything are made, and CSV has as many cells in each row as in its header.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::export::{Export, TABLES, TARGETS};
use tbx::table::{Folding, RunTable};
use tbx::{LoadOptions, Logdir};
use tbx_fuzz::{Logs, scratch};

fuzz_target!(|logs: Logs| {
    let dir = logs.write();
    let logdir = Logdir::open(dir.path()).expect("the directory is there");
    for folding in [Folding::Known, Folding::None] {
        RunTable::load(&logdir, &LoadOptions::new(), folding).expect("damage is in the report");
    }
    let out = scratch();
    for target in TARGETS {
        let export = Export::new(target).tables(TABLES);
        let to = out.path().join(target.name);
        if let Ok(done) = export.write(&logdir, &LoadOptions::new(), &to) {
            done.finish().expect("nothing else writes there");
        }
    }
});
