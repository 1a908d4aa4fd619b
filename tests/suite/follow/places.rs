//! Values that a follower leaves in the log.

use std::collections::BTreeMap;

use tbx::{Follower, Kind, LoadOptions, Payloads, RawValue, RestartPolicy, ValueReader};

use crate::common::{load, repository};

type Values = BTreeMap<(String, String, Kind), Vec<RawValue>>;

#[test]
fn values_at_the_places_of_a_follower_are_those_of_a_load() {
    for fixture in ["keras", "tensorboardx", "tf1", "tf2", "torch"] {
        let path = repository("fixtures").join(fixture);
        let options = LoadOptions::new().restart(RestartPolicy::KeepAll);
        let mut expected = Values::new();
        for run in load(&path, &options).runs {
            for series in &run.series {
                if let Some(values) = series.raw() {
                    let key = (run.name.clone(), series.tag().to_owned(), series.kind());
                    expected.insert(key, values.to_vec());
                }
            }
        }
        for budget in [1, 2000, 64 << 20] {
            let mut found = Values::new();
            let placed = options.clone().payloads(Payloads::Placed);
            let mut follower = Follower::new(&path, &placed).budget(budget);
            let mut is_last = false;
            while !is_last {
                let mut news = follower.poll();
                if !news.has_more {
                    is_last = true;
                    news.runs.extend(follower.finish().runs);
                }
                for run in &news.runs {
                    let mut reader = ValueReader::of_files(&run.name, &run.files);
                    for points in run.series.iter().map(|new| &new.points) {
                        if points.scalars().is_some() {
                            continue;
                        }
                        let key = (run.name.clone(), points.tag().to_owned(), points.kind());
                        let values = found.entry(key).or_default();
                        values.extend((0..points.len()).map(|i| reader.read(points, i).unwrap()));
                    }
                }
            }
            assert_eq!(found, expected, "{fixture}, {budget} bytes per poll");
        }
        assert!(!expected.is_empty(), "{fixture}");
    }
}
