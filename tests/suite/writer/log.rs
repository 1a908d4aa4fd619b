//! Messages of the crate `log` in an event log.

use std::path::Path;
use std::sync::{Arc, Mutex};

use log::{Level, LevelFilter, Log, Metadata, Record, debug, error, info, trace, warn};
use tbx::{ErrorKind, Failures, Logger, Run};

use super::tracing::{tags, texts};
use super::{fixed, numbers, run, steps};

/// The run that `work` writes with a logger that `change` configures.
fn logged(
    dir: &Path,
    change: impl FnOnce(Logger) -> Logger,
    work: impl FnOnce(&Logger),
) -> (Failures, Run) {
    let writer = fixed().create(dir).unwrap();
    let logger = change(Logger::new(writer.clone()));
    work(&logger);
    writer.close().unwrap();
    (logger.failures().clone(), run(dir))
}

#[test]
fn messages_are_text_and_their_numbers_scalars() {
    let dir = tempfile::tempdir().unwrap();
    let (failures, run) = logged(
        dir.path(),
        |logger| logger,
        |to| {
            log::set_max_level(LevelFilter::Trace); // applies to all loggers
            info!(logger: to, loss = 0.5, count = 3, done = true; "epoch {}\n  second *line*", 1);
            info!(logger: to, loss = f64::NAN; ""); // an empty message gives no text
            warn!(logger: to, name = "a", other:? = Some(1), step = 7, loss = 0.25f32; "careful");
            error!(logger: to, huge = 1u128 << 100, big = i128::MIN, step = u64::MAX; "far");
            debug!(logger: to, target: "elsewhere", "a <b> c");
            trace!(logger: to, step = 3; "bare");
        },
    );
    assert_eq!(failures.count(), 0);
    let expected = [
        "big",
        "count",
        "done",
        "huge",
        "log/debug",
        "log/error",
        "log/info",
        "log/trace",
        "log/warn",
        "loss",
    ];
    assert_eq!(tags(&run), expected);
    assert_eq!(steps(&run, "loss"), [0, 1, 7]);
    assert_eq!((numbers(&run, "loss")[0], numbers(&run, "loss")[2]), (0.5, 0.25));
    assert_eq!((numbers(&run, "count"), numbers(&run, "done")), (vec![3.0], vec![1.0]));
    assert_eq!(
        (numbers(&run, "huge"), steps(&run, "huge")),
        (vec![2f64.powi(100)], vec![i64::MAX])
    );
    let here = module_path!();
    let text = "epoch 1\n      second *line* loss=0.5 count=3 done=true";
    assert_eq!(texts(&run, "log/info"), [format!("    {here}: {text}")]);
    let text = "careful name=a other=Some(1) step=7 loss=0.25";
    assert_eq!(texts(&run, "log/warn"), [format!("    {here}: {text}")]);
    assert_eq!(texts(&run, "log/debug"), ["    elsewhere: a <b> c"]);
    assert_eq!(texts(&run, "log/trace"), [format!("    {here}: bare step=3")]);
}

/// Keeps the messages that it receives.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Log for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Debug
    }

    fn log(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {
        self.0.lock().unwrap().push("flushed".into());
    }
}

#[test]
fn a_logger_has_a_level_a_prefix_and_another_logger() {
    let dir = tempfile::tempdir().unwrap();
    let other = Kept::default();
    let kept = other.0.clone();
    let change = |logger: Logger| logger.prefix("a/b").level(LevelFilter::Warn).and(other);
    let (_, run) = logged(dir.path(), change, |to| {
        let record = |level| Metadata::builder().level(level).target("t").build();
        let enabled =
            [Level::Warn, Level::Debug, Level::Trace].map(|level| to.enabled(&record(level)));
        assert_eq!(enabled, [true, true, false]);
        for (level, text) in [(Level::Info, "info"), (Level::Warn, "warn")] {
            let args = format_args!("{text}");
            to.log(&Record::builder().level(level).target("t").args(args).build());
        }
        to.flush();
    });
    assert_eq!(tags(&run), ["a/b/log/warn"]);
    assert_eq!(*kept.lock().unwrap(), ["info", "warn", "flushed"]);
}

#[test]
fn what_cannot_be_logged_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let logger = Logger::new(writer.clone());
    writer.close().unwrap();
    let values = [("x", 1), ("y", 2)];
    let args = format_args!("three");
    logger.log(&Record::builder().level(Level::Info).args(args).key_values(&values).build());
    assert_eq!(logger.failures().count(), 3);
    assert!(matches!(logger.failures().first().unwrap().kind(), ErrorKind::Closed));
}

#[test]
fn flushing_the_logger_flushes_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let writer = super::unhurried().create(dir.path()).unwrap();
    let logger = Logger::new(writer.clone());
    logger.log(&Record::builder().level(Level::Info).args(format_args!("text")).build());
    logger.flush();
    assert_eq!(super::events(writer.path().unwrap()).len(), 2);
}
