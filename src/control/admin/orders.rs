//! What the process itself is asked for: its configuration read again, its log changed. The one who lives in the main loop
//! does it between two other things, and answers.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Refusal;
use super::report::{LogReport, ReloadReport, ReloadState};

/// Orders that wait.
const WAITING: usize = 16;

/// One of them, with the way for its answer.
#[derive(Debug)]
pub enum Order {
    /// Read the configuration again.
    Reload(ReloadOrder, Reply<ReloadReport>),
    /// Keep what was reloaded.
    Confirm(Reply<ReloadState>),
    /// Take it back.
    Undo(Reply<ReloadState>),
    /// Say where it stands.
    ReloadState(Reply<ReloadState>),
    /// Let more or less into the log; only say what is let in if there is no level.
    Log(Option<String>, Reply<LogReport>),
}

/// Where an answer goes. Whoever asked may have gone.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// How to reload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReloadOrder {
    /// Undone after so long, unless somebody confirms it.
    pub confirm_within: Option<Duration>,
    /// Only say what would change.
    pub dry_run: bool,
}

/// The way to the main loop.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Order>);

impl Orders {
    /// Both ends.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Order>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// To nobody: every order is refused.
    #[must_use]
    pub fn to_nobody() -> Self {
        Self::new().0
    }

    /// Gives an order and waits for what comes of it.
    pub(super) async fn give<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(order(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Refusal::Busy("the relay has other orders to follow first; try again".to_owned())
            }
            mpsc::error::TrySendError::Closed(_) => Refusal::Busy("the relay stops".to_owned()),
        })?;
        answer.await.unwrap_or_else(|_| Err(Refusal::Busy("the relay stops".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_that_nobody_follows_is_refused() {
        let nobody = Orders::to_nobody();
        assert!(matches!(nobody.give(Order::Undo).await, Err(Refusal::Busy(_))));
        let (orders, mut inbox) = Orders::new();
        let asking = tokio::spawn(async move { orders.give(Order::Undo).await });
        drop(inbox.recv().await.unwrap());
        assert!(matches!(asking.await.unwrap(), Err(Refusal::Busy(_))));
    }

    #[tokio::test]
    async fn orders_that_wait_are_few() {
        let (orders, inbox) = Orders::new();
        for _ in 0..WAITING {
            let (reply, _) = oneshot::channel();
            orders.0.try_send(Order::Undo(reply)).unwrap();
        }
        assert!(matches!(orders.give(Order::Undo).await, Err(Refusal::Busy(_))));
        drop(inbox);
    }
}
