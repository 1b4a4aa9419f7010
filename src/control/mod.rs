//! What people and programs may ask of a running relay. In the development mode this is one page that
//! tests the relay from a browser; it runs on the control runtime and never touches a worker.

mod page;

pub use page::{Page, serve};
