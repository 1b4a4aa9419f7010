//! How good the media is that passes, from what SRTP leaves readable.

pub mod codec;
pub mod emodel;
pub mod stream;
