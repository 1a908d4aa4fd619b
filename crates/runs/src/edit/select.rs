//! A first pass over a run: selects the values to keep, where that depends on the whole series.

use std::collections::HashMap;
use std::io;

use super::Edit;
use super::job::Job;
use super::sessions::{Cursor, NewSteps};
use super::value::kind;
use crate::table::Sampling;
use tbx::error::{Result, failed};
use tbx::event::{EventRef, Number, Payload, ValueRef, What, WholeEvents};
use tbx::logdir::{Found, Order, RestartPolicy, Restarts, kept, walk};
use tbx::summary::graph::RUN_GRAPH_TAG;
use tbx::summary::{Kind, scalar};

/// For each tag, which values are kept, in the order of the run.
pub(super) type Selections = HashMap<Box<str>, Vec<bool>>;

/// The facts about a series that matter here.
#[derive(Default)]
struct Points {
    kind: Option<Kind>,
    steps: Vec<i64>,
    /// The numbers, if a method needs them; NaN for values that are not numbers.
    numbers: Vec<f64>,
    /// Indices of the points that are not real points: values in a form that no reader shows, which
    /// hide earlier points from RustBoard.
    marks: Vec<usize>,
    restarts: Restarts,
    epoch: usize,
    reset: u64,
}

struct Pass<'e> {
    edit: &'e Edit,
    new_steps: Cursor<'e>,
    events: WholeEvents,
    policy: RestartPolicy,
    needs_numbers: bool,
    order: Order,
    starts: Vec<i64>,
    resets: u64,
    series: HashMap<Box<str>, Points>,
}

/// Selects the values of `run` to keep; `steps` are the new steps of its sessions.
pub(super) fn select(edit: &Edit, run: &Job, steps: Option<&NewSteps>) -> Result<Selections> {
    let policy = edit.compact.unwrap_or(RestartPolicy::KeepAll);
    let mut pass = Pass {
        edit,
        new_steps: Cursor::new(steps),
        events: WholeEvents::default(),
        policy,
        needs_numbers: edit.samplings.iter().any(|(_, sampling)| sampling.needs_numbers()),
        order: Order::new(policy),
        starts: Vec::new(),
        resets: 0,
        series: HashMap::new(),
    };
    for (number, path) in run.files.iter().enumerate() {
        pass.new_steps.file(number);
        let walked = walk(path, |found| {
            if let Found::Record { payload, .. } = found {
                pass.new_steps.record();
                pass.event(payload);
            }
            Ok::<_, io::Error>(())
        });
        walked.map_err(|error| failed(error, path))?;
    }
    let Pass { starts, series, .. } = pass;
    let select = |(tag, points): (Box<str>, Points)| {
        let sampling = edit.sampling(points.kind.unwrap_or(Kind::Tensor));
        (tag, points.select(policy, &starts, sampling))
    };
    Ok(series.into_iter().map(select).collect())
}

impl Pass<'_> {
    /// Processes an event, if the payload is one.
    fn event(&mut self, payload: &[u8]) {
        let Ok(mut event) = self.events.parse(payload) else { return };
        let is_summary = matches!(event.what, What::Summary(_));
        if let What::FileVersion(text) = &event.what {
            self.order.file_version(text);
        }
        if self.new_steps.drops(&event) {
            return;
        }
        event.step = event.step.saturating_add(self.new_steps.offset(&event));
        let mut reset = 0;
        if self.policy.watches_order() && self.order.observe(event.step, is_summary) {
            self.resets += 1;
            reset = self.resets;
        }
        self.what(&event, reset);
    }

    fn what(&mut self, event: &EventRef<'_>, reset: u64) {
        match &event.what {
            What::Summary(summary) => {
                for value in summary.values().flatten() {
                    self.value(event.step, &value, reset);
                }
            }
            What::GraphDef(_) => {
                self.point(RUN_GRAPH_TAG, Some(Kind::Graph), event.step, f64::NAN, 0);
            }
            what => {
                if let Ok(Some((tag, _))) = what.run_metadata() {
                    self.point(tag, Some(Kind::RunMetadata), event.step, f64::NAN, 0);
                }
                let counts = !self.policy.watches_order() || self.order.knows_starts();
                if what.is_session_start() == Ok(true) && counts {
                    self.starts.push(event.step);
                }
            }
        }
    }

    fn value(&mut self, step: i64, value: &ValueRef<'_>, reset: u64) {
        let known = self.series.get(value.tag).is_some_and(|points| points.kind.is_some());
        let kind = if known { None } else { kind(value) };
        let number = match self.needs_numbers.then(|| scalar::read(&value.payload)) {
            Some(Ok(Number::F32(number))) => f64::from(number),
            Some(Ok(Number::F64(number, _))) => number,
            _ => f64::NAN,
        };
        self.point(value.tag, kind, step, number, reset);
        if let (Payload::ObsoleteHistogram(_), Some(points)) =
            (&value.payload, self.series.get_mut(value.tag))
        {
            points.marks.extend(points.steps.len().checked_sub(1));
        }
    }

    fn point(&mut self, tag: &str, kind: Option<Kind>, step: i64, number: f64, reset: u64) {
        if !self.edit.wants_tag(tag) {
            return;
        }
        let points = match self.series.get_mut(tag) {
            Some(points) => points,
            None => self.series.entry(tag.into()).or_default(),
        };
        points.kind = points.kind.or(kind);
        let n = points.steps.len();
        if points.epoch != self.starts.len() {
            points.epoch = self.starts.len();
            points.restarts.epochs.push((n, points.epoch));
        }
        if points.reset != reset && reset != 0 {
            points.reset = reset; // not again by the next value of the same event
            points.restarts.resets.push(n);
        }
        points.steps.push(step);
        if self.needs_numbers {
            points.numbers.push(number);
        }
    }
}

impl Points {
    fn select(
        &self,
        policy: RestartPolicy,
        starts: &[i64],
        sampling: Option<Sampling>,
    ) -> Vec<bool> {
        let all = self.steps.len();
        let mut left: Vec<usize> = match kept(policy, &self.steps, &self.restarts, starts) {
            Some(ranges) => ranges.into_iter().flatten().collect(),
            None => (0..all).collect(),
        };
        left.retain(|i| self.marks.binary_search(i).is_err());
        let number = |i: usize| {
            let place = left.get(i).copied().unwrap_or(usize::MAX);
            self.numbers.get(place).copied().unwrap_or(f64::NAN)
        };
        let sampled = match sampling {
            Some(sampling) => {
                let steps = left.iter().filter_map(|i| self.steps.get(*i).copied());
                sampling.keep(&steps.collect::<Vec<_>>(), number)
            }
            None => (0..left.len()).collect(),
        };
        let mut selected = vec![false; all];
        // Once a policy has been applied, there is nothing left for them to hide.
        for mark in self.marks.iter().filter(|_| policy == RestartPolicy::KeepAll) {
            if let Some(place) = selected.get_mut(*mark) {
                *place = true;
            }
        }
        for i in sampled {
            if let Some(place) = left.get(i).and_then(|place| selected.get_mut(*place)) {
                *place = true;
            }
        }
        selected
    }
}
