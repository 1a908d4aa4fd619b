//! Hyperparameters: the parameters of a run, how it ended, and the columns that the runs of an experiment share.
//!
//! There are three records with the plugin `hparams`, each with its own tag. The whole record is in the metadata,
//! as a `HParamsPluginData` message; the value is an empty tensor, or absent in PyTorch's output
//! (`tensorboard/plugins/hparams/metadata.py`, `summary_v2.py`). Only the first record of a tag counts in a run,
//! because readers look at the metadata of a series once.
//!
//! A run with a [start](HparamsRecord::Start) is a *session*, a row of TensorBoard's table. The columns come from
//! the [`Experiment`] of one run. If no run has one, they come from all sessions, and from the scalars in their
//! runs and in the runs below them (`backend_context.py`, `experiment_from_metadata`). tbx writes an experiment
//! only on request. PyTorch writes one to each run, and TensorBoard then shows the columns of the first one that
//! it finds.

mod experiment;
mod metric;
mod session;
mod value;

pub use experiment::{Domain, Experiment, HparamInfo, HparamType};
pub use metric::{MetricDataset, MetricInfo};
#[cfg(feature = "track")]
pub(crate) use session::params_of;
pub use session::{Hparams, SessionEnd, SessionStatus};
pub use value::HparamValue;

use bytes::Bytes;
use prost::Message;

use super::raw::decode;
use super::tensor::{shape_message, value};
use super::{Kind, Metadata};
use crate::error::ErrorKind;
use crate::event::pb::hparams::h_params_plugin_data::Data;
use crate::event::pb::{self, hparams::HParamsPluginData};

/// Tag of an [`Experiment`].
pub const EXPERIMENT_TAG: &str = "_hparams_/experiment";
/// Tag of the start of a session.
pub const SESSION_START_TAG: &str = "_hparams_/session_start_info";
/// Tag of the end of a session.
pub const SESSION_END_TAG: &str = "_hparams_/session_end_info";

/// Version of the data that readers support (`tensorboard/plugins/hparams/metadata.py`, `PLUGIN_DATA_VERSION`).
const VERSION: i32 = 0;

/// A record in the metadata of a series of [`Kind::Hparams`].
///
/// ```
/// use tbx::{HparamsRecord, LoadOptions, Logdir};
///
/// let loaded = Logdir::open("fixtures/torch/hparams/trial")?.load(&LoadOptions::new())?;
/// let start = loaded.runs[0].get("_hparams_/session_start_info").unwrap();
/// let HparamsRecord::Start(hparams) = HparamsRecord::read(start.metadata())? else { panic!() };
/// assert_eq!(hparams.values["opt"], "adam".into());
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HparamsRecord {
    /// The columns shared by the runs of an experiment.
    Experiment(Experiment),
    /// The hyperparameters that the run was started with.
    Start(Hparams),
    /// The end of the run.
    End(SessionEnd),
}

impl HparamsRecord {
    /// Reads the metadata of a series.
    ///
    /// Values other than numbers, strings and booleans are left out, because TensorBoard has no column for them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the metadata is not a record, or has an unknown version.
    pub fn read(metadata: &Metadata) -> Result<Self, ErrorKind> {
        let message: HParamsPluginData = decode(&metadata.content, "record of hyperparameters")?;
        if message.version != VERSION {
            let what = format!("hyperparameters of version {}, not {VERSION}", message.version);
            return Err(ErrorKind::Value(what));
        }
        match message.data {
            Some(Data::Experiment(data)) => Ok(Self::Experiment(Experiment::from_message(data))),
            Some(Data::SessionStartInfo(data)) => Ok(Self::Start(Hparams::from_message(data))),
            Some(Data::SessionEndInfo(data)) => Ok(Self::End(SessionEnd::from_message(&data))),
            None => Err(ErrorKind::Value("hyperparameters without a record".into())),
        }
    }
}

/// The value of an experiment. If the experiment has no creation time, it gets `now`, in seconds since the Unix
/// epoch.
///
/// # Errors
///
/// [`ErrorKind::Argument`]: TensorBoard cannot serve the experiment.
pub fn experiment(experiment: &Experiment, now: f64) -> Result<pb::summary::Value, ErrorKind> {
    experiment.check()?;
    Ok(record(EXPERIMENT_TAG, Data::Experiment(experiment.to_message(now))))
}

/// The value of the start of a session. If `hparams` has no start time, it gets `now`, in seconds since the Unix
/// epoch.
///
/// # Errors
///
/// [`ErrorKind::Argument`]: a name is empty, or the time is not finite.
pub fn session_start(hparams: &Hparams, now: f64) -> Result<pb::summary::Value, ErrorKind> {
    hparams.check()?;
    Ok(record(SESSION_START_TAG, Data::SessionStartInfo(hparams.to_message(now))))
}

/// The record of a session's start with other values; [`HparamValue::Unset`] removes a value. `None` if the record
/// already has these values, or is a different record.
#[doc(hidden)]
pub fn with_values(
    content: &[u8],
    values: &std::collections::BTreeMap<String, HparamValue>,
) -> Result<Option<Vec<u8>>, ErrorKind> {
    let mut message = HParamsPluginData::decode(content)
        .map_err(|_| ErrorKind::Value("not a record of hyperparameters".into()))?;
    let Some(Data::SessionStartInfo(start)) = &mut message.data else { return Ok(None) };
    let before = start.hparams.clone();
    for (name, value) in values {
        match value.to_message() {
            Some(value) => drop(start.hparams.insert(name.clone(), value)),
            None => drop(start.hparams.remove(name)),
        }
    }
    let is_same = before == start.hparams;
    Ok((!is_same).then(|| message.encode_to_vec()))
}

/// The value of the end of a session.
pub fn session_end(end: &SessionEnd) -> pb::summary::Value {
    record(SESSION_END_TAG, Data::SessionEndInfo(end.to_message()))
}

fn record(tag: &str, data: Data) -> pb::summary::Value {
    let message = HParamsPluginData { version: VERSION, data: Some(data) };
    // The tensor that TensorBoard writes: float32 of shape [0].
    let nothing = pb::TensorProto {
        dtype: pb::DataType::DtFloat.into(),
        tensor_shape: Some(shape_message(&[0])),
        ..Default::default()
    };
    let metadata =
        Metadata { content: Bytes::from(message.encode_to_vec()), ..Metadata::new(Kind::Hparams) };
    pb::summary::Value {
        metadata: Some(metadata.to_message()),
        ..value(tag, Kind::Hparams, nothing)
    }
}

/// Converts a time in seconds since the Unix epoch. On the wire, 0 means that there is none.
fn time(secs: f64) -> Option<f64> {
    Some(secs).filter(|secs| *secs != 0.0)
}

fn check_time(what: &str, secs: Option<f64>) -> Result<(), ErrorKind> {
    match secs {
        Some(secs) if !secs.is_finite() => {
            Err(ErrorKind::Argument(format!("{what} at {secs} seconds")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records written by `tensorboard.plugins.hparams.summary_v2` and `summary` of TensorBoard 2.21, as
    /// hexadecimal digits of the serialized `Summary`. The group of the start is passed as `trial_id`.
    const FROM_TENSORBOARD: [(&str, &str); 3] = [
        (
            "experiment",
            "0af8010a145f68706172616d735f2f6578706572696d656e7442060801120212004ad7010ad4010a\
             0768706172616d7312c80112c5011900000040fc54d941222f0a026c721204726174651a0d6f6620\
             2a6c6561726e696e672a2003321209fca9f1d24d62503f119a9999999999b93f22220a066c617965\
             727320032a160a091100000000000000400a0911000000000000084022120a046269617320022a08\
             0a0220000a02200122180a036f707420012a0f0a061a046164616d0a051a0373676422060a047265\
             73742a080a0612046c6f73732a250a100a046576616c120861636375726163791a03616363220a6f\
             66202a2a616c6c2a2a2802",
        ),
        (
            "start",
            "0a93010a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f42060801120212\
             004a6b0a690a0768706172616d73125e1a5c0a0a0a0462696173120220010a0d0a036f707412061a\
             046164616d0a0f0a026c721209117b14ae47e17a843f0a130a066c61796572731209110000000000\
             0008400a090a036f6666120220002205747269616c2900002040fc54d941",
        ),
        (
            "end",
            "0a400a1a5f68706172616d735f2f73657373696f6e5f656e645f696e666f42060801120212004a1a\
             0a180a0768706172616d73120d220b0802110000a040fc54d941",
        ),
    ];

    /// Parses a summary from hexadecimal digits.
    fn summary(hex: &str) -> pb::Summary {
        let digits = hex.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
        let bytes: Vec<_> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        pb::Summary::decode(bytes.as_slice()).unwrap()
    }

    /// Splits a value into its record and the rest. Maps have no order in protobuf.
    fn apart(mut value: pb::summary::Value) -> (HParamsPluginData, pb::summary::Value) {
        let plugin = value.metadata.as_mut().unwrap().plugin_data.as_mut().unwrap();
        let record = HParamsPluginData::decode(std::mem::take(&mut plugin.content)).unwrap();
        (record, value)
    }

    fn values() -> [(&'static str, pb::summary::Value); 3] {
        let about = Experiment::new()
            .hparam(
                HparamInfo::number("lr")
                    .interval(0.001, 0.1)
                    .with_display_name("rate")
                    .with_description("of *learning*"),
            )
            .hparam(HparamInfo::number("layers").values([2, 3]))
            .hparam(HparamInfo::bool("bias").values([false, true]))
            .hparam(HparamInfo::text("opt").values(["adam", "sgd"]))
            .hparam(HparamInfo::unknown("rest"))
            .metric(MetricInfo::new("loss"))
            .metric(
                MetricInfo::new("accuracy")
                    .with_group("eval")
                    .with_display_name("acc")
                    .with_description("of **all**")
                    .with_dataset(MetricDataset::Validation),
            )
            .with_time_created(1.7e9);
        let start = Hparams::new()
            .with("lr", 0.01)
            .with("layers", 3)
            .with("bias", true)
            .with("opt", "adam")
            .with("off", false)
            .with_group("trial");
        let end = SessionEnd { status: SessionStatus::Failure, end_time: Some(1.7e9 + 2.5) };
        [
            ("experiment", experiment(&about, 0.0).unwrap()),
            ("start", session_start(&start, 1.7e9 + 0.5).unwrap()),
            ("end", session_end(&end)),
        ]
    }

    /// Except for `differs`, which TensorBoard does not set.
    #[test]
    fn records_are_those_that_tensorboard_makes() {
        for ((name, value), (same, expected)) in values().into_iter().zip(FROM_TENSORBOARD) {
            assert_eq!(name, same);
            let (mut record, rest) = apart(value);
            if let Some(Data::Experiment(experiment)) = &mut record.data {
                let infos = experiment.hparam_infos.iter_mut();
                let differs: Vec<_> = infos.map(|i| std::mem::take(&mut i.differs)).collect();
                assert_eq!(differs, [true, true, true, true, false]);
            }
            let [expected] = <[_; 1]>::try_from(summary(expected).value).unwrap();
            assert_eq!((record, rest), apart(expected), "{name}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (name, value) in values() {
            let metadata = Metadata::of(super::super::Form::Tensor, value.metadata.as_ref());
            assert_eq!(metadata.kind, Kind::Hparams);
            let again = match HparamsRecord::read(&metadata).unwrap() {
                HparamsRecord::Experiment(read) => experiment(&read, 9.0).unwrap(),
                HparamsRecord::Start(read) => session_start(&read, 9.0).unwrap(),
                HparamsRecord::End(read) => session_end(&read),
            };
            assert_eq!(again, value, "{name}");
        }
    }

    #[test]
    fn data_that_is_no_record_is_an_error() {
        let of = |message: HParamsPluginData| Metadata {
            content: message.encode_to_vec().into(),
            ..Metadata::new(Kind::Hparams)
        };
        let data = Some(Data::SessionEndInfo(pb::hparams::SessionEndInfo::default()));
        assert!(
            HparamsRecord::read(&of(HParamsPluginData { version: 0, data: data.clone() })).is_ok()
        );
        let no_data = HParamsPluginData::default();
        let newer = HParamsPluginData { version: 1, data };
        let junk = Metadata { content: vec![0xff; 9].into(), ..Metadata::new(Kind::Hparams) };
        for (metadata, what) in [
            (of(no_data), "hyperparameters without a record"),
            (of(newer), "hyperparameters of version 1, not 0"),
            (Metadata::new(Kind::Hparams), "hyperparameters without a record"),
            (junk, "not a record of hyperparameters: "),
        ] {
            let error = HparamsRecord::read(&metadata).unwrap_err();
            assert!(error.to_string().starts_with(what), "{error}");
        }
    }
}
