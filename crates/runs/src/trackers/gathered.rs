//! Values of a run that are gathered by tag, within limits.

use std::collections::BTreeMap;

use super::source::{At, LeftOut, Points, Series};

/// Maximum number of points of a run: they are held in memory until they are written. Each takes 24 bytes.
const MAX_POINTS: usize = 1 << 25;
/// Maximum number of bytes of the texts of a run.
const MAX_TEXT: usize = 256 << 20;
/// Number of bytes that a text counts for, apart from its content.
const TEXT: usize = 48;
/// Maximum number of bytes of the names of the tags of a run.
const MAX_NAMES: usize = 64 << 20;
/// Maximum number of tags of a run.
const MAX_TAGS: usize = 1 << 20;

/// Scalars and texts by tag.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    scalars: BTreeMap<String, Vec<At<f64>>>,
    texts: BTreeMap<String, Vec<At<String>>>,
    points: usize,
    bytes: usize,
    /// Number of bytes of the names of tags.
    names: usize,
    /// The data that was not gathered.
    pub(crate) left_out: Vec<LeftOut>,
}

impl Gathered {
    /// Adds a number.
    pub(crate) fn scalar(&mut self, tag: &str, point: At<f64>) {
        if self.points >= MAX_POINTS {
            return self.count(&format!("points beyond {MAX_POINTS} of a run"));
        }
        let is_full = self.is_full(tag);
        match self.scalars.get_mut(tag) {
            Some(points) => points.push(point),
            None if is_full => {
                return self.count(&beyond_tags());
            }
            None => {
                self.names += tag.len();
                self.scalars.insert(tag.to_owned(), vec![point]);
            }
        }
        self.points += 1;
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, tag: &str, point: At<String>) {
        let bytes = self.bytes.saturating_add(point.value.len()).saturating_add(TEXT);
        if bytes > MAX_TEXT {
            return self.count(&format!("texts beyond {MAX_TEXT} bytes of a run"));
        }
        let is_full = self.is_full(tag);
        match self.texts.get_mut(tag) {
            Some(points) => points.push(point),
            None if is_full => {
                return self.count(&beyond_tags());
            }
            None => {
                self.names += tag.len();
                self.texts.insert(tag.to_owned(), vec![point]);
            }
        }
        self.bytes = bytes;
    }

    /// Counts an object that is left out.
    pub(crate) fn count(&mut self, kind: &str) {
        LeftOut::count(&mut self.left_out, kind, 1, false);
    }

    /// Adds seconds to the wall time of every point.
    pub(crate) fn shift(&mut self, seconds: f64) {
        for point in self.scalars.values_mut().flatten() {
            point.wall_time += seconds;
        }
        for point in self.texts.values_mut().flatten() {
            point.wall_time += seconds;
        }
    }

    /// Removes the texts of tags that also have numbers, and counts them as this kind.
    pub(crate) fn without_mixed(&mut self, kind: &str) {
        let Self { scalars, texts, left_out, .. } = self;
        texts.retain(|tag, points| {
            let is_mixed = scalars.contains_key(tag);
            if is_mixed {
                let count = u64::try_from(points.len()).unwrap_or(u64::MAX);
                LeftOut::count(left_out, kind, count, false);
            }
            !is_mixed
        });
    }

    /// Gives this wall time to the points that have the wall time 0.
    pub(crate) fn fill_times(&mut self, wall_time: f64) {
        let scalars = self.scalars.values_mut().flatten().map(|point| &mut point.wall_time);
        let texts = self.texts.values_mut().flatten().map(|point| &mut point.wall_time);
        for time in scalars.chain(texts).filter(|time| **time == 0.0) {
            *time = wall_time;
        }
    }

    /// Whether there are numbers.
    pub(crate) fn has_scalars(&self) -> bool {
        !self.scalars.is_empty()
    }

    /// The time of the earliest point.
    pub(crate) fn first_time(&self) -> Option<f64> {
        let scalars = self.scalars.values().flatten().map(|point| point.wall_time);
        let texts = self.texts.values().flatten().map(|point| point.wall_time);
        scalars.chain(texts).min_by(f64::total_cmp)
    }

    /// The values as series, in the order of tags, and what was not gathered.
    pub(crate) fn into_series(self) -> (Vec<Series>, Vec<LeftOut>) {
        let series = |tag, points| Series { tag, description: None, points };
        let scalars = self.scalars.into_iter();
        let scalars = scalars.map(|(tag, points)| series(tag, Points::Scalars(points)));
        let texts = self.texts.into_iter();
        let texts = texts.map(|(tag, points)| series(tag, Points::Texts(points)));
        (scalars.chain(texts).collect(), self.left_out)
    }

    /// Whether there is no room for another tag with this name.
    fn is_full(&self, tag: &str) -> bool {
        self.scalars.len().saturating_add(self.texts.len()) >= MAX_TAGS
            || self.names.saturating_add(tag.len()) > MAX_NAMES
    }
}

fn beyond_tags() -> String {
    format!("values of tags beyond {MAX_TAGS}, or {MAX_NAMES} bytes of names, of a run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_gathered_by_tag() {
        let mut all = Gathered::default();
        let at = |step, value| At { step, wall_time: 1.0, value };
        for (tag, value) in [("b", 1.0), ("a", 2.0), ("b", f64::NAN)] {
            all.scalar(tag, at(3, value));
        }
        for tag in ["a", "c", "a"] {
            all.text(tag, At { step: 1, wall_time: 0.5, value: "x".to_owned() });
        }
        all.without_mixed("odd texts");
        all.shift(2.0);
        assert_eq!(all.first_time(), Some(2.5));
        let (series, left_out) = all.into_series();
        let shown: Vec<_> = series.iter().map(|s| (s.tag.as_str(), s.points.len())).collect();
        assert_eq!(shown, [("a", 1), ("b", 2), ("c", 1)]);
        assert_eq!(left_out[0], LeftOut { kind: "odd texts".into(), count: 2, is_least: false });
    }

    #[test]
    fn there_is_a_limit_of_texts() {
        let mut all = Gathered::default();
        let text = "x".repeat(MAX_TEXT / 2);
        for step in 0..3 {
            all.text("t", At { step, wall_time: 0.0, value: text.clone() });
        }
        assert_eq!(all.left_out[0].count, 2);
    }

    #[test]
    fn there_is_a_limit_of_names() {
        let mut all = Gathered::default();
        for name in ["a", "b", "a"] {
            let tag = name.repeat(MAX_NAMES / 2 + 1);
            all.scalar(&tag, At { step: 0, wall_time: 0.0, value: 1.0 });
        }
        assert_eq!(all.left_out[0].count, 1);
        assert_eq!(all.into_series().0[0].points.len(), 2);
    }
}
