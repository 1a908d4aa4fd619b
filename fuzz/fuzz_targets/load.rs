//! Every way to read a log gives the same points, and so does a follower while the log grows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx_fuzz::{Input, Logs, Sandbox, follows, policy, ways_agree};

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let policy = policy(&mut input);
    let logs = Logs::read(&mut input);
    let sandbox = Sandbox::new(data);
    follows(&logs, &sandbox.logs(), policy);
    let before = tbx_fuzz::files(&sandbox.logs());
    ways_agree(&sandbox.logs(), policy);
    assert_eq!(before, tbx_fuzz::files(&sandbox.logs()), "a load changed the log");
    sandbox.check(&[]);
});
