//! The copy of a run's metadata in its log, so that an event file alone tells what it is of.
//!
//! One series, [`TAG`], of scalar strings under the plugin `tbx`, each the JSON of
//! [`RunMeta`]. TensorBoard has no dashboard of that name and shows nothing.

use bytes::Bytes;

use super::tensor::{shape_message, value};
use super::{Kind, RawValue};
use crate::error::ErrorKind;
use crate::event::pb;
use crate::meta::RunMeta;

/// The tag of the series.
pub const TAG: &str = "tbx/run_meta";

/// The value that says what a run is.
///
/// # Errors
///
/// [`ErrorKind::Argument`], as [`RunMeta::to_json`].
pub fn v2(meta: &RunMeta) -> Result<pb::summary::Value, ErrorKind> {
    let tensor = pb::TensorProto {
        dtype: pb::DataType::DtString.into(),
        tensor_shape: Some(shape_message(&[])),
        string_val: vec![Bytes::from(meta.to_json()?)],
        ..Default::default()
    };
    Ok(value(TAG, Kind::Meta, tensor))
}

/// Reads a value of the series.
///
/// # Errors
///
/// [`ErrorKind::Value`]: it is no metadata of a run.
pub fn read(raw: &RawValue) -> Result<RunMeta, ErrorKind> {
    match &raw.strings()?.0[..] {
        [json] => RunMeta::from_json(json),
        strings => {
            let what = format!("{} strings, not one: no metadata of a run", strings.len());
            Err(ErrorKind::Value(what))
        }
    }
}
