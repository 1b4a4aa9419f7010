//! `[metrics]`: where Prometheus may read.

use std::net::SocketAddr;

use serde::Serialize;

use super::problem::Place;
use super::reader::Section;

/// `[metrics]`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Metrics {
    /// Where `/metrics` is served; nowhere unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Where `address` was written.
    #[serde(skip)]
    pub(super) place: Place,
}

impl Metrics {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let address: Option<SocketAddr> = section.optional("address");
        if address.is_some_and(|address| address.port() == 0) {
            section.error("address", "needs a port that Prometheus can be told, such as 127.0.0.1:9478");
        }
        let out = Self { address, place: section.place_of("address") };
        section.finish();
        out
    }
}
