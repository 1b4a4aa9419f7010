//! What somebody should look at now.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All of it, the worst first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertList {
    /// Nothing is wrong while there is none.
    pub alerts: Vec<Alert>,
}

/// One thing that is wrong, from when it was noticed until it is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Which; the same word for the same kind: "capacity", "quality", "connect", "bgp", "bfd", "path", "certificate",
    /// "announced", "worker" or "health".
    pub name: String,
    /// What it is about, where there can be several: a resource, a leg, a neighbour, a certificate, a worker.
    pub subject: Option<String>,
    /// How bad it is.
    pub severity: AlertSeverity,
    /// Since when.
    pub since: String,
    /// What is wrong, with its figures.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
    /// The figure.
    pub value: Option<f64>,
    /// The figure at which it begins.
    pub threshold: Option<f64>,
}

/// How bad an alert is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    /// Calls are well; look at it today.
    #[default]
    Warning,
    /// Calls are hurt or will be soon; look at it now.
    Critical,
}
