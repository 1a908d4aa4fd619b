//! Runs of Neptune, whose service has ended: the files of its exporter (2.x and 3.x), the directories of its client
//! (`.neptune/offline`, `async`, `sync`), and the databases of neptune-scale.
//!
//! All of them have attributes by path: single values, series and files. A reader of each form makes [attributes],
//! which are converted to runs in one place. A model and a version of a model become runs with that role, so that none
//! of their values is lost, and models in the registry.
//!
//! [attributes]: attributes::Attributes

mod about;
mod attributes;
mod content;
mod find;
mod issues;
mod legacy;
mod locate;
mod metadata;
mod models;
mod parquet;
mod scale;
mod step;
mod store;

use super::source::SourceKind;

/// The line of the list of trackers.
pub(crate) const SOURCE: SourceKind = SourceKind {
    name: attributes::NEPTUNE,
    title: "Neptune",
    takes: "the directory of an export, a directory .neptune, or one of their files *_part_0.parquet or \
            run_operations.sqlite3",
    is_here: find::is_here,
    open: |source, options| Ok(Box::new(store::Neptune::open(source, options)?)),
};
