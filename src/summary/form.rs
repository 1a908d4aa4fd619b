//! Types of messages that hold values.

/// The type of message in a [`RawValue`](super::RawValue).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Form {
    /// No message: the value was metadata only.
    None,
    /// A float32 instead of a message: a v1 scalar. Series of scalars are stored as columns
    /// instead.
    Simple,
    /// `TensorProto`: every v2 value.
    Tensor,
    /// `HistogramProto`: a v1 histogram.
    Histo,
    /// `Summary.Image`: a v1 image.
    Image,
    /// `Summary.Audio`: a v1 clip.
    Audio,
    /// `GraphDef`, from a separate event.
    GraphDef,
    /// `RunMetadata`, from a separate event.
    RunMetadata,
}
