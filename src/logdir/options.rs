//! Options for loading.

use std::fmt;
use std::sync::Arc;

use super::{RestartPolicy, Shard};
use crate::record::FileMaps;
use crate::store::Links;
use crate::summary::Kind;

/// Options of [`Logdir::load`](super::Logdir::load): the data to read, and how to read it.
///
/// ```
/// use tbx::{Kind, LoadOptions, RestartPolicy};
///
/// let options = LoadOptions::new()
///     .kinds([Kind::Scalar])
///     .tags(|tag| tag.starts_with("loss/"))
///     .restart(RestartPolicy::KeepAll);
/// ```
#[derive(Clone)]
pub struct LoadOptions {
    pub(super) kinds: Option<Vec<Kind>>,
    pub(super) tags: Option<Filter>,
    pub(super) runs: Option<Filter>,
    pub(super) shard: Option<Shard>,
    pub(super) restart: RestartPolicy,
    pub(super) checksums: Checksums,
    pub(super) payloads: Payloads,
    pub(super) maps: Option<FileMaps>,
    pub(super) strict: bool,
    pub(super) checks_values: bool,
    pub(super) follow_links: bool,
}

type Filter = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The parts of values that a load keeps, except for scalars. Scalars, steps and wall times are always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Payloads {
    /// The values, not decoded: [`Values::Raw`](super::Values::Raw).
    #[default]
    Kept,
    /// The places of the values in the log: [`Values::Placed`](super::Values::Placed). A
    /// [`ValueReader`](super::ValueReader) reads them one by one, so that memory does not grow with their size.
    Placed,
    /// Nothing: [`Values::Dropped`](super::Values::Dropped).
    Dropped,
}

/// Records whose payload checksum is verified. The checksum of the record length is always
/// verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Checksums {
    /// Every record.
    All,
    /// Every record of a requested series. Other records are skipped without reading them.
    #[default]
    Wanted,
    /// Every record that is decoded. With [`Payloads::Dropped`], this excludes
    /// large values, whose tag and step are read from their first bytes.
    Decoded,
}

impl LoadOptions {
    /// Loads everything, with the default restart policy.
    pub fn new() -> Self {
        Self {
            kinds: None,
            tags: None,
            runs: None,
            shard: None,
            restart: RestartPolicy::default(),
            checksums: Checksums::default(),
            payloads: Payloads::default(),
            maps: None,
            strict: false,
            checks_values: false,
            follow_links: false,
        }
    }

    /// Loads only series of these kinds. Default: all.
    #[must_use]
    pub fn kinds(self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { kinds: Some(kinds.into_iter().collect()), ..self }
    }

    /// Loads only series whose tag `wanted` accepts. It is called once per tag and file. Default:
    /// all.
    #[must_use]
    pub fn tags(self, wanted: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { tags: Some(Arc::new(wanted)), ..self }
    }

    /// Loads only runs whose name `wanted` accepts; the files of other runs are not opened.
    /// Default: all.
    #[must_use]
    pub fn runs(self, wanted: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { runs: Some(Arc::new(wanted)), ..self }
    }

    /// Loads only the runs in this shard. Default: all.
    #[must_use]
    pub fn shard(self, shard: Shard) -> Self {
        Self { shard: Some(shard), ..self }
    }

    /// How a restarted program's points affect the points that it wrote before. Default:
    /// [`RestartPolicy::SessionStart`].
    #[must_use]
    pub fn restart(self, policy: RestartPolicy) -> Self {
        Self { restart: policy, ..self }
    }

    /// Which checksums are verified. Default: [`Checksums::Wanted`].
    #[must_use]
    pub fn checksums(self, checksums: Checksums) -> Self {
        Self { checksums, ..self }
    }

    /// Sets the parts of values that are kept, except for scalars. Default: [`Payloads::Kept`].
    #[must_use]
    pub fn payloads(self, payloads: Payloads) -> Self {
        Self { payloads, ..self }
    }

    /// Maps files whose payloads are kept, so that values are slices of the map instead of copies.
    /// Files at URLs, and loads without payloads or of scalars alone, are read rather than mapped.
    /// By default nothing is mapped.
    #[must_use]
    pub fn map(self, maps: FileMaps) -> Self {
        Self { maps: Some(maps), ..self }
    }

    /// Whether data loss is an error instead of an entry in the report. The error is the first loss
    /// in order of path and offset. Default: false.
    #[must_use]
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// Whether values that are not scalars are checked against the form of their kind when their
    /// records are read, as a decoder would check them. A histogram with more limits than buckets
    /// is left out and reported; a truncated image is kept and reported. With
    /// [`Payloads::Placed`], the reader of the values has to check them. Default: false.
    #[must_use]
    pub fn check_values(self, check: bool) -> Self {
        Self { checks_values: check, ..self }
    }

    /// Whether files that accompany a run (`tbx.json`, `hparams.yaml`, artifacts, embeddings) are
    /// also read where a link leads out of the run's directory. If the logs come from somebody
    /// else, such a link may point to any file on this machine. Links to runs and to event files
    /// are always followed. Default: false.
    #[must_use]
    pub fn follow_links(self, follow: bool) -> Self {
        Self { follow_links: follow, ..self }
    }

    /// The restart policy.
    pub fn restart_policy(&self) -> RestartPolicy {
        self.restart
    }

    /// The shard of runs to load, if one was set.
    pub fn shard_of_runs(&self) -> Option<Shard> {
        self.shard
    }

    /// Whether data loss is an error.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// The links that are followed from a run's directory.
    #[doc(hidden)]
    pub fn links(&self) -> Links {
        Links::all_if(self.follow_links)
    }

    /// Whether the run of this name is selected.
    #[doc(hidden)]
    pub fn wants_run(&self, name: &str) -> bool {
        self.runs.as_ref().is_none_or(|wanted| wanted(name))
            && self.shard.is_none_or(|shard| shard.contains(name))
    }

    /// Whether payloads are kept.
    pub(super) fn keeps_payloads(&self) -> bool {
        self.payloads == Payloads::Kept
    }

    /// Whether the places of values are kept.
    pub(super) fn keeps_places(&self) -> bool {
        self.payloads == Payloads::Placed
    }

    /// Whether values are checked.
    pub(super) fn checks_values(&self) -> bool {
        self.checks_values && !self.keeps_places()
    }

    /// Whether series `tag` of `kind` is selected.
    pub(super) fn wants(&self, tag: &str, kind: Kind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind)) && self.wants_tag(tag)
    }

    /// Whether a series `tag` of any kind is selected.
    #[doc(hidden)]
    pub fn wants_tag(&self, tag: &str) -> bool {
        self.tags.as_ref().is_none_or(|wanted| wanted(tag))
    }

    /// Whether some records need not be read whole.
    pub(super) fn may_skip(&self) -> bool {
        match self.checksums {
            Checksums::All => false,
            Checksums::Wanted => self.kinds.is_some() || self.tags.is_some(),
            Checksums::Decoded => {
                self.kinds.is_some() || self.tags.is_some() || !self.keeps_payloads()
            }
        }
    }

    /// The map setting, if mapping pays off: payloads are kept, as slices of the map. For
    /// everything else, reading into one small buffer is as fast.
    pub(super) fn maps(&self) -> Option<FileMaps> {
        let only_scalars = self.kinds.as_ref().is_some_and(|kinds| kinds == &[Kind::Scalar]);
        self.maps.filter(|_| self.keeps_payloads() && !only_scalars)
    }
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("kinds", &self.kinds)
            .field("tags", &self.tags.as_ref().map(|_| ".."))
            .field("runs", &self.runs.as_ref().map(|_| ".."))
            .field("shard", &self.shard)
            .field("restart", &self.restart)
            .field("checksums", &self.checksums)
            .field("payloads", &self.payloads)
            .field("maps", &self.maps)
            .field("strict", &self.strict)
            .field("follow_links", &self.follow_links)
            .finish()
    }
}
