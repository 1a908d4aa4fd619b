//! The table of rules: what can be wrong with logs, for whom that matters, and what to do.
//!
//! "Default loader" is TensorBoard's data server, which it starts unless told otherwise; "Python
//! loader" its own reader, `--load_fast=false`.

use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is lost.
    Note,
    /// Some reader shows less than the log has, or something else.
    Warning,
    /// Data cannot be read, or is shown by no reader.
    Error,
}

impl Severity {
    /// Its name in the program's output.
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

/// Makes the enum and everything that depends on it from one table.
macro_rules! rules {
    ($($rule:ident $name:literal $severity:ident $title:literal $effect:literal $advice:literal;)*) => {
        /// One thing that can be wrong with logs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = concat!("`", $name, "`: ", $title, ".")] $rule,)*
        }

        impl Rule {
            /// Every rule, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// Its stable name, as the program prints and takes it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$rule => $name),* }
            }

            /// How much its findings matter.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$rule => Severity::$severity),* }
            }

            /// What is wrong, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$rule => $title),* }
            }

            /// What it means, and for whom.
            pub const fn effect(self) -> &'static str {
                match self { $(Self::$rule => $effect),* }
            }

            /// What to do about it.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$rule => $advice),* }
            }
        }
    };
}

rules! {
    // Files.
    Io "io" Error
        "a file or folder cannot be read"
        "Nothing in it was looked at."
        "Check its permissions and the disk.";
    Compressed "compressed" Error
        "a compressed file"
        "No TensorBoard loader reads compressed logs."
        "Decompress it.";
    LengthCrc "length_crc" Error
        "a wrong checksum of a record's length"
        "Both of TensorBoard's loaders show nothing that comes later in the file."
        "`tbx repair` copies every whole record.";
    TooLong "too_long" Error
        "a record that claims to be longer than any can be"
        "Both of TensorBoard's loaders show nothing that comes later in the file."
        "`tbx repair` copies every whole record.";
    Torn "torn" Error
        "a record that was not finished, and others behind it"
        "Both of TensorBoard's loaders show nothing that comes later in the file."
        "`tbx repair` copies every whole record. Programs that resume should start a new file.";
    PayloadCrc "payload_crc" Error
        "a wrong checksum of a record's payload"
        "The Python loader stops there. The default one takes the bytes for data if it can, or \
         stops."
        "`tbx repair` leaves the record out.";
    Proto "proto" Error
        "a record that is no event"
        "The default loader shows nothing that comes later in the file, the Python loader fails."
        "`tbx repair` leaves the record out.";
    Truncated "truncated" Error
        "a file that got shorter while it was read"
        "What was cut off is lost."
        "Do not let programs write over existing logs.";
    FileVersion "file_version" Warning
        "a file that does not start with file version 2"
        "The Python loader takes it for an old log: a step that goes back drops earlier points, \
         and restarts are not known."
        "`tbx repair` puts the version first where there is none.";
    FileOrder "file_order" Warning
        "files whose names are not in the order of time"
        "Files of a run are read in the order of their names: the default loader drops points of \
         the earlier ones, the Python loader draws back and forth."
        "Rename them: events.out.tfevents.<seconds, ten digits>.";
    FileCopy "file_copy" Warning
        "two files of a run that hold the same events"
        "Every name with \"tfevents\" in it is read: the Python loader shows each point twice."
        "Move the copy out of the run's folder.";
    WritersOverlap "writers_overlap" Warning
        "several programs that wrote one run at the same time"
        "The default loader drops points of the earlier file where tags are the same. While they \
         run, the Python loader reads the last file only."
        "Give each program a folder of its own.";
    DirectoryName "directory_name" Warning
        "a folder that is called like an event file"
        "The Python loader takes it for one and fails."
        "Rename it: without \"tfevents\".";
    SymlinkLoop "symlink_loop" Warning
        "a link that leads back to a folder above it"
        "The Python loader follows it again and again and lists runs that are not there."
        "Remove the link.";
    SameDirectory "same_directory" Note
        "a folder with runs that can be reached by two paths"
        "TensorBoard lists its runs under both names, tbx under one."
        "Remove the link, if you want them once in TensorBoard, too.";
    NameNotUtf8 "name_not_utf8" Note
        "a folder's name that is not UTF-8"
        "Its run is called something like it."
        "Rename it.";
    Unfinished "unfinished" Note
        "an unfinished record at the end"
        "A program is writing, or died. Loaders wait for the rest."
        "If it died, `tbx repair` leaves the rest out.";
    NoEvents "no_events" Note
        "a file without events"
        "The Python loader lists its run, the default one does not."
        "Remove it, unless a program is about to write.";

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
        "The default loader shows the last point only."
        "Pass the step to every call that logs.";
    StepsRepeat "steps_repeat" Warning
        "several values at one step"
        "The default loader shows the last of them only."
        "Log each tag once a step.";
    StepsBack "steps_back" Warning
        "steps that go back"
        "The default loader drops all earlier points from that step on; the Python loader draws \
         back and forth."
        "Log steps in order. A program that resumes should say so (purge_step).";
    RestartUnmarked "restart_unmarked" Warning
        "a later file that starts over at an earlier step"
        "The default loader drops the earlier points from there on, the Python loader shows both."
        "Resume with purge_step, or `tbx edit --compact --restart rustboard`.";
    RestartIgnored "restart_ignored" Note
        "a resume that the Python loader does not see"
        "It ignores the first START of a run, and shows the earlier points, too."
        "Write two of them: `SummaryWriter::resume` does.";

    // Tags and metadata.
    TagEmpty "tag_empty" Warning
        "a value without a tag"
        "Its chart has no name."
        "Give it a tag.";
    NoMetadata "no_metadata" Error
        "a series whose first value has no metadata"
        "No TensorBoard loader ever shows the series, even if later values have some."
        "Log it with a function of a plugin, which gives metadata.";
    MetadataOnce "metadata_once" Note
        "metadata in the run's first file only"
        "If that file is deleted, the series is shown no more."
        "Give metadata with a tag's first value in each file.";
    MetadataChanged "metadata_changed" Warning
        "metadata that is not that of the series' first value"
        "TensorBoard ignores it: the first counts."
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
        "Use a tag for each.";

    // Values.
    Value "value" Error
        "values that do not have the form of their kind"
        "They are not shown, and can break the whole dashboard."
        "Log them with a function for that kind.";
    ScalarForm "scalar_form" Warning
        "scalars that are not float32 of rank 0"
        "The default loader drops them, the Python loader shows them."
        "Log float32: without double_precision, and integers converted.";
    TensorTwice "tensor_twice" Warning
        "tensors with their elements in two places"
        "Readers disagree on which counts."
        "Set `tensor_content` or a typed array.";
    HalfBits "half_bits" Warning
        "16-bit floats with the bits of 32-bit ones"
        "TensorBoard cannot read them; tbx can. PyTorch's add_tensor writes them."
        "Convert to float32 before logging.";
    ImageDamaged "image_damaged" Error
        "pictures that are damaged or cut short"
        "Browsers show a part of them, or nothing."
        "The picture was damaged before it was logged: log it again.";
    ImageFormat "image_format" Warning
        "pictures that are neither PNG, JPEG, GIF nor BMP"
        "TensorBoard serves them as unknown data, and browsers do not show them."
        "Log PNG.";
    ImageSize "image_size" Note
        "pictures whose size is not the one that the log says"
        "TensorBoard shows the picture as it is; others may trust the log. tensorboard-rs exchanges \
         width and height."
        "Log the picture's own size.";
    AudioType "audio_type" Note
        "clips whose encoding is not said"
        "The default loader serves them as unknown data, not as audio/wav."
        "Log v2 audio with encoding WAV.";
    PrCurve "pr_curve" Note
        "curves of another length than their metadata says"
        "TensorBoard counts by itself; others may trust the metadata. PyTorch says 127 for longer \
         raw curves."
        "Write the number of columns as num_thresholds.";
    MeshComponents "mesh_components" Warning
        "a mesh with parts that its metadata does not name"
        "TensorBoard does not show them."
        "Set `components` to the parts that there are.";
    MeshParts "mesh_parts" Note
        "a mesh that names parts that are not there"
        "TensorBoard asks for them in vain and shows the others. tensorboardX names none, which \
         stands for all."
        "Set `components` to the parts that there are.";
    HparamsExperiments "hparams_experiments" Warning
        "several hparams experiments that do not list the same columns"
        "TensorBoard takes one of them and shows no other columns."
        "Write one for all trials, in the folder above them, or none.";
    HparamsBool "hparams_bool" Note
        "a parameter that may be a bool written as a number"
        "TensorBoard shows 0 and 1 instead of false and true. PyTorch's add_hparams does that."
        "Pass strings, if it matters.";
    HparamsOpen "hparams_open" Note
        "a session without an end"
        "TensorBoard shows its status as unknown."
        "Write the end of the session.";
}

impl Rule {
    /// The rule of this [`name`](Self::name).
    ///
    /// ```
    /// use tbx::verify::{Rule, Severity};
    ///
    /// let rule = Rule::from_name("steps_zero").unwrap();
    /// assert_eq!(rule.severity(), Severity::Warning);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
