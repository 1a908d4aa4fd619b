//! The protobuf messages of TensorBoard, as prost makes them from `proto/`.
//!
//! The files next to this one are generated; CONTRIBUTING says how. A test generates them again and
//! compares.
//!
//! For what the rest of the crate has no name for: every other part of it reads and writes
//! these bytes without asking its callers to know them. Fields may be added here in any
//! release: construct with `..Default::default()`.

mod generated {
    #![allow(missing_docs, unreachable_pub, deprecated, clippy::all)]
    #![allow(clippy::as_conversions, clippy::indexing_slicing, rustdoc::all)]

    pub mod google {
        pub mod protobuf {
            include!("google.protobuf.rs");
        }
    }
    pub mod onnx {
        include!("onnx.rs");
    }
    pub mod tensorboard {
        include!("tensorboard.rs");
        pub mod hparams {
            include!("tensorboard.hparams.rs");
        }
        pub mod mesh {
            include!("tensorboard.mesh.rs");
        }
        pub mod projector {
            include!("tensorboard.projector.rs");
        }
    }
}

pub use generated::google;
/// Not TensorBoard's, and nobody else's business: what `Graph::from_onnx` reads.
pub(crate) use generated::onnx;
pub use generated::tensorboard::*;
