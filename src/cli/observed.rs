//! What a running relay shows of itself to other programs: `/metrics`.

use std::net::TcpListener;

use anyhow::Context;

use super::exit::Failure;
use super::run::start_failure;
use crate::clock::Clock;
use crate::config::Config;
use crate::control;
use crate::metrics::Exposition;
use crate::server::{self, Server};

/// Where Prometheus is to read, if anywhere; bound before the relay serves, so that a taken port stops the start.
pub(super) fn bind_metrics(config: &Config) -> Result<Option<TcpListener>, Failure> {
    let bind = |address| {
        TcpListener::bind(address).map_err(|error| start_failure(&server::refuse(address, "TCP", error)))
    };
    config.metrics.address.map(bind).transpose()
}

/// Serves `/metrics` from here on.
pub(super) fn serve_metrics(server: &Server, listener: Option<TcpListener>) -> Result<(), Failure> {
    let Some(listener) = listener else { return Ok(()) };
    let exposition = Exposition::new(server.metrics(), Clock::new().now().unix)
        .context("a defect in the relay: its metrics contradict themselves")?;
    let serving = control::serve_metrics(listener, exposition).context("cannot serve metrics")?;
    tokio::spawn(serving);
    Ok(())
}
