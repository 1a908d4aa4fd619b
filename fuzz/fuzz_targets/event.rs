//! Events: the view of a serialized event has the same data as prost's message, or both refuse the bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx_fuzz::event_agrees;

fuzz_target!(|data: &[u8]| event_agrees(data));
