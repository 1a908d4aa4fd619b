//! Why a call failed.

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

    pub(super) fn exhausted(message: impl Into<String>) -> Self {
        Self { code: 8, message: message.into() }
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
