//! The properties of each import from Neptune.

use tbx::LoadOptions;
use tbx_runs::import::Import;

use crate::oracle::open;
use crate::sandbox::{Sandbox, files};

/// Imports what is in the sandbox, twice. Fails if that changes the source, or if the log is not sound or lacks
/// points.
pub fn import_neptune(sandbox: &Sandbox) {
    let (logs, out) = (sandbox.logs(), sandbox.path("out"));
    let import = || Import::new().from("neptune").run(logs.to_str().expect("UTF-8"), &out);
    let before = files(&logs);
    let imported = import();
    assert!(before == files(&logs), "the source was changed");
    if let Ok(imported) = imported {
        let loaded = open(&out).load(&LoadOptions::new()).expect("damage is in the report");
        assert!(loaded.report.is_lossless(), "{:?}", loaded.report.issues);
        let series = loaded.runs.iter().flat_map(|run| &run.series);
        let points: usize = series.filter_map(|series| series.scalars()).map(|all| all.len()).sum();
        assert_eq!(imported.points, points as u64);
        let again = import().expect("it was possible before");
        assert_eq!(again.points, 0, "a second import adds points");
        assert!(again.runs.iter().all(|run| run.was_there));
    }
    sandbox.check(&["out"]);
}
