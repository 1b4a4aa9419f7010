//! What the poller has been told about a descriptor, so that it is told again only when that changes.

use std::io;
use std::os::fd::AsFd;

use crate::net::poll::{Interest, Poller};

/// The state of one registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch(Option<Interest>);

impl Watch {
    /// Asks for `wanted`; without any the descriptor leaves the poller, and not even its errors are reported.
    ///
    /// # Errors
    /// The system's limit of watches is reached.
    pub(super) fn set(
        &mut self,
        poller: &Poller,
        fd: &impl AsFd,
        token: u64,
        wanted: Option<Interest>,
    ) -> io::Result<()> {
        if wanted == self.0 {
            return Ok(());
        }
        match (self.0, wanted) {
            (None, Some(interest)) => poller.add(fd, token, interest)?,
            (Some(_), Some(interest)) => poller.modify(fd, token, interest)?,
            (Some(_), None) => poller.remove(fd)?,
            (None, None) => {}
        }
        self.0 = wanted;
        Ok(())
    }
}
