//! HTTP: connections, requests and answers, with limits.

mod answer;
mod form;
mod host;
mod paced;
mod request;
mod server;

pub(crate) use self::answer::{Answer, Body, MAX_ANSWER, Refusal};
pub(crate) use self::request::{Request, parse_json};
pub(crate) use self::server::{Listener, Watched, ended};
