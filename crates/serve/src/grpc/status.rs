//! Why a call failed.

use crate::http::Refusal;

/// The status of a call that failed: a code of gRPC and a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: u8,
    pub(super) message: String,
}

impl Status {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { code: 3, message: message.into() }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self { code: 5, message: message.into() }
    }

    pub(super) fn out_of_range(message: impl Into<String>) -> Self {
        Self { code: 11, message: message.into() }
    }

    pub(super) fn unimplemented(message: impl Into<String>) -> Self {
        Self { code: 12, message: message.into() }
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self { code: 13, message: message.into() }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(text) | Refusal::Host(text) => Self::invalid(text),
            Refusal::NotFound(text) => Self::not_found(text),
            Refusal::Unreadable(text) => Self::internal(text),
            Refusal::Method => Self::unimplemented("this method is not known"),
        }
    }
}
