//! A log from a training loop.

mod log_file;
mod media;
mod options;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::log_file::LogFile;
pub use self::options::WriterOptions;
use self::worker::Worker;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::event::{encode, pb};
use crate::summary::graph::Graph;
use crate::summary::histogram::{self, Bins, Histogram, Moments, Numeric};
use crate::summary::{scalar, text};

/// Writes the summaries of one run for TensorBoard.
///
/// Methods have PyTorch's names and order of arguments; they take `&self`, may be called from
/// any thread, and clones write to the same file. A call encodes its value at once, so that bad
/// input fails right there, and hands the bytes to a thread that writes them: an event is in the
/// file within a tenth of a second, without [`flush`](Self::flush).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let logdir = dir.path().join("runs/first");
/// use tbx::SummaryWriter;
///
/// let writer = SummaryWriter::create(logdir)?;
/// for step in 0..100 {
///     let loss = 1.0 / (step as f32 + 1.0);
///     writer.add_scalar("loss/train", loss, step)?;
/// }
/// writer.add_text("note", "the **first** run", 0)?;
/// writer.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is guaranteed
///
/// - Each writer makes a new file, and never touches an existing one. The file begins with the
///   event that says its version, and grows by whole records.
/// - After [`flush`](Self::flush) every earlier event, of any clone and thread, is in the
///   operating system's hands: `kill -9` does not lose it. After [`sync`](Self::sync) it is on
///   the disk. Without them, a killed process loses the last twentieth of a second.
/// - Nothing is dropped. If values come faster than the disk takes them, calls wait.
/// - A failure to write comes back from the next call, and from all that follow.
/// - The last clone closes the file when it is dropped; only [`close`](Self::close) can say
///   whether that went well.
#[derive(Clone, Debug)]
pub struct SummaryWriter {
    inner: Arc<Inner>,
    /// Instead of the clock's, for this handle.
    wall_time: Option<f64>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    options: WriterOptions,
    file: Arc<LogFile>,
    lines: Mutex<Lines>,
    worker: Worker,
}

#[derive(Debug, Default)]
struct Lines {
    /// The runs of [`SummaryWriter::add_scalars`], by directory name.
    files: BTreeMap<String, Arc<LogFile>>,
    /// No more may begin: `close` would not know of them.
    closed: bool,
}

impl SummaryWriter {
    /// Starts a run in `dir`, which is made if need be, with the default
    /// [options](WriterOptions).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: the directory or a new file in it cannot be made.
    pub fn create(dir: impl Into<PathBuf>) -> Result<Self> {
        Self::options().create(dir)
    }

    /// Options to start a run with.
    pub fn options() -> WriterOptions {
        WriterOptions::default()
    }

    fn with_options(dir: PathBuf, options: WriterOptions) -> Result<Self> {
        let file = Arc::new(LogFile::create(&dir, &options)?);
        let worker = Worker::start(file.clone(), options.flush_every)?;
        let lines = Mutex::default();
        let inner = Arc::new(Inner { dir, options, file, lines, worker });
        Ok(Self { inner, wall_time: None })
    }

    /// The run's directory.
    pub fn logdir(&self) -> &Path {
        &self.inner.dir
    }

    /// The run's event file.
    pub fn path(&self) -> &Path {
        self.inner.file.path()
    }

    /// A handle on the same run whose events have this wall time, in seconds since the Unix
    /// epoch, instead of the time of the call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: it is not finite. TensorBoard stops reading a file there.
    pub fn at(&self, wall_time: f64) -> Result<Self> {
        if !wall_time.is_finite() {
            return Err(Error::argument(format!("a wall time of {wall_time}")));
        }
        Ok(Self { inner: self.inner.clone(), wall_time: Some(wall_time) })
    }

    /// Logs a number.
    ///
    /// Logged as float32, the only type that both of TensorBoard's loaders show; NaN and
    /// infinities are legal.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: an earlier event could not be written; [`ErrorKind::Closed`].
    #[inline]
    pub fn add_scalar(&self, tag: &str, value: impl Into<f64>, step: i64) -> Result<()> {
        let value = to_f32(value.into());
        if self.inner.options.v2 {
            return self.add_value(scalar::v2(tag, value), step);
        }
        let wall_time = self.wall_time();
        let file = &self.inner.file;
        let much = file.append(|buffer| encode::scalar(buffer, wall_time, step, tag, value))?;
        self.inner.worker.notify(much);
        Ok(())
    }

    /// Logs several numbers as lines of one chart: each goes under `main_tag` into a run of its
    /// own beside this one, `<run>_<tag>` below `<logdir>/<main_tag>`.
    ///
    /// As in PyTorch the directories are `<run>/<main_tag>_<name>`, with `/` in `main_tag` as `_`;
    /// other characters that no file name can have are percent-encoded.
    ///
    /// # Errors
    ///
    /// As [`add_scalar`](Self::add_scalar); [`ErrorKind::Io`] also if a run cannot be made.
    pub fn add_scalars<'a, V: Into<f64>>(
        &self,
        main_tag: &str,
        values: impl IntoIterator<Item = (&'a str, V)>,
        step: i64,
    ) -> Result<()> {
        let wall_time = self.wall_time();
        for (name, value) in values {
            let value = to_f32(value.into());
            let file = self.line(&line_name(main_tag, name))?;
            let much = match self.inner.options.v2 {
                true => file.append_value(wall_time, step, scalar::v2(main_tag, value))?,
                false => {
                    file.append(|buffer| encode::scalar(buffer, wall_time, step, main_tag, value))?
                }
            };
            self.inner.worker.notify(much);
        }
        Ok(())
    }

    /// Logs the distribution of `values`: a slice, an iterator or an `ndarray` view of any
    /// [numbers](Numeric).
    ///
    /// Buckets are those of [`Bins::Exponential`], PyTorch's default.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: no value falls into a bucket; else as
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_histogram<I>(&self, tag: &str, values: I, step: i64) -> Result<()>
    where
        I: IntoIterator<Item: Numeric>,
    {
        self.add_histogram_with(tag, values, step, Bins::default())
    }

    /// The same with other buckets.
    ///
    /// # Errors
    ///
    /// As [`add_histogram`](Self::add_histogram); uniform buckets take any values, also none.
    pub fn add_histogram_with<I>(&self, tag: &str, values: I, step: i64, bins: Bins) -> Result<()>
    where
        I: IntoIterator<Item: Numeric>,
    {
        let value = match bins {
            Bins::Exponential => {
                let histogram =
                    histogram::exponential(values).map_err(|kind| at(kind, tag, step))?;
                match self.inner.options.v2 {
                    true => Histogram::from_v1(&histogram).to_v2(tag),
                    false => histogram::v1(tag, histogram),
                }
            }
            Bins::Uniform(bins) => Histogram::uniform(values, bins).to_v2(tag),
        };
        self.add_value(value, step)
    }

    /// Logs a histogram that was counted elsewhere: `bucket_limits` are the right edges of the
    /// buckets, `bucket_counts` how many values each has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there are not as many edges as counts, or the edges are not
    /// sorted; else as [`add_scalar`](Self::add_scalar).
    pub fn add_histogram_raw(
        &self,
        tag: &str,
        moments: Moments,
        bucket_limits: &[f64],
        bucket_counts: &[f64],
        step: i64,
    ) -> Result<()> {
        let (limits, counts) = (bucket_limits.len(), bucket_counts.len());
        if limits != counts {
            let what = format!("a histogram of {limits} bucket limits and {counts} counts");
            return Err(at(ErrorKind::Argument(what), tag, step));
        }
        if !bucket_limits.is_sorted() {
            let what = "a histogram whose bucket limits are not sorted";
            return Err(at(ErrorKind::Argument(what.into()), tag, step));
        }
        let message = pb::HistogramProto {
            min: moments.min,
            max: moments.max,
            num: moments.num,
            sum: moments.sum,
            sum_squares: moments.sum_squares,
            bucket_limit: bucket_limits.to_vec(),
            bucket: bucket_counts.to_vec(),
        };
        let value = match self.inner.options.v2 {
            true => Histogram::from_v1(&message).to_v2(tag),
            false => histogram::v1(tag, message),
        };
        self.add_value(value, step)
    }

    /// Logs a text, which TensorBoard renders as Markdown.
    ///
    /// The tag stays as it is; PyTorch appends `/text_summary`.
    ///
    /// # Errors
    ///
    /// As [`add_scalar`](Self::add_scalar).
    pub fn add_text(&self, tag: &str, text: &str, step: i64) -> Result<()> {
        self.add_value(text::v2(tag, text), step)
    }

    /// Logs the graph of the run's model. TensorBoard shows one a run.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: two nodes have the same name; else as
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_graph(&self, graph: &Graph) -> Result<()> {
        let graph = graph.to_bytes().map_err(Error::from)?;
        let event = pb::Event {
            wall_time: self.wall_time(),
            what: Some(pb::event::What::GraphDef(graph.into())),
            ..Default::default()
        };
        let much = self.inner.file.append_event(&event)?;
        self.inner.worker.notify(much);
        Ok(())
    }

    /// Logs a value of any form. Metadata is written with the first value of each tag in the file
    /// only: readers look no further.
    fn add_value(&self, value: pb::summary::Value, step: i64) -> Result<()> {
        let much = self.inner.file.append_value(self.wall_time(), step, value)?;
        self.inner.worker.notify(much);
        Ok(())
    }

    /// Waits until every earlier event of this run is in the operating system's hands.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: some event could not be written.
    pub fn flush(&self) -> Result<()> {
        self.files().iter().try_for_each(|file| file.drain())
    }

    /// Waits until every earlier event of this run is on the disk.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub fn sync(&self) -> Result<()> {
        self.files().iter().try_for_each(|file| file.sync())
    }

    /// Writes everything and closes the run's file. Later calls, also of clones, say
    /// [`ErrorKind::Closed`]; a second `close` does nothing.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub fn close(&self) -> Result<()> {
        self.inner.close()
    }

    fn files(&self) -> Vec<Arc<LogFile>> {
        self.inner.files()
    }

    /// The file of a line of [`add_scalars`](Self::add_scalars).
    fn line(&self, name: &str) -> Result<Arc<LogFile>> {
        let mut lines = lock(&self.inner.lines);
        if let Some(file) = lines.files.get(name) {
            return Ok(file.clone());
        }
        if lines.closed {
            return Err(ErrorKind::Closed.at(Location::path(self.path())));
        }
        self.inner.file.check()?;
        let file = Arc::new(LogFile::create(&self.inner.dir.join(name), &self.inner.options)?);
        lines.files.insert(name.into(), file.clone());
        self.inner.worker.add(file.clone());
        Ok(file)
    }

    #[inline]
    fn wall_time(&self) -> f64 {
        self.wall_time.unwrap_or_else(|| self.inner.options.clock.now())
    }
}

impl Inner {
    fn files(&self) -> Vec<Arc<LogFile>> {
        let lines = lock(&self.lines);
        std::iter::once(&self.file).chain(lines.files.values()).cloned().collect()
    }

    fn close(&self) -> Result<()> {
        lock(&self.lines).closed = true;
        // Every file is closed, whatever becomes of the others.
        let closed: Vec<_> = self.files().iter().map(|file| file.close()).collect();
        self.worker.stop();
        closed.into_iter().collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody is there to be told: `close` is for those who want to know.
        let _ = self.close();
    }
}

/// The directory of a line: PyTorch's name, with what no file name can have percent-encoded.
fn line_name(main_tag: &str, name: &str) -> String {
    let mut directory = String::new();
    for c in main_tag.replace('/', "_").chars().chain(['_']).chain(name.chars()) {
        let reserved = matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%');
        if reserved || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                directory.push_str(&format!("%{byte:02x}"));
            }
        } else {
            directory.push(c);
        }
    }
    directory
}

#[expect(clippy::as_conversions, reason = "rounds to the nearest float32, or to an infinity")]
fn to_f32(value: f64) -> f32 {
    value as f32
}

/// A caller's mistake with a value.
fn at(kind: ErrorKind, tag: &str, step: i64) -> Error {
    kind.at(Location { step: Some(step), ..Location::tag(tag) })
}

/// Locks, also after another thread panicked: the locked data is whole between calls.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::line_name;

    #[test]
    fn lines_never_leave_the_runs_directory() {
        assert_eq!(line_name("loss/all", "train"), "loss_all_train");
        assert_eq!(line_name("..", "../../etc"), ".._..%2f..%2fetc");
        assert_eq!(line_name("/etc", "a\0b"), "_etc_a%00b");
        assert_ne!(line_name("a", "b/c"), line_name("a", "b%2fc"));
    }
}
