//! Changes to a serialized event: the same as decoding it, changing the message and encoding it again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx_fuzz::{Input, rewrite_agrees};

fuzz_target!(|data: &[u8]| rewrite_agrees(&mut Input::new(data)));
