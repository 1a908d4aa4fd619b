//! What people do with runs that they have: tables, exports, imports, repairs, archives.
//!
//! [`tbx`] loads them.

#![cfg_attr(test, allow(clippy::as_conversions))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "archive")]
pub mod archive;
pub mod edit;
pub mod export;
#[cfg(feature = "mlflow")]
pub mod import;
#[doc(hidden)]
pub mod printable;
pub mod registry;
pub mod table;
pub mod trackers;
pub mod verify;

#[cfg(feature = "arrow")]
#[doc(no_inline)]
pub use ::{arrow_array, arrow_schema};
