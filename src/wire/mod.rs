//! Bytes to types and back: borrowed, without allocation, without input or output.

pub mod channel_data;
