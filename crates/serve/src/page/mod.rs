//! TensorBoard's page: its files, from the package `tensorboard` of a Python.

mod files;
mod find;
mod get;
mod python;

pub use self::files::Page;
pub(crate) use self::files::ROOT;
pub use self::find::{cache_path, find};
pub use self::get::get;
pub use self::python::tensorboard;
