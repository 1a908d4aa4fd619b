//! What a run is: its parameters, and how it ended.

mod hparams;
mod param;
pub mod yaml;

pub use hparams::{SessionStatus, params_of_hparams, session_end};
pub use param::Param;
