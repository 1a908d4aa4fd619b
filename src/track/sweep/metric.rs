//! Which series in the log of a trial is the metric.

use super::Sweep;

impl Sweep {
    /// The place of the series that is the metric among those of a trial's log and of logs below it, as pairs of run
    /// and tag: the tag in the trial's own log; otherwise the tag with its run before it, `validation/loss`; otherwise
    /// the tag in the only run that has it. An error says which runs have it.
    #[doc(hidden)]
    pub fn metric_among<S: AsRef<str>>(&self, series: &[(S, S)]) -> Result<Option<usize>, String> {
        let place = |is: &dyn Fn(&str, &str) -> bool| {
            series.iter().position(|(run, tag)| is(run.as_ref(), tag.as_ref()))
        };
        let own = place(&|run, tag| run == "." && tag == self.metric);
        let named = || {
            place(&|run, tag| {
                self.metric.strip_suffix(tag).and_then(|r| r.strip_suffix('/')) == Some(run)
            })
        };
        if let Some(place) = own.or_else(named) {
            return Ok(Some(place));
        }
        let with_tag =
            series.iter().enumerate().filter(|(_, (_, tag))| tag.as_ref() == self.metric);
        let all: Vec<_> = with_tag.map(|(place, (run, _))| (place, run.as_ref())).collect();
        match all[..] {
            [] => Ok(None),
            [(place, _)] => Ok(Some(place)),
            [(_, first), ..] => {
                let runs: Vec<_> = all.iter().map(|(_, run)| *run).collect();
                Err(format!(
                    "the metric {:?} is in several runs of the trial, {}: name one of them, such as {:?}",
                    self.metric,
                    runs.join(", "),
                    format!("{first}/{}", self.metric)
                ))
            }
        }
    }

    /// Whether a tag may be the metric, depending on its run.
    #[doc(hidden)]
    pub fn may_be_metric(&self, tag: &str) -> bool {
        self.metric.strip_suffix(tag).is_some_and(|run| run.is_empty() || run.ends_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metric_is_in_one_run() {
        let place =
            |metric: &str, series: &[(&str, &str)]| Sweep::minimize(metric).metric_among(series);
        let both = [("train", "loss"), ("validation", "loss"), ("validation", "acc")];
        let said = place("loss", &both).unwrap_err();
        assert!(
            said.contains("train, validation: name one of them, such as \"train/loss\""),
            "{said}"
        );
        assert_eq!(place("validation/loss", &both), Ok(Some(1)));
        assert_eq!(place("acc", &both), Ok(Some(2)));
        assert_eq!(place("other", &both), Ok(None));
        let own = [("a", "val/loss"), (".", "val/loss"), ("val", "loss")];
        assert_eq!(place("val/loss", &own), Ok(Some(1)));
        assert_eq!(place("val/loss", &own[..1]), Ok(Some(0)));
        let sweep = Sweep::minimize("val/loss");
        assert!(sweep.may_be_metric("loss") && sweep.may_be_metric("val/loss"));
        assert!(!sweep.may_be_metric("oss") && !sweep.may_be_metric("loss2"));
        assert!(!Sweep::minimize("").may_be_metric("loss"));
    }
}
