//! What came of what an operator wanted.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Drain, Report};

/// How the relay is being emptied, and what its neighbours are told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrainReport {
    /// While it is being emptied.
    pub draining: Option<Drain>,
    /// What is announced; nothing where there is no neighbour.
    pub report: Option<Report>,
}

/// What reading the configuration again has brought, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadReport {
    /// Keys whose new values hold from now on.
    pub applied: Vec<String>,
    /// Keys that only the next start of the relay reads.
    pub needs_restart: Vec<String>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
    /// When it is undone unless somebody confirms it.
    pub confirm_by: Option<String>,
    /// Whether nothing was done, as it was asked for.
    pub dry_run: bool,
}

/// Where reloads stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadState {
    /// The one that waits to be confirmed.
    pub pending: Option<ReloadReport>,
    /// The last thing that happened.
    pub last: Option<ReloadOutcome>,
}

/// What happened to a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadOutcome {
    /// When.
    pub at: String,
    /// "applied", "confirmed", "undone" or "refused".
    pub outcome: String,
    /// In words: what wanted it, what was wrong.
    pub text: String,
}

/// What the log lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogReport {
    /// "error", "warn", "info", "debug" or "trace".
    pub level: String,
    /// What the configuration says.
    pub configured: String,
}

/// A credential that was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CredentialReport {
    /// `expiry:user`.
    pub username: String,
    /// Base64.
    pub password: String,
    /// From when on it is no longer taken for new calls.
    pub expires: String,
    /// What `RTCPeerConnection` takes.
    #[schema(value_type = Vec<Object>)]
    pub ice_servers: Vec<serde_json::Value>,
}

/// What the relay would say to whoever showed a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyReport {
    /// Whether he would be let in.
    pub ok: bool,
    /// Where the user was found: "users_file" or "shared_secret".
    pub method: Option<String>,
    /// The ID of the secret that it was made under.
    pub secret_id: Option<String>,
    /// Why not, in a sentence.
    pub reason: Option<String>,
}
