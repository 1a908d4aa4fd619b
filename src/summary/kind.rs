//! The table of data kinds.

use std::fmt;

/// How TensorBoard stores and serves a series, whatever its kind. Closed: these three are all
/// (`tensorboard/compat/proto/summary.proto`, `DataClass`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataClass {
    /// A number at each step.
    Scalar,
    /// A small tensor at each step.
    Tensor,
    /// A list of byte strings at each step, such as encoded pictures.
    BlobSequence,
}

/// Makes the enum and everything that depends on it from one table.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $class:ident [$($plugin:literal)*];)*) => {
        /// What the values of a series are.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The name that the program prints and takes.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }

            /// Whether its values are points of a curve over steps, rather than records that say something
            /// about the run.
            #[cfg(any(feature = "edit", feature = "verify"))]
            pub(crate) const fn has_steps(self) -> bool {
                !matches!(
                    self,
                    Self::Hparams | Self::CustomScalars | Self::Graph | Self::RunMetadata | Self::Meta
                )
            }

            /// How series of this kind are stored. For [`Kind::Tensor`] the metadata may say
            /// otherwise.
            pub const fn data_class(self) -> DataClass {
                match self { $(Self::$kind => DataClass::$class),* }
            }

            /// The names under which TensorBoard's plugins claim such series, the usual one
            /// first.
            pub const fn plugins(self) -> &'static [&'static str] {
                match self { $(Self::$kind => &[$($plugin),*]),* }
            }
        }
    };
}

kinds! {
    /// One number, see [`scalar`](super::scalar).
    Scalar        "scalar"         Scalar       ["scalars"];
    /// The distribution of many numbers.
    Histogram     "histogram"      Tensor       ["histograms"];
    /// One or more pictures.
    Image         "image"          BlobSequence ["images"];
    /// One or more sound clips.
    Audio         "audio"          BlobSequence ["audio"];
    /// Strings, rendered as Markdown.
    Text          "text"           Tensor       ["text"];
    /// Precision and recall over thresholds.
    PrCurve       "pr_curve"       Tensor       ["pr_curves"];
    /// Points and faces in space.
    Mesh          "mesh"           Tensor       ["mesh"];
    /// Hyperparameters and the status of a session; all in the metadata.
    Hparams       "hparams"        Tensor       ["hparams"];
    /// Which series share a chart.
    CustomScalars "custom_scalars" Tensor       ["custom_scalars"];
    /// A model's graph.
    Graph         "graph"          BlobSequence ["graphs" "graph_keras_model"];
    /// Time and memory of a graph's nodes.
    RunMetadata   "run_metadata"   BlobSequence ["graph_tagged_run_metadata"
                                                 "graph_run_metadata"
                                                 "graph_run_metadata_graph"];
    /// What the run is: the copy of `tbx.json` in its log.
    Meta          "meta"           Tensor       ["tbx"];
    /// Any tensor, under PyTorch's name for those that no dashboard shows; also the values of
    /// a plugin that is not in this table, or of none.
    Tensor        "tensor"         Tensor       ["tensor"];
}

impl Kind {
    /// The kind that the plugin `name` shows.
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

    /// The kind of this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The usual plugin's name.
    pub fn plugin(self) -> &'static str {
        self.plugins().first().copied().unwrap_or("")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
