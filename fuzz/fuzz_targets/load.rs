//! Every way to read a log gives the same points.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::logdir::{Run, ValueReader};
use tbx::{Checksums, LoadOptions, Logdir, RestartPolicy};
use tbx_fuzz::Logs;

const POLICIES: [RestartPolicy; 4] = [
    RestartPolicy::KeepAll,
    RestartPolicy::SessionStart,
    RestartPolicy::Rustboard,
    RestartPolicy::Tensorboard,
];

/// What a run has, comparable bit by bit.
fn points(run: &Run) -> Vec<(String, String, Vec<i64>, Vec<u64>, Vec<u64>)> {
    let bits = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(f64::to_bits).collect();
    run.series
        .iter()
        .map(|series| {
            let values = series.scalars().map(|scalars| bits(&mut scalars.iter()));
            (
                series.tag().to_owned(),
                format!("{:?}", series.kind()),
                series.steps().to_vec(),
                bits(&mut series.wall_times().iter().copied()),
                values.unwrap_or_default(),
            )
        })
        .collect()
}

fuzz_target!(|logs: Logs| {
    let dir = logs.write();
    let logdir = Logdir::open(dir.path()).expect("the directory is there");
    for policy in POLICIES {
        let options = LoadOptions::new().restart(policy);
        let ways = [
            options.clone(),
            options.clone().buffered(true),
            options.clone().payloads(false),
            options.clone().places(),
            options.clone().checksums(Checksums::All),
        ];
        let mut first: Option<Vec<_>> = None;
        for (i, way) in ways.iter().enumerate() {
            let loaded = logdir.load(way).expect("damage is in the report");
            let all: Vec<_> =
                loaded.runs.iter().map(|run| (run.name.clone(), points(run))).collect();
            for run in &loaded.runs {
                let mut reader = ValueReader::new(run);
                for series in run.series.iter().filter(|series| series.places().is_some()) {
                    for point in 0..series.len() {
                        reader.read(series, point).expect("the value is where it was found");
                    }
                }
            }
            match &first {
                None => first = Some(all),
                Some(first) => assert_eq!(first, &all, "{policy:?}, way {i}"),
            }
        }
    }
});
