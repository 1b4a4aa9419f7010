//! The socket on which operators ask and tell a running relay.

use std::sync::Arc;

use anyhow::Context as _;

use super::exit::{Exit, Failure};
use crate::config::{AdminPath, Config};
use crate::control::admin::{Access, AdminSocket, AnnouncerOperations, SocketFault, serve_admin};
use crate::server::Server;

/// Opens it. A relay that was not told where starts without it if it cannot be had, and a development relay has none then.
/// That is worth an alert only where there is something that operators would want to change in a hurry.
pub(super) fn bind(config: &Config) -> Result<Option<AdminSocket>, Failure> {
    let AdminPath::At(path) = &config.admin.socket else { return Ok(None) };
    if config.development.is_some() && !config.admin.is_written {
        return Ok(None);
    }
    let group = config.admin.group.as_ref().map(|group| group.number);
    match AdminSocket::bind(path, group) {
        Ok(socket) => Ok(Some(socket)),
        Err(fault) if config.admin.is_written => Err(failure(&fault)),
        Err(fault) if config.bgp.neighbor.is_empty() => {
            tracing::debug!(reason = %fault, "there is no admin socket");
            Ok(None)
        }
        Err(fault) => {
            tracing::warn!(reason = %fault, "`tern bgp`, `tern bfd` and `tern drain` cannot reach this relay");
            Ok(None)
        }
    }
}

fn failure(fault: &SocketFault) -> Failure {
    Failure::new(Exit::Failed, format!("tern: {fault}"))
}

/// Answers whoever may ask, from now until the runtime ends.
pub(super) fn serve(
    socket: Option<AdminSocket>,
    config: &Config,
    server: &Server,
) -> Result<Arc<AnnouncerOperations>, Failure> {
    #[cfg(any(test, debug_assertions))]
    let hang = Box::new(server.hang());
    #[cfg(not(any(test, debug_assertions)))]
    let hang = {
        let _ = server;
        Box::new(|_, _| false)
    };
    let operations = Arc::new(AnnouncerOperations::new(hang));
    if let Some(socket) = socket {
        let access = Access::with_group(config.admin.group.as_ref().map(|group| group.number));
        let asked = Arc::clone(&operations);
        tokio::spawn(serve_admin(socket, access, asked).context("cannot serve the admin socket")?);
    }
    Ok(operations)
}
