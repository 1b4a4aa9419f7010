//! What people and programs may ask of a running relay, and where it writes what it has to say. `/metrics` for
//! Prometheus where the configuration says so; the records of ended calls; in the development mode a page that tests the
//! relay from a browser; for operators the admin socket. None of it waits for a worker while packets do, and no worker ever waits for it.

pub mod admin;
mod connections;
mod hosts;
mod metrics;
mod operator_page;
mod page;
mod records;
pub mod url;
pub mod watch;

pub use hosts::Hosts;
pub use metrics::serve_metrics;
pub use page::{Page, serve};
pub use records::{RecordSink, Recorder};
