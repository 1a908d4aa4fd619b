//! Which series a call asks for.

use std::collections::HashSet;

use tbx::DataClass;

use super::pb::{Downsample, PluginFilter, RunTagFilter};
use super::status::Status;
use crate::state::{Run, Runs, Series};

/// The series of one plugin and class, of some runs and tags.
pub(super) struct Filter<'a> {
    plugin: &'a str,
    class: DataClass,
    /// `None` is all.
    runs: Option<HashSet<&'a str>>,
    tags: Option<HashSet<&'a str>>,
}

impl<'a> Filter<'a> {
    /// # Errors
    ///
    /// No plugin is named.
    pub(super) fn new(
        plugin: Option<&'a PluginFilter>,
        names: Option<&'a RunTagFilter>,
        class: DataClass,
    ) -> Result<Self, Status> {
        let plugin =
            plugin.map(|plugin| plugin.plugin_name.as_str()).filter(|name| !name.is_empty());
        let plugin = plugin.ok_or_else(|| Status::invalid("the name of a plugin is missing"))?;
        let set = |names: &'a [String]| names.iter().map(String::as_str).collect();
        let runs = names.and_then(|names| names.runs.as_ref()).map(|runs| set(&runs.names));
        let tags = names.and_then(|names| names.tags.as_ref()).map(|tags| set(&tags.names));
        Ok(Self { plugin, class, runs, tags })
    }

    /// The series by run. A run without such series is left out.
    pub(super) fn series<'r>(
        &'r self,
        all: &'r Runs,
    ) -> impl Iterator<Item = (&'r str, &'r Run, Vec<&'r Series>)> {
        let wants_run = |name: &str| self.runs.as_ref().is_none_or(|runs| runs.contains(name));
        all.iter().filter(move |(name, _)| wants_run(name)).filter_map(|(name, run)| {
            let found: Vec<&Series> = match &self.tags {
                Some(tags) if tags.len() <= 8 => {
                    tags.iter().filter_map(|tag| run.get(self.plugin, tag)).collect()
                }
                tags => {
                    let wants = |tag: &str| tags.as_ref().is_none_or(|tags| tags.contains(tag));
                    let all = run.of_plugin(self.plugin).iter().map(|series| &**series);
                    all.filter(|series| wants(&series.tag)).collect()
                }
            };
            let of_class = |series: &&Series| series.metadata.data_class == self.class;
            let found: Vec<&Series> = found.into_iter().filter(of_class).collect();
            (!found.is_empty()).then_some((name, run, found))
        })
    }
}

/// The number of points that a call asks for; `None` is all.
///
/// # Errors
///
/// It is missing, negative or too large.
pub(super) fn count(asked: Option<&Downsample>, shows_all: bool) -> Result<Option<usize>, Status> {
    let asked = asked.ok_or_else(|| Status::invalid("the number of points is missing"))?.num_points;
    match asked {
        // TensorBoard asks for 0 points of a plugin if its user wants all.
        0 if shows_all => Ok(None),
        count if count < 0 => Err(Status::invalid(format!("{count} points are asked for"))),
        count => usize::try_from(count)
            .map(Some)
            .map_err(|_| Status::out_of_range(format!("{count} points are asked for"))),
    }
}
