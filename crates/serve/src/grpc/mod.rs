//! The data server that stock TensorBoard reads from, in place of its own.
//!
//! The protocol is `proto/data_provider.proto`: ten methods over HTTP/2 without TLS.

#[rustfmt::skip] // generated
#[allow(missing_docs, clippy::all, unreachable_pub, unused_qualifications)]
#[path = "pb/tensorboard.data.rs"]
mod pb;

mod blobs;
mod filter;
mod limit;
mod methods;
mod status;
mod tensors;
mod transport;

pub(crate) use self::transport::serve;
