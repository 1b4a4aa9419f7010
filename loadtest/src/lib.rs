//! Measures a TURN server, Tern or any other: the client that ships with Tern.
//!
//! Arguments ([`cli`]) become a validated [`plan::Plan`]; a [`modes`] function carries it out with a
//! [`driver::Fleet`] of sessions and says what it measured ([`outcome`]); [`report`] writes it down.
//!
//! | file | what it owns |
//! |---|---|
//! | [`app`] | from the arguments to the exit code |
//! | [`cli`], [`plan`], [`profile`], [`units`] | what the user types, and what it means |
//! | [`client`] | a TURN client without input or output |
//! | [`media`] | packets that tell when they were sent and whether they arrived whole |
//! | [`driver`] | the threads that own all sockets |
//! | [`cpu`], [`memory`], [`machine`] | what the servers and this machine spend |
//! | [`modes`] | one file per subcommand |
//! | [`trend`] | whether a series grows |
//! | [`outcome`] | what was measured, as plain types |
//! | [`report`] | text, JSON, plots, progress |

pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod cpu;
pub mod driver;
pub mod failure;
pub mod machine;
pub mod media;
pub mod memory;
pub mod modes;
pub mod outcome;
pub mod plan;
pub mod profile;
pub mod progress;
pub mod report;
pub mod trend;
pub mod units;
