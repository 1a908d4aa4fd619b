//! The maximum size of an answer.

use std::cell::Cell;

use prost::Message;

use super::status::Status;
use crate::http::MAX_ANSWER;

/// The bytes that an answer may still have. Each part is counted before the next one is made.
pub(super) struct Room {
    most: usize,
    left: Cell<usize>,
}

impl Default for Room {
    /// As much as an answer over HTTP, which is also what TensorBoard accepts.
    fn default() -> Self {
        Self::of(MAX_ANSWER)
    }
}

impl Room {
    pub(super) fn of(most: usize) -> Self {
        Self { most, left: Cell::new(most) }
    }

    /// A part of the answer.
    ///
    /// # Errors
    ///
    /// There is no room for it.
    pub(super) fn fits<M: Message>(&self, part: M) -> Result<M, Status> {
        let left = self.left.get().checked_sub(part.encoded_len());
        self.left.set(left.ok_or_else(|| self.full())?);
        Ok(part)
    }

    /// The bytes of an answer. Its parts may have been counted already.
    ///
    /// # Errors
    ///
    /// It is too large: names and lengths count, too.
    pub(super) fn encode(&self, answer: &impl Message) -> Result<Vec<u8>, Status> {
        match answer.encoded_len() > self.most {
            true => Err(self.full()),
            false => Ok(answer.encode_to_vec()),
        }
    }

    /// The number of bytes that are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.left.get()
    }

    fn full(&self) -> Status {
        Status::exhausted(format!(
            "the answer would have more than {} MB: ask for fewer runs, tags or points (TensorBoard's \
             --samples_per_plugin)",
            self.most >> 20
        ))
    }
}
