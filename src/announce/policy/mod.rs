//! What is announced in which state.

mod attributes;

pub use attributes::{Attributes, Ladder, NextHop};
