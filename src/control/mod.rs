//! What people and programs may ask of a running relay, on the control runtime: none of it ever waits for a worker, and
//! no worker for it. `/metrics` for Prometheus where the configuration says so; in the development mode a page that tests the
//! relay from a browser.

mod connections;
mod metrics;
mod page;

pub use metrics::serve_metrics;
pub use page::{Page, serve};
