//! The watch over a running relay: what it looks at, and how it goes on after a reload.

use std::fs;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::operators::Opened;
use crate::config::Config;
use crate::control::admin::AnnouncerOperations;
use crate::control::watch::{CallLook, Figures, Sources, Watch};
use crate::engine;
use crate::metrics::CallRow;
use crate::quality::Legs;
use crate::server::Server;

/// What the watch looks at and a reload changes.
struct Present {
    engine: Arc<engine::Settings>,
    /// What packets leave with, by what they came with.
    leaving: [Option<u8>; 64],
}

/// A watch, and what it has to be told of.
pub(super) struct Watching {
    watch: Arc<Watch>,
    present: Arc<ArcSwap<Present>>,
}

impl Watching {
    /// Watches a relay from here on, on the current runtime.
    pub(super) fn start(
        config: &Config,
        server: &Server,
        announcer: &Arc<AnnouncerOperations>,
        operators: &Opened,
    ) -> Self {
        let present = Arc::new(ArcSwap::from_pointee(Present::of(config, server)));
        let (announcer, calls, shared) = (Arc::clone(announcer), server.calls(), server.shared());
        let (limits, marks) = (Arc::clone(&present), Arc::clone(&present));
        let sources = Sources {
            workers: server.metrics(),
            certificates: server.certificates().iter().chain(operators.certificate()).cloned().collect(),
            room: Arc::new(move || shared.room(&limits.load().engine)),
            announcer: Arc::new(move || announcer.standing()),
            calls: Arc::new(move || {
                calls.rows().rows.iter().filter(|row| !row.is_self_test).map(look).collect()
            }),
            leaving_dscp: Arc::new(move |dscp| {
                marks.load().leaving.get(usize::from(dscp)).copied().flatten()
            }),
        };
        let watch = Watch::new(sources, config.watch_settings(&machine_name()));
        tokio::spawn(Arc::clone(&watch).run());
        Self { watch, present }
    }

    pub(super) const fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// After a server that has been reloaded.
    pub(super) fn reload(&self, config: &Config, server: &Server) {
        self.present.store(Arc::new(Present::of(config, server)));
        self.watch.reload(config.watch_settings(&machine_name()));
    }
}

impl Present {
    fn of(config: &Config, server: &Server) -> Self {
        let mut leaving = [None; 64];
        for (dscp, place) in (0u8..).zip(&mut leaving) {
            *place = config.leaving_dscp(dscp);
        }
        Self { engine: Arc::clone(&server.settings().engine), leaving }
    }
}

fn look(row: &CallRow) -> CallLook {
    let legs = row.media.as_ref().map(|media| {
        Legs::from_fn(|leg| {
            let figures = &media.legs[leg];
            let (mos, loss_percent) = (figures.mos, figures.loss_percent);
            Figures { mos, loss_percent, jitter: figures.jitter, rtt: figures.rtt }
        })
    });
    CallLook { client: row.info.client.ip(), legs }
}

/// What a relay is called that has been given no name.
fn machine_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "tern".to_owned() } else { name.to_owned() }
}
