//! Logs of Neptune's client: an import does not change them, reads nothing outside, and writes a sound log with the
//! reported number of points. A second import adds nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx_fuzz::{Input, Sandbox, import_neptune, link, write};

/// Files of a client's directory.
const NAMES: [&str; 6] = [
    "data-1.log",
    "data-1.log",
    "data-3.log",
    "metadata.json",
    "upload_path/a.txt",
    "upload_path/b/c.png",
];

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.byte();
    let sandbox = Sandbox::new(data);
    let dir = match how & 1 {
        0 => ".neptune/offline/run__0a1b2c3d__1__x",
        _ => ".neptune/async/model_version__0a1b2c3d/exec-1-x",
    };
    let dir = std::path::Path::new(dir);
    let logs = sandbox.logs();
    for _ in 0..4 {
        if input.is_empty() {
            break;
        }
        let name = dir.join(input.pick(&NAMES));
        match input.byte() {
            0..=230 => write(&logs, &logs.join(name), input.bytes()),
            _ => link(&mut input, &name, &logs),
        }
    }
    write(&logs, &logs.join(dir).join("data-9.log"), input.rest());
    import_neptune(&sandbox);
});
