//! Uses a writer in a process that was forked from the one that created it.

use tbx::{LoadOptions, Logdir, SummaryWriter};

/// Forks. The child exits with the result of `in_child`, and its exit code is returned. A child that hangs is
/// killed.
#[allow(unsafe_code)]
fn forked(in_child: impl FnOnce() -> i32) -> Option<i32> {
    // SAFETY: the child calls `in_child` and exits without returning to the test.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(in_child)).unwrap_or(101);
        // SAFETY: exits the child immediately.
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
    // Events logged before the fork are not written for a long time.
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
    // Dropping the last handle works without an error.
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
    assert_eq!(loaded.runs[0].get("loss").unwrap().len(), 1001);
}

/// The encoding threads do not exist in the child, nor do their jobs.
#[test]
fn a_forked_process_waits_for_no_image() {
    let dir = tempfile::tempdir().unwrap();
    let photo = image::RgbImage::from_fn(200, 200, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let options = SummaryWriter::options().max_encoding_bytes(500_000);
    let writer = options.create(dir.path()).unwrap();
    let mut last = None;
    for round in 0..20 {
        for step in 0..8 {
            writer.add_image("image", &photo, 8 * round + step).unwrap();
        }
        let copy = writer.clone();
        let code = forked(move || {
            let told =
                |said: tbx::Result<()>| said.is_err_and(|e| e.to_string().contains("forked"));
            let add = copy.add_image("image", &picture_of_child(), 0);
            let told = [add, copy.flush(), copy.sync(), copy.close()].into_iter().all(told);
            drop(copy);
            if told { 7 } else { 8 }
        });
        assert_eq!(code, Some(7), "8 means that there was no error, none that it hangs");
        // The last handle of a writer with busy threads can be dropped, too.
        last = Some(SummaryWriter::create(dir.path().join(round.to_string())).unwrap());
        last.as_ref().unwrap().add_image("image", &photo, 0).unwrap();
        assert_eq!(
            forked(|| {
                drop(last.take());
                7
            }),
            Some(7)
        );
    }
    drop(last);
    writer.close().unwrap();
    let loaded = Logdir::open(dir.path()).unwrap().load(&LoadOptions::new()).unwrap();
    assert!(loaded.report.is_lossless());
    for run in &loaded.runs {
        let expected = if run.name == "." { 160 } else { 1 };
        assert_eq!(run.get("image").unwrap().len(), expected, "{}", run.name);
    }
}

fn picture_of_child() -> image::RgbImage {
    image::RgbImage::new(100, 100)
}

/// A forked child has a copy of a run that continues in its parent.
#[test]
fn a_run_does_not_end_in_a_forked_process() {
    use tbx::meta::{RunMeta, Status};
    use tbx::track::ActiveRun;

    let dir = tempfile::tempdir().unwrap();
    let mut runs = ["dropped", "finished"].map(|name| {
        let run = ActiveRun::options()
            .git(false)
            .environment(false)
            .create(dir.path().join(name))
            .unwrap();
        run.add_scalar("loss", 0.5, 0).unwrap();
        Some(run)
    });
    let before = ["dropped", "finished"]
        .map(|name| std::fs::read(dir.path().join(name).join("tbx.json")).unwrap());
    let code = forked(|| {
        drop(runs[0].take());
        let said = runs[1].take().unwrap().finish().unwrap_err().to_string();
        if said.contains("forked") { 7 } else { 8 }
    });
    assert_eq!(code, Some(7));
    for (name, before) in ["dropped", "finished"].into_iter().zip(before) {
        assert_eq!(
            std::fs::read(dir.path().join(name).join("tbx.json")).unwrap(),
            before,
            "{name}"
        );
    }
    for (name, run) in ["dropped", "finished"].into_iter().zip(&mut runs) {
        run.take().unwrap().finish().unwrap();
        let meta = RunMeta::read(&dir.path().join(name)).unwrap().unwrap();
        assert_eq!(meta.status, Some(Status::Finished));
        let logdir = Logdir::open(dir.path().join(name)).unwrap();
        let loaded = logdir.load(&LoadOptions::new()).unwrap();
        assert_eq!(loaded.runs[0].get("loss").unwrap().len(), 1);
    }
}

/// A thread of the parent may have held any lock during the fork. In the child, nobody releases it.
#[test]
fn a_forked_process_waits_for_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (writer, stop) = (&writer, &stop);
            scope.spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    writer.add_scalar(&format!("loss{thread}"), 0.5, None).unwrap();
                    writer.add_scalars("all", [("a", 0.5)], None).unwrap();
                    writer.flush().unwrap();
                }
            });
        }
        for _ in 0..100 {
            let copy = writer.clone();
            let code = forked(move || {
                let adds = (0..64).any(|_| copy.add_scalar("child", 0.5, None).is_err());
                let lines = (0..64).any(|_| copy.add_scalars("child", [("a", 0.5)], None).is_err());
                let close = copy.flush().is_err() && copy.close().is_err();
                if adds && lines && close { 7 } else { 8 }
            });
            assert_eq!(code, Some(7), "8 means that there was no error, none that it hangs");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    writer.close().unwrap();
    let loaded = Logdir::open(dir.path()).unwrap().load(&LoadOptions::new()).unwrap();
    assert!(loaded.report.is_lossless());
    assert!(loaded.runs.iter().all(|run| run.get("child").is_none()));
}
