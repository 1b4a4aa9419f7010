//! The call that a relay without checks makes through itself before it says that it serves.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::announce::CheckId;
use crate::announce::health::{CheckSettings, Report, Verdict};
use crate::server::Server;
use crate::speaker::RunChecks as _;
use crate::speaker::checks::{CheckKind, Checks, EchoPeers};

/// Between two looks at the reports.
const STEP: Duration = Duration::from_millis(20);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// The reports of the run that is under way, by the checks' numbers.
type Reports = Arc<Mutex<Vec<Option<Report>>>>;

/// A call through every listener, transport and worker.
pub(super) struct Trial {
    checks: Checks,
    settings: Vec<CheckSettings>,
    reports: Reports,
}

impl Trial {
    /// Prepares the calls of `tests`, to `peers` that the server's settings admit.
    pub(super) fn prepare(
        tests: Vec<(CheckSettings, CheckKind)>,
        server: &Server,
        peers: Arc<EchoPeers>,
    ) -> io::Result<Self> {
        let (settings, kinds): (Vec<_>, Vec<_>) = tests.into_iter().unzip();
        let reports: Reports = Arc::new(Mutex::new(vec![None; settings.len()]));
        let told = Arc::clone(&reports);
        let on_report = Arc::new(move |check: CheckId, _, report| {
            if let Some(place) = lock(&told).get_mut(usize::from(check.0)) {
                *place = Some(report);
            }
        });
        let context = Arc::new(ArcSwap::from_pointee(server.check_context(peers)));
        Ok(Self { checks: Checks::start(kinds, &context, on_report)?, settings, reports })
    }

    /// Tries until all calls come through. What stands in the way is told each time.
    pub(super) async fn pass(mut self, tell: impl Fn(&str)) {
        let mut run = 0;
        while let Some(trouble) = self.run_once(run).await {
            tracing::warn!(trouble, "the self-test fails, so the relay does not say that it serves");
            tell(&trouble);
            tokio::time::sleep(PAUSE).await;
            run += 1;
        }
        // Its threads are waited for.
        drop(tokio::task::spawn_blocking(move || drop(self.checks)).await);
    }

    /// What does not work, if anything.
    async fn run_once(&mut self, run: u32) -> Option<String> {
        lock(&self.reports).fill(None);
        let mut patience = Duration::ZERO;
        for (check, settings) in (0u16..).zip(&self.settings) {
            patience = patience.max(settings.timeout);
            self.checks.run(CheckId(check), run, settings.timeout);
        }
        let mut waited = Duration::ZERO;
        while waited < patience && lock(&self.reports).iter().any(Option::is_none) {
            tokio::time::sleep(STEP).await;
            waited += STEP;
        }
        let reports = lock(&self.reports);
        self.settings.iter().zip(reports.iter()).find_map(|(settings, report)| match report {
            // Nobody else is there yet who could have filled the relay.
            Some(Report { verdict: Verdict::Good, .. }) => None,
            Some(report) => Some(format!("{}: {}", settings.name, report.detail)),
            None => Some(format!("{}: no answer", settings.name)),
        })
    }
}

fn lock(reports: &Mutex<Vec<Option<Report>>>) -> MutexGuard<'_, Vec<Option<Report>>> {
    reports.lock().unwrap_or_else(PoisonError::into_inner)
}
