//! The table of rules: problems in logs, whom they affect, and how to fix them.
//!
//! "Default loader" is TensorBoard's data server, which it starts by default. "Python loader" is
//! TensorBoard's own reader, `--load_fast=false`.

use std::fmt;
use std::str::FromStr;

use crate::table::meant;
use tbx::error::Error;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For information; nothing is lost.
    Note,
    /// Some reader shows less than the log contains, or something else.
    Warning,
    /// Data cannot be read, or no reader shows it.
    Error,
}

impl Severity {
    /// The name in the program's output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Defines the enum and everything that depends on it from one table.
macro_rules! rules {
    ($($rule:ident $name:literal $severity:ident $title:literal $effect:literal $advice:literal;)*) => {
        /// A kind of problem in logs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = concat!("`", $name, "`: ", $title, ".")] $rule,)*
        }

        impl Rule {
            /// Every rule, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// The stable name, as used on the command line and in output.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$rule => $name),* }
            }

            /// The severity of the rule's findings.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$rule => Severity::$severity),* }
            }

            /// Short description of the problem.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$rule => $title),* }
            }

            /// The effect of the problem, and whom it affects.
            pub const fn effect(self) -> &'static str {
                match self { $(Self::$rule => $effect),* }
            }

            /// How to fix the problem.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$rule => $advice),* }
            }
        }
    };
}

rules! {
    // Files.
    Io "io" Error
        "a file or directory that cannot be read"
        "Its content was not checked."
        "Check its permissions and the disk.";
    Pointer "pointer" Error
        "a pointer to a log that was not downloaded"
        "The log itself is missing."
        "Download it with `git lfs pull` or `git annex get`.";
    Compressed "compressed" Error
        "a compressed file or an archive"
        "Neither TensorBoard nor tbx reads such files."
        "Decompress or unpack it.";
    NotEventFile "not_event_file" Error
        "a file with the name of a log but without any record"
        "It contains nothing that can be read or repaired."
        "Replace it with the log, or remove it.";
    OtherFile "other_file" Note
        "a file with \"tfevents\" in its name that is not a log"
        "TensorBoard treats it as one. It shows a directory of such files as a run without data. \
         While a program writes a log whose name sorts before it, the Python loader shows nothing \
         new."
        "Leave it, or move it out of the log directory.";
    LengthCrc "length_crc" Error
        "a wrong checksum of a record's length"
        "Both of TensorBoard's loaders show nothing that comes later in the file."
        "`tbx repair` copies every whole record.";
    TooLong "too_long" Error
        "a record whose length is impossible"
        "Both of TensorBoard's loaders show nothing that comes later in the file."
        "`tbx repair` copies every whole record.";
    Torn "torn" Error
        "an unfinished record, followed by others"
        "Both of TensorBoard's loaders show nothing that comes later in the file."
        "`tbx repair` copies every whole record. Programs that resume should start a new file.";
    PayloadCrc "payload_crc" Error
        "a wrong checksum of a record's payload"
        "The Python loader stops there. The default loader uses the bytes as data if it can, or \
         stops."
        "`tbx repair` leaves the record out.";
    Proto "proto" Error
        "a record that is not an event"
        "The default loader shows nothing that comes later in the file; the Python loader fails."
        "`tbx repair` leaves the record out.";
    Truncated "truncated" Error
        "a file that became shorter while it was read"
        "The removed data is lost."
        "Do not let programs overwrite existing logs.";
    FileVersion "file_version" Warning
        "a file that does not start with file version 2"
        "The Python loader treats it as an old log: a step that goes back drops earlier points, \
         and restarts are ignored."
        "`tbx repair` adds a missing version.";
    FileOrder "file_order" Warning
        "files whose names are not in chronological order"
        "Files of a run are read in the order of their names: the default loader drops points of \
         the earlier ones; the Python loader draws back and forth."
        "Rename them: events.out.tfevents.<seconds, ten digits>.";
    FileCopy "file_copy" Warning
        "two files of a run that hold the same events"
        "Every name with \"tfevents\" in it is read: the Python loader shows each point twice."
        "Move the copy out of the run's directory.";
    WritersOverlap "writers_overlap" Warning
        "several programs that wrote one run at the same time"
        "The default loader drops points of the earlier file where tags are the same. While they \
         run, the Python loader reads only the last file."
        "Give each program its own directory.";
    DirectoryName "directory_name" Warning
        "a directory with the name of an event file"
        "The Python loader treats it as one and fails."
        "Rename it, without \"tfevents\".";
    SymlinkLoop "symlink_loop" Warning
        "a link that leads back to a parent directory"
        "The Python loader follows it again and again, and lists runs that do not exist."
        "Remove the link.";
    SideFile "side_file" Warning
        "a file next to the log that cannot be read"
        "tbx shows the run without its data: parameters, metadata or embeddings; without a \
         registry, it finds no models. TensorBoard reads only the projector's files, and shows no \
         embeddings."
        "Replace or remove it.";
    SameDirectory "same_directory" Note
        "a directory with runs that can be reached by two paths"
        "TensorBoard lists its runs under both names; tbx lists them under one."
        "Remove the link to see them only once in TensorBoard.";
    NameNotUtf8 "name_not_utf8" Note
        "a directory name that is not UTF-8"
        "Its run has only a similar name."
        "Rename it.";
    Unfinished "unfinished" Note
        "an unfinished record at the end"
        "A program is still writing, or it died. Loaders wait for the rest."
        "If it died, `tbx repair` removes the record.";
    NoEvents "no_events" Note
        "a file without events"
        "The Python loader lists its run; the default loader does not."
        "Remove it, unless a program is about to write to it.";

    // Times and steps.
    WallTimeNan "wall_time_nan" Error
        "a wall time that is NaN"
        "The default loader shows nothing that comes later in the file."
        "`tbx repair` replaces it.";
    WallTimeInfinite "wall_time_infinite" Error
        "a wall time that is infinite"
        "The default loader drops the event."
        "`tbx repair` replaces it.";
    WallTimeZero "wall_time_zero" Note
        "a wall time of 0"
        "With the default loader the run seems to start in 1970 and comes first."
        "Set the wall time of every event.";
    StepsZero "steps_zero" Warning
        "a series whose steps are all 0"
        "The default loader shows only the last point."
        "Pass the step to every call that logs. `tbx edit --continue-steps` gives each point its \
         own step.";
    StepsRepeat "steps_repeat" Warning
        "several values at one step"
        "The default loader shows only the last of them."
        "Log each tag once per step.";
    StepsBack "steps_back" Warning
        "steps that go back"
        "The default loader drops all earlier points from that step on; the Python loader draws \
         back and forth."
        "Log steps in order. A program that resumes should use purge_step. `tbx edit \
         --continue-steps` makes one curve from sessions that start again at the first step.";
    StartsAgain "starts_again" Warning
        "a later file that starts again at the first step"
        "The default loader shows only the last session; the Python loader draws all of them over \
         each other."
        "`tbx edit --continue-steps` makes one curve from all sessions, with continuous steps.";
    RestartUnmarked "restart_unmarked" Warning
        "a later file that continues from an earlier step, as after a crash"
        "The default loader drops the earlier points from there on; the Python loader shows both."
        "Resume with purge_step. `tbx edit --compact --restart rustboard` drops the points that \
         were repeated.";
    RestartIgnored "restart_ignored" Note
        "a resumption that the Python loader does not detect"
        "It ignores the first START of a run, and also shows the earlier points."
        "Write two of them, as `SummaryWriter::resume` does.";

    // Tags and metadata.
    TagEmpty "tag_empty" Warning
        "a value without a tag"
        "Its chart has no name."
        "Give it a tag.";
    NoMetadata "no_metadata" Error
        "a series whose first value has no metadata"
        "No TensorBoard loader ever shows the series, even if later values have metadata."
        "Log it with a plugin's function, which adds metadata.";
    MetadataOnce "metadata_once" Note
        "metadata only in the run's first file"
        "If that file is deleted, the series is no longer shown."
        "Write metadata with a tag's first value in each file.";
    MetadataChanged "metadata_changed" Warning
        "metadata that differs from the metadata of the series' first value"
        "TensorBoard ignores it and uses the first."
        "Use another tag or another run.";
    NoDataClass "no_data_class" Warning
        "a plugin that TensorBoard does not know, without a data class"
        "The default loader keeps none of the values."
        "Set `data_class` in the metadata.";
    PluginContent "plugin_content" Error
        "metadata that the plugin cannot read"
        "The plugin leaves the series out, or its dashboard fails for all runs."
        "Write what the plugin's own writer writes.";
    KindsMixed "kinds_mixed" Warning
        "a tag with values of several kinds"
        "Only those of the first kind are shown; with the Python loader one of them can break the \
         whole dashboard."
        "Use one tag per kind.";

    // Values.
    Value "value" Error
        "values that are not valid for their kind"
        "They are not shown, and can break the whole dashboard."
        "Log them with a function for that kind.";
    ScalarForm "scalar_form" Warning
        "scalars that are not float32 of rank 0"
        "The default loader drops them; the Python loader shows them."
        "Log float32: without double_precision, and with integers converted.";
    TensorTwice "tensor_twice" Warning
        "tensors with elements in two places"
        "Readers disagree on which counts."
        "Set `tensor_content` or a typed array.";
    HalfBits "half_bits" Warning
        "16-bit floats with the bits of 32-bit ones"
        "TensorBoard cannot read them; tbx can. PyTorch's add_tensor writes them."
        "Convert to float32 before logging.";
    ImageDamaged "image_damaged" Error
        "images that are damaged or truncated"
        "Browsers show only a part of them, or nothing."
        "The image was damaged before it was logged: log it again.";
    AudioDamaged "audio_damaged" Error
        "audio clips that are damaged or truncated"
        "Browsers play only a part of them, or nothing."
        "The clip was damaged before it was logged: log it again.";
    ValueShape "value_shape" Warning
        "values in a shape that TensorBoard does not show"
        "TensorBoard shows nothing, or an error. tbx reads them."
        "Log them with a function for that kind.";
    ImageFormat "image_format" Warning
        "images that are not PNG, JPEG, GIF or BMP"
        "TensorBoard serves them as unknown data, and browsers do not show them."
        "Log PNG.";
    ImageSize "image_size" Note
        "images whose size differs from the one in the log"
        "TensorBoard uses the image's size; other programs may trust the log. tensorboard-rs swaps \
         width and height."
        "Log the image's own size.";
    AudioType "audio_type" Note
        "audio clips without an encoding"
        "The default loader serves them as unknown data, not as audio/wav."
        "Log v2 audio with encoding WAV.";
    PrCurve "pr_curve" Note
        "curves whose length differs from their metadata"
        "TensorBoard counts the points itself; other programs may trust the metadata. PyTorch \
         writes 127 for longer raw curves."
        "Write the number of columns as num_thresholds.";
    MeshComponents "mesh_components" Warning
        "a mesh with parts that its metadata does not declare"
        "TensorBoard does not show them."
        "Set `components` to the existing parts.";
    MeshParts "mesh_parts" Note
        "a mesh that declares parts that do not exist"
        "TensorBoard requests them in vain and shows the others. tensorboardX declares none, which \
         means all."
        "Set `components` to the existing parts.";
    HparamsExperiments "hparams_experiments" Warning
        "several hparams experiments that do not list the same columns"
        "TensorBoard uses one of them and shows no other columns."
        "Write one for all trials, in their parent directory, or none.";
    HparamsBool "hparams_bool" Note
        "a parameter that may be a bool written as a number"
        "TensorBoard shows 0 and 1 instead of false and true. PyTorch's add_hparams does that."
        "Pass strings if it matters.";
    HparamsOpen "hparams_open" Note
        "a session without an end"
        "TensorBoard shows its status as unknown."
        "Write the end of the session.";
}

/// The rule with this [`name`](Rule::name).
///
/// ```
/// use tbx_runs::verify::{Rule, Severity};
///
/// let rule: Rule = "steps_zero".parse()?;
/// assert_eq!(rule.severity(), Severity::Warning);
/// # Ok::<(), tbx::Error>(())
/// ```
impl FromStr for Rule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.iter().copied().find(|rule| rule.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|rule| rule.name()).collect();
            Error::argument(format!("there is no rule {name:?}; {}", meant(name, &names)))
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
