//! Parameters of `hparams` records.

use std::collections::BTreeMap;

use prost::Message;

use super::Param;
use crate::event::pb;
use crate::event::pb::google::protobuf::value::Kind;
use crate::event::pb::hparams::h_params_plugin_data::Data;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionStatus {
    Running,
    Success,
    Failure,
}

impl SessionStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

fn data(content: &[u8]) -> Option<Data> {
    pb::hparams::HParamsPluginData::decode(content).ok()?.data
}

pub fn params_of_hparams(content: &[u8]) -> BTreeMap<String, Param> {
    let Some(Data::SessionStartInfo(info)) = data(content) else { return BTreeMap::new() };
    let param = |kind: Kind| match kind {
        Kind::BoolValue(value) => Some(Param::Bool(value)),
        Kind::NumberValue(value) => Some(Param::Number(value)),
        Kind::StringValue(value) => Some(Param::Text(value)),
        _ => None,
    };
    info.hparams.into_iter().filter_map(|(name, v)| Some((name, param(v.kind?)?))).collect()
}

pub fn session_end(content: &[u8]) -> Option<SessionStatus> {
    match data(content)? {
        Data::SessionEndInfo(info) => Some(match info.status() {
            pb::hparams::Status::Success => SessionStatus::Success,
            pb::hparams::Status::Failure => SessionStatus::Failure,
            pb::hparams::Status::Running => SessionStatus::Running,
            _ => return None,
        }),
        _ => None,
    }
}
