//! Reads events as a whole or not at all.

use std::collections::HashSet;

use prost::Message;

use super::{EventRef, Malformed, UNREADABLE_METADATA, What, pb};

/// Maximum number and length of the metadata that is remembered.
const MAX_KNOWN: usize = 1000;
const MAX_KNOWN_LEN: usize = 256;

/// Reads events and checks every part that a load reads: an event counts as a whole or not at all.
#[derive(Debug, Default)]
pub struct WholeEvents {
    /// Readable metadata: that of most values was read before.
    known: HashSet<Box<[u8]>>,
}

impl WholeEvents {
    /// Parses an event.
    ///
    /// # Errors
    ///
    /// A load skips the event: some part of it is not readable.
    pub fn parse<'a>(&mut self, payload: &'a [u8]) -> Result<EventRef<'a>, Malformed> {
        let event = EventRef::parse(payload)?;
        match &event.what {
            What::Summary(summary) => {
                for value in summary.values() {
                    if let Some(wire) = value?.metadata_to_read() {
                        self.check(wire)?;
                    }
                }
            }
            other => {
                other.is_session_start()?;
                other.run_metadata()?;
            }
        }
        Ok(event)
    }

    fn check(&mut self, wire: &[u8]) -> Result<(), Malformed> {
        if self.known.contains(wire) {
            return Ok(());
        }
        pb::SummaryMetadata::decode(wire).map_err(|_| UNREADABLE_METADATA)?;
        if self.known.len() < MAX_KNOWN && wire.len() <= MAX_KNOWN_LEN {
            self.known.insert(wire.into());
        }
        Ok(())
    }
}
