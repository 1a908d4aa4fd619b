//! HTTP: connections, requests and answers, with limits.

mod answer;
mod request;
mod server;

pub(crate) use self::answer::{Answer, Refusal};
pub(crate) use self::request::{Request, parse_json};
pub(crate) use self::server::Listener;
