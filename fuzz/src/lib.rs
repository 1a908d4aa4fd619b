//! Code that the targets share: inputs that look like logs with some errors, and the properties that must
//! hold.
//!
//! Random bytes almost never pass a checksum. So an input is a list of instructions that write records,
//! damage them, and put files and links next to them.

#[path = "../../tests/suite/walker/changed.rs"]
mod changed;
#[path = "../../tests/suite/walker/compare.rs"]
mod compare;
#[path = "../../tests/suite/facts.rs"]
mod facts;
mod input;
#[path = "../../tests/suite/follow/kept.rs"]
mod kept;
mod logs;
mod neptune;
mod oracle;
mod parsers;
mod sandbox;
mod values;

pub use input::Input;
pub use logs::{Logs, link};
pub use neptune::import_neptune;
pub use oracle::{Reading, follows, open, ways_agree};
pub use parsers::{
    event_agrees, metadata, raw, raw_strings, raw_tensor, read_back, rewrite_agrees,
};
pub use sandbox::{Files, Sandbox, files, write};

use tbx::RestartPolicy;

/// The restart policy that an input chooses.
pub fn policy(input: &mut Input<'_>) -> RestartPolicy {
    RestartPolicy::ALL[input.below(RestartPolicy::ALL.len())]
}
