//! What a run is: its parameters.

mod param;
pub mod yaml;

pub use param::Param;
