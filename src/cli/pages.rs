//! What a development relay shows: its test page, and what it prints of itself at its start. On the main thread.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context;

use super::development::{DevelopmentRelay, PAGE_PORT};
use super::exit::{Failure, print};
use super::machine;
use crate::clock::Clock;
use crate::config::Config;
use crate::control;

impl DevelopmentRelay {
    /// The page is on loopback and on the machine's own addresses.
    pub(super) fn bind_pages(&self) -> Result<Vec<TcpListener>, Failure> {
        let mut addresses = vec![std::net::Ipv4Addr::LOCALHOST.into()];
        addresses.extend(self.addresses.iter().filter(|ip| !ip.is_loopback()));
        let pages = machine::bind_page(PAGE_PORT, &addresses).context("no free port for the test page")?;
        Ok(pages)
    }
}

/// Says where it is.
pub(super) fn announce(
    development: &DevelopmentRelay,
    config: &Config,
    pages: &[TcpListener],
    json: bool,
) -> Result<(), Failure> {
    let now = Clock::new().now().unix;
    let pages = page_addresses(pages);
    if json {
        print(&format!("{}\n", development.describe_json(config, now, &pages)))
    } else {
        print(&development.describe(config, now, &pages))
    }
}

pub(super) fn page_addresses(pages: &[TcpListener]) -> Vec<SocketAddr> {
    pages.iter().filter_map(|page| page.local_addr().ok()).collect()
}

/// On the control runtime, until it ends.
pub(super) fn serve_pages(
    development: &Arc<DevelopmentRelay>,
    config: &Config,
    pages: Vec<TcpListener>,
) -> Result<(), Failure> {
    let (development, config) = (Arc::clone(development), config.clone());
    let page = control::Page {
        hosts: control::Hosts { names: Vec::new(), addresses: development.addresses.clone() },
        ice_servers: Arc::new(move || development.ice_servers(&config, Clock::new().now().unix)),
    };
    let serving = control::serve(pages, page).context("cannot serve the test page")?;
    tokio::spawn(serving);
    Ok(())
}
