//! The data of a caller that keeps all points from a follower.

use std::collections::BTreeMap;

use tbx::{EventFile, Issue, Kind, Loaded, NewPoints, News, Report, RunNews, Values};

use crate::facts::{self, Column, Facts, SeriesFacts, issue_fact};

/// All data that a follower has returned so far.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) runs: BTreeMap<String, KeptRun>,
    pub(crate) issues: Vec<Issue>,
    pub(crate) more_issues: u64,
}

#[derive(Default)]
pub(crate) struct KeptRun {
    pub(crate) files: Vec<EventFile>,
    pub(crate) start_time: Option<f64>,
    pub(crate) series: BTreeMap<(String, Kind, String), SeriesFacts>,
    pub(crate) resets: Vec<String>,
}

impl Kept {
    pub(crate) fn add(&mut self, news: News) {
        for name in news.removed {
            self.runs.remove(&name).expect("only known runs are removed");
        }
        self.issues.extend(news.issues);
        self.more_issues += news.more_issues;
        for run in news.runs {
            self.runs.entry(run.name.clone()).or_default().add(run);
        }
    }

    /// The remaining points, in the same form as a load.
    pub(crate) fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        for (name, run) in &self.runs {
            let files = run.files.iter().map(facts::placeless);
            facts.files.extend(files.map(|file| (name.clone(), file)));
            facts.start_times.push((name.clone(), run.start_time.map(f64::to_bits)));
            facts.series.extend(run.series.values().filter(|s| !s.steps.is_empty()).cloned());
        }
        let mut report = Report::from(self.issues.clone());
        report.sort();
        facts.issues = report.issues.iter().map(issue_fact).collect();
        facts.more_issues = self.more_issues;
        facts
    }
}

impl KeptRun {
    fn add(&mut self, news: RunNews) {
        if let Some(reset) = news.reset {
            self.series.clear();
            self.resets.push(reset.to_string());
        }
        self.files = news.files;
        self.start_time = news.start_time;
        for NewPoints { points, drop_from, .. } in news.series {
            let new = SeriesFacts::of(&news.name, &points);
            let key = (new.tag.clone(), new.metadata.kind, new.metadata.plugin.clone());
            let series = self.series.entry(key);
            let series = series.or_insert_with(|| SeriesFacts {
                steps: vec![],
                wall_times: vec![],
                values: empty(points.values()),
                ..new.clone()
            });
            if let Some(from) = drop_from {
                series.drop_from(from);
            }
            series.append(new);
        }
    }
}

fn empty(values: &Values) -> Column {
    match values {
        Values::Scalars(_) => Column::F32(vec![]),
        Values::Raw(_) => Column::Raw(vec![]),
        _ => Column::Dropped,
    }
}

impl SeriesFacts {
    fn drop_from(&mut self, from: i64) {
        let keeps: Vec<bool> = self.steps.iter().map(|step| *step < from).collect();
        keep(&mut self.steps, &keeps);
        keep(&mut self.wall_times, &keeps);
        match &mut self.values {
            Column::F32(values) => keep(values, &keeps),
            Column::F64(values) => keep(values, &keeps),
            Column::Raw(values) => keep(values, &keeps),
            Column::Dropped => {}
        }
    }

    fn append(&mut self, new: Self) {
        self.steps.extend(new.steps);
        self.wall_times.extend(new.wall_times);
        let wide = |values: &[u32]| -> Vec<u64> {
            values.iter().map(|bits| f64::from(f32::from_bits(*bits)).to_bits()).collect()
        };
        match (&mut self.values, new.values) {
            (Column::F32(values), Column::F32(new)) => values.extend(new),
            (Column::F64(values), Column::F64(new)) => values.extend(new),
            (Column::F64(values), Column::F32(new)) => values.extend(wide(&new)),
            (Column::F32(values), Column::F64(new)) => {
                let mut all = wide(values);
                all.extend(new);
                self.values = Column::F64(all);
            }
            (Column::Raw(values), Column::Raw(new)) => values.extend(new),
            (Column::Dropped, Column::Dropped) => {}
            (old, new) => panic!("{old:?} and {new:?} in one series"),
        }
    }
}

fn keep<T>(column: &mut Vec<T>, keeps: &[bool]) {
    let mut keeps = keeps.iter();
    column.retain(|_| *keeps.next().unwrap());
}

/// The result of a load, without the parts that a follower reports differently.
pub(crate) fn facts_of_load(loaded: &Loaded) -> Facts {
    Facts { restarts: vec![], ..Facts::of(loaded) }
}
