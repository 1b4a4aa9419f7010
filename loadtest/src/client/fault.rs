//! Why a client has given up, as a sentence.

use std::net::SocketAddr;

use super::Step;
use crate::failure::{Exit, Failure};
use crate::plan::Target;

/// Why a client has given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server said no.
    Refused {
        /// To what.
        step: Step,
        /// With which error code.
        code: u16,
        /// In which words.
        reason: String,
        /// Where it sends clients instead (300).
        alternate: Option<SocketAddr>,
        /// Which peer it was asked for.
        peer: Option<SocketAddr>,
    },
    /// It said nothing.
    Silent(Step),
    /// It said nonsense.
    Broken(Step, &'static str),
    /// The connection could not be made, or has ended.
    Disconnected(String),
    /// This machine has no more sockets or ports.
    Machine(String),
}

impl Fault {
    /// The STUN error code; 0 if there is none.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Silent(_) | Self::Broken(..) | Self::Disconnected(_) | Self::Machine(_) => 0,
        }
    }

    /// Whether the server takes this client for one that had the same address and port.
    #[must_use]
    pub const fn is_held_port(&self) -> bool {
        matches!(self, Self::Refused { step: Step::Allocate, code: 437, .. })
    }

    /// Whether it was the server who said so: it may be asked for something else.
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Broken(..))
    }

    /// A few words, for tables.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Refused { step, reason, .. } => format!("{}: {reason}", step.name()),
            Self::Silent(step) => format!("{}: no answer", step.name()),
            Self::Broken(step, what) => format!("{}: {what}", step.name()),
            Self::Disconnected(error) => format!("connection: {error}"),
            Self::Machine(error) => format!("this machine: {error}"),
        }
    }

    /// A sentence that tells the user what to do. `ready` sessions had been opened before.
    #[must_use]
    pub fn failure(&self, target: &Target, ready: u64) -> Failure {
        let at = format!("{} ({})", target.address, target.transport);
        match self {
            Self::Refused { step, code, reason, alternate, peer } => {
                let text = refusal(*step, *code, reason, *alternate, *peer, target, &at, ready);
                Failure::new(Exit::Refused, text)
            }
            Self::Silent(step) => Failure::new(Exit::Unreachable, silence(*step, &at)),
            Self::Broken(step, what) => {
                let name = step.name();
                Failure::new(
                    Exit::Refused,
                    format!("{at} does not answer {name} as a TURN server would: {what}"),
                )
            }
            Self::Disconnected(error) => Failure::new(
                Exit::Unreachable,
                format!(
                    "cannot talk to {at}: {error}; check address, port and --transport, and that the server runs"
                ),
            ),
            Self::Machine(error) => Failure::new(
                Exit::Failed,
                format!(
                    "this machine gives no more sockets after {ready} sessions: {error}; see ulimit -n, and several --source addresses"
                ),
            ),
        }
    }
}

impl Step {
    /// The request's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allocate => "Allocate",
            Self::Connect => "ChannelBind or CreatePermission",
            Self::Refresh | Self::Delete => "Refresh",
        }
    }
}

fn silence(step: Step, at: &str) -> String {
    match step {
        Step::Allocate => {
            format!("no answer from {at}: check address, port and --transport, and the firewalls on the way")
        }
        Step::Connect | Step::Refresh | Step::Delete => {
            format!("{at} has stopped answering: no answer to {}", step.name())
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "a sentence is made of what is known")]
fn refusal(
    step: Step,
    code: u16,
    reason: &str,
    alternate: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    target: &Target,
    at: &str,
    ready: u64,
) -> String {
    let user = &target.credentials.user;
    let advice = match (code, step) {
        (300, _) => match alternate {
            Some(other) => format!("it sends clients to {other}; test that server with --server {other}"),
            None => "it sends clients to another server".to_owned(),
        },
        (400, _) if ready == 0 => "it finds the request malformed, or wants no authentication".to_owned(),
        (401, _) => {
            format!("wrong name or password for user {user}; check --user and --password, or --secret")
        }
        (403, Step::Connect) => {
            let peer = peer.map_or_else(|| "the peer".to_owned(), |peer| format!("the peer {}", peer.ip()));
            format!(
                "{peer} is denied; allow it in the server's configuration, or take another with --peer-address"
            )
        }
        (403, _) => format!("user {user} is not allowed this"),
        (437, _) => "it knows no such allocation, or has another of this address".to_owned(),
        (438, _) => "it finds every nonce stale; are its clocks right?".to_owned(),
        (440 | 443, _) => "it relays no such addresses; check --relay-family and --peer-address".to_owned(),
        (442, _) => "it does not relay UDP".to_owned(),
        (486, _) => format!(
            "the quota of user {user} is reached after {ready} sessions; raise it (how many, and how many a second), or \
             lower --sessions"
        ),
        (508, _) => {
            format!("it is full after {ready} sessions; widen its port range or limits, or lower --sessions")
        }
        (500, _) => "it has an error of its own; see its log".to_owned(),
        _ => "see its log".to_owned(),
    };
    let name = step.name();
    format!("{at} refuses {name} with {code} {reason}: {advice}")
}
