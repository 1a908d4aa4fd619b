//! A writer in a process that was forked from the one that made it.

#![cfg(unix)]

use tbx::{LoadOptions, Logdir, SummaryWriter};

/// Forks; the child ends with what `in_child` gives, and its exit code comes back. A child that hangs is
/// killed.
#[allow(unsafe_code)]
fn forked(in_child: impl FnOnce() -> i32) -> Option<i32> {
    // SAFETY: the child calls `in_child` and ends, without going back into the test.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(in_child)).unwrap_or(101);
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    for _ in 0..1000 {
        // SAFETY: waits for a child of this process.
        if unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } == child {
            return libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // SAFETY: as above.
    unsafe { libc::kill(child, libc::SIGKILL) };
    None
}

#[test]
fn a_forked_process_is_told_so_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // What is logged before the fork waits for a while.
    let long = std::time::Duration::from_secs(3600);
    let options = SummaryWriter::options().flush_every(long);
    let writer = options.create(dir.path()).unwrap();
    (0..1000).try_for_each(|step| writer.add_scalar("loss", 0.5, step)).unwrap();
    let copy = writer.clone();
    let code = forked(move || {
        let is_told = |said: tbx::Result<()>| said.is_err_and(|e| e.to_string().contains("forked"));
        let adds = (0..64).map(|step| copy.add_scalar("loss", 0.5, step)).any(is_told);
        let others = [copy.flush(), copy.sync(), copy.close()].into_iter().all(is_told);
        drop(copy);
        if adds && others { 7 } else { 8 }
    });
    assert_eq!(code, Some(7));
    // The last handle goes without a word.
    let mut last = Some(SummaryWriter::create(dir.path().join("other")).unwrap());
    assert_eq!(
        forked(|| {
            drop(last.take());
            7
        }),
        Some(7)
    );
    last.unwrap().close().unwrap();
    writer.add_scalar("loss", 0.5, 1000).unwrap();
    writer.close().unwrap();
    let logdir = Logdir::open(writer.path().unwrap()).unwrap();
    let loaded = logdir.load(&LoadOptions::new()).unwrap();
    assert!(loaded.report.is_lossless());
    assert_eq!(loaded.runs[0].series("loss").unwrap().len(), 1001);
}
