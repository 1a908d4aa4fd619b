//! Restart policies: the points that are kept of a program that was interrupted and resumed.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use tbx::pb::{self, event::What, session_log::SessionStatus, summary::value::Value};
use tbx::summary::scalar;
use tbx::summary::text::{self, Text};
use tbx::{Kind, LoadOptions, Loaded, RestartDrop, RestartPolicy, TimeSeries};

use crate::common::{cases, file_version, load, log_of, record, repository, summary};

/// The restart table of `fixtures/restarts`: run, tag, and the points that each policy keeps, as
/// step@value. Values number the events of the log, with an offset of 100 per file.
const TABLE: &[[&str; 6]] = &[
    // run, tag, keep-all, session-start, tensorboard, rustboard
    ["same_step_repeated", "a", "1@0 1@1 1@2 2@3", "1@0 1@1 1@2 2@3", "1@0 1@1 1@2 2@3", "1@2 2@3"],
    [
        "steps_go_back_without_start",
        "a",
        "1@0 2@1 3@2 4@3 5@4 3@5 4@6",
        "1@0 2@1 3@2 4@3 5@4 3@5 4@6",
        "1@0 2@1 3@2 4@3 5@4 3@5 4@6",
        "1@0 2@1 3@5 4@6",
    ],
    ["one_start", "a", "1@0 2@1 3@2 2@4 3@5", "1@0 2@4 3@5", "1@0 2@1 3@2 2@4 3@5", "1@0 2@4 3@5"],
    ["start_at_zero_then_start", "a", "1@1 2@2 3@3 5@6", "1@1 5@6", "1@1 5@6", "1@1 2@2 3@3 5@6"],
    ["start_at_zero_then_start", "b", "3@4", "", "", "3@4"],
    ["resumed_once", "a", "1@0 2@1 3@2 2@101", "1@0 2@101", "1@0 2@1 3@2 2@101", "1@0 2@101"],
    ["resumed_once", "b", "3@3", "", "3@3", "3@3"],
    [
        "resumed_twice",
        "a",
        "1@0 2@1 3@2 2@101 4@201",
        "1@0 2@101 4@201",
        "1@0 2@1 2@101 4@201",
        "1@0 2@101 4@201",
    ],
    ["resumed_twice", "b", "3@3", "", "", "3@3"],
    [
        "two_files_interleaved",
        "a",
        "1@0 3@1 5@2 2@100 4@101 6@102",
        "1@0 3@1 5@2 2@100 4@101 6@102",
        "1@0 3@1 5@2 2@100 4@101 6@102",
        "1@0 2@100 4@101 6@102",
    ],
    [
        "no_file_version",
        "a",
        "1@0 2@1 3@2 4@3 5@4 3@5 4@6",
        "1@0 2@1 3@5 4@6",
        "1@0 2@1 3@5 4@6",
        "1@0 2@1 3@5 4@6",
    ],
    [
        "file_version_1",
        "a",
        "1@0 2@1 3@2 4@3 5@4 3@6 4@7",
        "1@0 2@1 3@6 4@7",
        "1@0 2@1 3@2 4@3 5@4 3@6 4@7",
        "1@0 2@1 3@6 4@7",
    ],
    ["file_version_1", "b", "1@5", "1@5", "1@5", "1@5"],
    [
        "file_version_unreadable",
        "a",
        "1@0 2@1 3@2 4@3 5@4 3@6 4@7",
        "1@0 2@1 3@6 4@7",
        "1@0 2@1 3@2 4@3 5@4 3@6 4@7",
        "1@0 2@1 3@6 4@7",
    ],
    [
        "file_version_bare_2",
        "a",
        "1@0 2@1 3@2 4@3 5@4 3@6 4@7",
        "1@0 2@1 3@2 4@3 5@4 3@6 4@7",
        "1@0 2@1 3@2 4@3 5@4 3@6 4@7",
        "1@0 2@1 3@6 4@7",
    ],
];

const POLICIES: [RestartPolicy; 4] = [
    RestartPolicy::KeepAll,
    RestartPolicy::SessionStart,
    RestartPolicy::Tensorboard,
    RestartPolicy::Rustboard,
];

#[test]
fn the_restart_table_holds_row_by_row() {
    assert_eq!(POLICIES.len(), RestartPolicy::ALL.len());
    for (column, policy) in POLICIES.into_iter().enumerate() {
        let loaded = load_with(&repository("fixtures/restarts"), policy);
        for row in TABLE {
            let [run, tag, columns @ ..] = row;
            let run = loaded.runs.iter().find(|found| found.name == *run).unwrap();
            let found = run.get(tag).map(points).unwrap_or_default();
            let found: Vec<_> = found.iter().map(|(s, v)| format!("{s}@{v}")).collect();
            assert_eq!(found.join(" "), columns[column], "{}: {} {tag}", policy.name(), run.name);
        }
    }
}

#[test]
fn every_run_of_the_restart_fixtures_is_in_the_table() {
    let loaded = load_with(&repository("fixtures/restarts"), RestartPolicy::KeepAll);
    for run in &loaded.runs {
        assert!(TABLE.iter().any(|[name, ..]| *name == run.name), "{}", run.name);
    }
}

fn load_with(dir: &std::path::Path, policy: RestartPolicy) -> Loaded {
    load(dir, &LoadOptions::new().restart(policy))
}

/// Step and value of each point, whether it was logged as a number, as text or in an unknown form.
fn points(series: &TimeSeries) -> Vec<(i64, u64)> {
    let raw = series.raw().unwrap_or_default().iter();
    let values: Vec<u64> = match series.kind() {
        Kind::Scalar => series.scalars().unwrap().iter().map(|value| value as u64).collect(),
        Kind::Text => raw.map(|raw| Text::read(raw).unwrap().strings[0].parse().unwrap()).collect(),
        _ => raw.map(|raw| raw.tensor().unwrap().float_val[0] as u64).collect(),
    };
    series.steps().iter().copied().zip(values).collect()
}

/// The tags in the logs for the model: v1 scalars, texts, and v2 scalars with possibly late
/// metadata.
const TAGS: [&str; 4] = ["a", "b", "late", "text"];

#[derive(Debug, Clone)]
enum Logged {
    Version(&'static str),
    Session(SessionStatus, i64),
    /// One value for each of these tags, which may repeat.
    Values(Vec<usize>, i64),
    Nothing(i64),
}

fn any_log() -> impl Strategy<Value = Vec<Vec<Logged>>> {
    let step = || prop_oneof![8 => 0i64..8, 1 => -3i64..3];
    let version = || {
        prop::sample::select(vec!["brain.Event:2", "brain.Event:1", "2", "brain.Event:x"])
            .prop_map(Logged::Version)
    };
    let first = prop_oneof![
        3 => Just(vec![Logged::Version("brain.Event:2")]),
        2 => Just(vec![]),
        1 => version().prop_map(|version| vec![version]),
    ];
    let event = prop_oneof![
        20 => (vec(0..TAGS.len(), 0..4), step()).prop_map(|(tags, s)| Logged::Values(tags, s)),
        3 => step().prop_map(|step| Logged::Session(SessionStatus::Start, step)),
        1 => step().prop_map(|step| Logged::Session(SessionStatus::Stop, step)),
        1 => step().prop_map(Logged::Nothing),
        1 => version(),
    ];
    vec((first, vec(event, 0..20)).prop_map(|(first, rest)| [first, rest].concat()), 1..4)
}

fn encode(logged: &Logged, value: &mut u64) -> Vec<u8> {
    let (step, what) = match logged {
        Logged::Version(text) => (0, Some(What::FileVersion((*text).into()))),
        Logged::Session(status, step) => {
            let log = pb::SessionLog { status: (*status).into(), ..Default::default() };
            (*step, Some(What::SessionLog(log)))
        }
        Logged::Values(tags, step) => {
            let values = tags.iter().map(|tag| {
                *value += 1;
                match TAGS[*tag] {
                    "text" => text::v2("text", &value.to_string()),
                    "late" => {
                        let late = scalar::v2("late", *value as f32);
                        let metadata = late.metadata.filter(|_| value.is_multiple_of(4));
                        pb::summary::Value { metadata, ..late }
                    }
                    tag => pb::summary::Value {
                        tag: tag.into(),
                        value: Some(Value::SimpleValue(*value as f32)),
                        ..Default::default()
                    },
                }
            });
            (*step, Some(What::Summary(pb::Summary { value: values.collect() })))
        }
        Logged::Nothing(step) => (*step, None),
    };
    record(&pb::Event { wall_time: 1.7e9, step, what, ..Default::default() }.encode_to_vec())
}

/// Imitates TensorBoard's readers, event by event (`_MaybePurgeOrphanedData` in
/// `event_accumulator.py` and `plugin_event_accumulator.py`, `StageTimeSeries` in `run.rs`).
struct Model {
    policy: RestartPolicy,
    version: f64,
    most_recent: i64,
    seen_start: bool,
    stored: [Vec<(i64, u64)>; TAGS.len()],
}

impl Model {
    fn of(policy: RestartPolicy, files: &[Vec<Logged>]) -> Self {
        let stored = Default::default();
        let mut model = Self { policy, version: 0.0, most_recent: -1, seen_start: false, stored };
        let mut value = 0;
        files.iter().flatten().for_each(|logged| model.event(logged, &mut value));
        model
    }

    fn event(&mut self, logged: &Logged, value: &mut u64) {
        let (step, tags) = match logged {
            Logged::Version(text) => {
                self.version = text.replace("brain.Event:", "").parse().unwrap_or(-1.0);
                (0, None)
            }
            Logged::Values(tags, step) => (*step, Some(tags.as_slice())),
            Logged::Session(_, step) | Logged::Nothing(step) => (*step, None),
        };
        let is_start = matches!(logged, Logged::Session(SessionStatus::Start, _));
        if matches!(self.policy, RestartPolicy::SessionStart | RestartPolicy::Tensorboard) {
            if self.version >= 2.0 {
                let ignored = self.policy == RestartPolicy::Tensorboard && !self.seen_start;
                if is_start && !ignored {
                    (0..TAGS.len()).for_each(|tag| self.purge(tag, step));
                }
                self.seen_start |= is_start;
            } else {
                let goes_back = tags.is_some() && step < self.most_recent;
                if let Some(tags) = tags.filter(|_| goes_back) {
                    tags.iter().for_each(|tag| self.purge(*tag, step));
                }
                if !goes_back || self.policy == RestartPolicy::Tensorboard {
                    self.most_recent = step;
                }
            }
        }
        for tag in tags.unwrap_or_default() {
            *value += 1;
            if self.policy == RestartPolicy::Rustboard {
                self.purge(*tag, step);
            }
            self.stored[*tag].push((step, *value));
        }
    }

    fn purge(&mut self, tag: usize, step: i64) {
        self.stored[tag].retain(|(stored, _)| *stored < step);
    }
}

/// Run, tag, number of points, first and last step of a [`RestartDrop`].
type Drop = (String, String, usize, i64, i64);

fn facts(drop: &RestartDrop) -> Drop {
    (drop.run.clone(), drop.tag.clone(), drop.points, drop.first_step, drop.last_step)
}

/// The points of `all` that are missing in `kept`.
fn dropped(tag: &str, all: &[(i64, u64)], kept: &[(i64, u64)]) -> Option<Drop> {
    let lacking = all.iter().filter(|point| !kept.contains(point)).map(|(step, _)| *step);
    let (first_step, last_step) = (lacking.clone().min()?, lacking.clone().max()?);
    Some((".".into(), tag.into(), lacking.count(), first_step, last_step))
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn every_policy_keeps_what_the_reader_of_its_name_keeps(files in any_log()) {
        let dir = tempfile::tempdir().unwrap();
        let mut value = 0;
        for (i, file) in files.iter().enumerate() {
            let log: Vec<u8> = file.iter().flat_map(|event| encode(event, &mut value)).collect();
            std::fs::write(dir.path().join(format!("events.out.tfevents.{i}")), log).unwrap();
        }
        let all = Model::of(RestartPolicy::KeepAll, &files);
        for policy in POLICIES {
            let model = Model::of(policy, &files);
            let loaded = load_with(dir.path(), policy);
            prop_assert!(loaded.report.issues.is_empty());
            let mut drops = Vec::new();
            for (i, tag) in TAGS.into_iter().enumerate() {
                let found = loaded.runs[0].get(tag).map(points).unwrap_or_default();
                prop_assert_eq!(&found, &model.stored[i], "{} {}", policy.name(), tag);
                drops.extend(dropped(tag, &all.stored[i], &model.stored[i]));
            }
            let found: Vec<_> = loaded.report.restarts.iter().map(facts).collect();
            prop_assert_eq!(found, drops, "{}", policy.name());
        }
    }
}

/// A value without metadata belongs to the first series of its tag in the run, not in its file.
#[test]
fn values_without_metadata_are_of_one_series_however_a_run_is_cut_into_files() {
    let tensor = |step: i64, plugin: Option<&str>| {
        let metadata = plugin.map(|plugin| pb::SummaryMetadata {
            plugin_data: Some(pb::summary_metadata::PluginData {
                plugin_name: plugin.into(),
                ..Default::default()
            }),
            ..Default::default()
        });
        let value = Some(Value::Tensor(pb::TensorProto {
            dtype: 1,
            tensor_content: 0.5f32.to_le_bytes().to_vec().into(),
            ..Default::default()
        }));
        summary(
            step,
            vec![pb::summary::Value { tag: "x".into(), metadata, value, ..Default::default() }],
        )
    };
    // Two kinds, with values without metadata in between.
    let plugins =
        [Some("mine"), None, Some("scalars"), None, Some("scalars"), None, Some("mine"), None];
    let records: Vec<_> = (0..).zip(plugins).map(|(step, plugin)| tensor(step, plugin)).collect();
    let loaded = |dir: &Path| {
        let loaded = load(dir, &LoadOptions::new().restart(RestartPolicy::KeepAll));
        let series = &loaded.runs[0].series;
        series.iter().map(|series| (series.kind(), series.steps().to_vec())).collect::<Vec<_>>()
    };
    let whole = log_of(&[file_version(), records.concat()].concat());
    let expected = loaded(whole.path());
    assert_eq!(expected.len(), 2, "{expected:?}");
    for cut in 1..records.len() {
        let dir = log_of(&[file_version(), records[..cut].concat()].concat());
        let second = [file_version(), records[cut..].concat()].concat();
        std::fs::write(dir.path().join("events.out.tfevents.1900000000.later"), second).unwrap();
        assert_eq!(loaded(dir.path()), expected, "cut before record {cut}");
    }
}
