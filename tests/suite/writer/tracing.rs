//! Spans and events of `tracing` in a log.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tbx::{ErrorKind, Failures, Run, SummaryWriter, Text, TracingLayer};
use tracing::{debug, error, info, info_span, trace_span, warn};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;

use super::child::Child;
use super::{fixed, numbers, run, steps};

/// The run that `work` writes, with a layer in place.
fn traced(work: impl FnOnce()) -> Run {
    let dir = tempfile::tempdir().unwrap();
    traced_in(dir.path(), |layer| layer, work).1
}

fn traced_in(
    dir: &Path,
    change: impl FnOnce(TracingLayer) -> TracingLayer,
    work: impl FnOnce(),
) -> (Failures, Run) {
    let writer = fixed().create(dir).unwrap();
    let layer = change(TracingLayer::new(writer.clone()));
    let failures = layer.failures().clone();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
    writer.close().unwrap();
    (failures, run(dir))
}

/// The texts under `tag`.
pub(super) fn texts(run: &Run, tag: &str) -> Vec<String> {
    let Some(series) = run.get(tag) else { return Vec::new() };
    let values = series.raw().unwrap().iter();
    values.map(|value| Text::read(value).unwrap().strings.remove(0)).collect()
}

pub(super) fn tags(run: &Run) -> Vec<&str> {
    run.series.iter().map(|series| series.tag()).collect()
}

#[test]
fn a_span_that_closes_is_a_duration_and_its_numbers_are_scalars() {
    let run = traced(|| {
        for step in 3..5 {
            let epoch =
                info_span!("epoch", step, lr = 0.5, name = "a", later = tracing::field::Empty);
            let inside = epoch.enter();
            thread::sleep(Duration::from_millis(20));
            drop(info_span!("batch", size = 32u8));
            epoch.record("later", step * 2);
            epoch.record("lr", 0.25);
            drop(inside);
        }
        drop(info_span!("other", huge = 1u128 << 100, big = -5i128, yes = true));
    });
    let expected = [
        "epoch/batch/seconds",
        "epoch/batch/size",
        "epoch/later",
        "epoch/lr",
        "epoch/seconds",
        "other/big",
        "other/huge",
        "other/seconds",
        "other/yes",
    ];
    assert_eq!(tags(&run), expected);
    for tag in &expected[..5] {
        assert_eq!(steps(&run, tag), [3, 4], "{tag}");
    }
    assert_eq!(numbers(&run, "epoch/lr"), [0.25; 2]);
    assert_eq!(numbers(&run, "epoch/later"), [6.0, 8.0]);
    assert_eq!(numbers(&run, "epoch/batch/size"), [32.0; 2]);
    assert_eq!(
        (numbers(&run, "other/huge")[0], numbers(&run, "other/big")[0]),
        (2f64.powi(100), -5.0)
    );
    assert!(numbers(&run, "epoch/seconds").iter().all(|seconds| (0.02..10.0).contains(seconds)));
    assert!(
        numbers(&run, "epoch/batch/seconds").iter().all(|seconds| (0.0..0.02).contains(seconds))
    );
}

#[test]
fn an_event_is_its_numbers_and_its_words() {
    let run = traced(|| {
        let _span = info_span!("train").entered();
        info!(loss = 0.5, count = 3u64, done = false, "epoch *done*\n  second line");
        info!(loss = f64::NAN); // no words, no text
        warn!(path = "a/b", other = ?Some(1), step = 7, "careful");
        let cause = io::Error::other("no disk");
        error!(error = &cause as &dyn std::error::Error);
        debug!(target: "elsewhere", "a <b> c");
    });
    assert_eq!(numbers(&run, "train/count"), [3.0]);
    assert_eq!(numbers(&run, "train/done"), [0.0]);
    assert_eq!(numbers(&run, "train/loss")[0], 0.5);
    assert_eq!((numbers(&run, "train/loss").len(), steps(&run, "train/loss")), (2, vec![0, 1]));
    let here = module_path!();
    let expected =
        format!("    {here}: epoch *done*\n      second line loss=0.5 count=3 done=false");
    assert_eq!(texts(&run, "log/info"), [expected]);
    let expected = format!("    {here}: careful path=\"a/b\" other=Some(1) step=7");
    assert_eq!(texts(&run, "log/warn"), [expected]);
    assert_eq!(texts(&run, "log/error"), [format!("    {here}: error=no disk")]);
    assert_eq!(texts(&run, "log/debug"), ["    elsewhere: a <b> c"]);
}

#[test]
fn the_nearest_step_counts_and_messages_are_counted() {
    let run = traced(|| {
        info!(x = 1.0, "one");
        let _outer = info_span!("outer", step = 5).entered();
        info!(x = 1.0, "two");
        info!(x = 1.0, step = 9u8, "three");
        let inner = info_span!("inner", step = tracing::field::Empty);
        let _inner = inner.enter();
        info!(x = 1.0, "four");
        inner.record("step", u64::MAX);
        info!(x = 1.0, "five");
        info!(step = 0.5, "no integer");
        info!(parent: None, x = 1.0, "six");
    });
    assert_eq!(steps(&run, "x"), [0, 1]);
    assert_eq!(steps(&run, "outer/x"), [5, 9]);
    assert_eq!(steps(&run, "outer/inner/x"), [5, i64::MAX]);
    assert_eq!(numbers(&run, "outer/inner/step"), [0.5]);
    assert_eq!(steps(&run, "outer/inner/seconds"), [i64::MAX]);
    assert_eq!(steps(&run, "log/info"), (0..7).collect::<Vec<_>>());
    let said = texts(&run, "log/info");
    assert!(said[0].ends_with(": one x=1.0"), "{}", said[0]);
    assert!(said[1].ends_with(": two x=1.0 step=5"), "{}", said[1]);
    assert!(said[2].ends_with(": three x=1.0 step=9"), "{}", said[2]);
}

#[test]
fn a_layer_has_its_own_filter_and_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["all", "filtered"];
    let writers = names.map(|name| fixed().create(dir.path().join(name)).unwrap());
    let [all, filtered] = writers.each_ref().map(|writer| TracingLayer::new(writer.clone()));
    let filtered = filtered
        .prefix("a/b")
        .with_filter(LevelFilter::INFO)
        .with_filter(filter_fn(|metadata| metadata.name() != "hidden"));
    // Two layers of one type in the same subscriber share the data of spans.
    let subscriber = tracing_subscriber::registry().with(all).with(filtered);
    tracing::subscriber::with_default(subscriber, || {
        let _hidden = info_span!("hidden", step = 3).entered();
        let _traced = trace_span!("traced").entered();
        let _shown = info_span!("shown", x = 1).entered();
        info!("shown");
        debug!("hidden");
    });
    writers.iter().for_each(|writer| writer.close().unwrap());
    let [all, filtered] = names.map(|name| run(&dir.path().join(name)));
    let shown = "hidden/traced/shown";
    let expected = ["hidden/seconds", "hidden/traced/seconds", "hidden/traced/shown/seconds"];
    assert_eq!(tags(&all)[..3], expected);
    assert_eq!(tags(&all)[3..], [&format!("{shown}/x"), "log/debug", "log/info"]);
    assert_eq!(steps(&all, &format!("{shown}/x")), [3]);
    assert_eq!(tags(&filtered), ["a/b/log/info", "a/b/shown/seconds", "a/b/shown/x"]);
    assert_eq!(steps(&filtered, "a/b/shown/x"), [0], "the hidden span's step is hidden");
}

#[test]
fn what_cannot_be_logged_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let layer = TracingLayer::new(writer.clone());
    let failures = layer.failures().clone();
    assert_eq!((failures.count(), failures.first().is_none()), (0, true));
    writer.close().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info!(x = 1, y = 2, "three");
    });
    assert_eq!(failures.count(), 3);
    let first = failures.first().unwrap();
    assert!(matches!(first.kind(), ErrorKind::Closed), "{first}");
    assert_eq!(first.location().path.as_deref(), writer.path());
}

#[test]
fn threads_have_their_own_spans() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c", "d"];
    let (failures, run) = traced_in(
        dir.path(),
        |layer| layer,
        || {
            tracing::dispatcher::get_default(|dispatch| {
                thread::scope(|scope| {
                    for name in names {
                        scope.spawn(move || {
                            tracing::dispatcher::with_default(dispatch, || {
                                for step in 0..50 {
                                    let span = info_span!("thread", step);
                                    let _entered = span.enter();
                                    match name {
                                        "a" => info!(a = step),
                                        "b" => info!(b = step),
                                        "c" => info!(c = step),
                                        _ => info!(d = step),
                                    }
                                }
                            });
                        });
                    }
                });
            });
        },
    );
    assert_eq!(failures.count(), 0);
    for name in names {
        let tag = format!("thread/{name}");
        assert_eq!(steps(&run, &tag), (0..50).collect::<Vec<_>>());
        assert!(numbers(&run, &tag).into_iter().eq((0..50).map(f64::from)));
    }
    assert_eq!(steps(&run, "thread/seconds").len(), 200);
}

/// Logs whenever it is written to, as the client of a service might.
struct Chatty(Arc<AtomicU64>);

impl Write for Chatty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::SeqCst);
        info!(len = bytes.len(), "writing");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// In a separate process, because only the program's global subscriber gets all messages.
#[test]
fn a_stream_that_logs_when_it_is_written_to_is_not_heard() {
    let dir = tempfile::tempdir().unwrap();
    Child::start("writer::tracing::child_with_a_chatty_stream", dir.path()).finish();
}

#[test]
#[ignore = "another test starts it in a separate process"]
fn child_with_a_chatty_stream() {
    super::child::dir();
    let writes = Arc::new(AtomicU64::new(0));
    // The buffer is full after a few events; then each call writes, too.
    let options = SummaryWriter::options().max_buffered_bytes(100);
    let writer = options.from_writer(Chatty(writes.clone())).unwrap();
    let layer = TracingLayer::new(writer.clone());
    let failures = layer.failures().clone();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    for _ in 0..100 {
        info!(x = 1.0, "from outside");
    }
    writer.flush().unwrap();
    let before = writes.load(Ordering::SeqCst);
    assert!((2..500).contains(&before), "{before} writes");
    thread::sleep(Duration::from_millis(200));
    assert_eq!(writes.load(Ordering::SeqCst), before, "the writer continues by itself");
    writer.close().unwrap();
    assert_eq!(failures.count(), 0);
}

#[test]
fn a_value_that_logs_when_it_is_shown_is_not_heard() {
    struct Chatty;
    impl fmt::Debug for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            info!("inside");
            f.write_str("chatty")
        }
    }
    let run = traced(|| {
        let span = info_span!("span", value = ?Chatty);
        span.record("value", tracing::field::debug(Chatty));
        let _entered = span.enter();
        info!(value = ?Chatty, "outside");
    });
    let expected = format!("    {}: outside value=chatty", module_path!());
    assert_eq!(texts(&run, "log/info"), [expected]);
}
