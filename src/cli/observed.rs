//! What a running relay shows of itself to other programs: `/metrics`, and the records of ended calls.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context;

use super::exit::{Exit, Failure};
use super::run::start_failure;
use crate::clock::Clock;
use crate::config::{Config, Records};
use crate::control::watch::Watch;
use crate::control::{self, RecordSink, Recorder};
use crate::metrics::{Exposition, More};
use crate::server::{self, Server};

/// Where Prometheus is to read, if anywhere; bound before the relay serves, so that a taken port stops the start.
pub(super) fn bind_metrics(config: &Config) -> Result<Option<TcpListener>, Failure> {
    let bind = |address| {
        TcpListener::bind(address).map_err(|error| start_failure(&server::refuse(address, "TCP", error)))
    };
    config.metrics.address.map(bind).transpose()
}

/// Serves `/metrics` from here on.
pub(super) fn serve_metrics(
    server: &Server,
    watch: &Arc<Watch>,
    listener: Option<TcpListener>,
) -> Result<(), Failure> {
    let Some(listener) = listener else { return Ok(()) };
    let more: Vec<Arc<dyn More>> = vec![server.ports(), Arc::clone(watch) as Arc<dyn More>];
    let exposition = Exposition::with(server.metrics(), Clock::new().now().unix, more)
        .context("a defect in the relay: its metrics contradict themselves")?;
    let serving = control::serve_metrics(listener, exposition).context("cannot serve metrics")?;
    tokio::spawn(serving);
    Ok(())
}

/// Where records go.
pub(super) fn record_sink(config: &Config) -> Result<RecordSink, Failure> {
    match &config.quality.records {
        Records::Off => Ok(RecordSink::Off),
        Records::Log => Ok(RecordSink::Log),
        Records::File(path) => {
            let path = config.resolve(path);
            RecordSink::file(&path).map_err(|error| {
                let text = format!("tern: quality.records: cannot write to {}: {error}", path.display());
                Failure::new(Exit::Failed, text)
            })
        }
    }
}

/// Writes the records of this relay's calls from here on.
pub(super) fn record(server: &mut Server, sink: RecordSink) -> Result<Option<Recorder>, Failure> {
    let start = |records| Recorder::start(records, sink).context("cannot start writing records");
    Ok(server.take_records().map(start).transpose()?)
}
