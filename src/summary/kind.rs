//! The table of data kinds.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How TensorBoard stores and serves a series, whatever its kind. There are only these three
/// (`tensorboard/compat/proto/summary.proto`, `DataClass`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataClass {
    /// One number per step.
    Scalar,
    /// One small tensor per step.
    Tensor,
    /// A list of byte strings per step, such as encoded images.
    BlobSequence,
}

/// Generates the enum and everything that depends on it from one table.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $class:ident [$($plugin:literal)*];)*) => {
        /// The type of the values of a series.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All kinds, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The name that `tbx` prints and accepts.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }

            /// Returns whether the values are points of a curve over steps, as opposed to records
            /// about the run.
            #[doc(hidden)]
            pub const fn has_steps(self) -> bool {
                !matches!(
                    self,
                    Self::Hparams | Self::CustomScalars | Self::Graph | Self::RunMetadata | Self::Meta
                )
            }

            /// How series of this kind are stored. For [`Kind::Tensor`], the metadata may specify
            /// another class.
            pub const fn data_class(self) -> DataClass {
                match self { $(Self::$kind => DataClass::$class),* }
            }

            /// Names of the TensorBoard plugins that claim such series, the usual one first.
            pub const fn plugins(self) -> &'static [&'static str] {
                match self { $(Self::$kind => &[$($plugin),*]),* }
            }
        }
    };
}

kinds! {
    /// One number; see [`scalar`](super::scalar).
    Scalar        "scalar"         Scalar       ["scalars"];
    /// The distribution of many numbers.
    Histogram     "histogram"      Tensor       ["histograms"];
    /// One or more images.
    Image         "image"          BlobSequence ["images"];
    /// One or more audio clips.
    Audio         "audio"          BlobSequence ["audio"];
    /// Strings, rendered as Markdown.
    Text          "text"           Tensor       ["text"];
    /// Precision and recall over thresholds.
    PrCurve       "pr_curve"       Tensor       ["pr_curves"];
    /// Points and faces in 3D space.
    Mesh          "mesh"           Tensor       ["mesh"];
    /// Hyperparameters and the status of a session, all stored in the metadata.
    Hparams       "hparams"        Tensor       ["hparams"];
    /// The series that share a chart.
    CustomScalars "custom_scalars" Tensor       ["custom_scalars"];
    /// A model's graph.
    Graph         "graph"          BlobSequence ["graphs" "graph_keras_model"];
    /// Time and memory used by the nodes of a graph.
    RunMetadata   "run_metadata"   BlobSequence ["graph_tagged_run_metadata"
                                                 "graph_run_metadata"
                                                 "graph_run_metadata_graph"];
    /// Metadata of the run: the copy of `tbx.json` in its log.
    Meta          "meta"           Tensor       ["tbx"];
    /// Any tensor. The name is the one that PyTorch uses for tensors that no dashboard shows. Also
    /// the values of a plugin that is not in this table, or without a plugin.
    Tensor        "tensor"         Tensor       ["tensor"];
}

impl Kind {
    /// The kind shown by the plugin `name`.
    ///
    /// ```
    /// use tbx::Kind;
    ///
    /// assert_eq!(Kind::of_plugin("scalars"), Kind::Scalar);
    /// assert_eq!(Kind::of_plugin("my_plugin"), Kind::Tensor);
    /// ```
    pub fn of_plugin(name: &str) -> Self {
        let found = Self::ALL.iter().find(|kind| kind.plugins().contains(&name));
        found.copied().unwrap_or(Self::Tensor)
    }

    /// Name of the usual plugin.
    pub fn plugin(self) -> &'static str {
        self.plugins().first().copied().unwrap_or("")
    }
}

/// The kind with this [`name`](Kind::name). Any other text is an [`ErrorKind::Argument`](crate::ErrorKind::Argument), which lists the names.
impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            Error::argument(format!("there is no kind {name:?}; there are {}", names.join(", ")))
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
