//! What callers can make the relay do at a time, and what is left of it when they hang up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Poll;

use serde_json::json;

use super::Stub;
use crate::control::admin::{Access, Calls, Desk, Operations, Parts, Refusal, sessions};
use crate::metrics::{About, CallDetail, CallRows, SessionId, Silence, Story};

/// Answers when somebody opens it.
#[derive(Default)]
struct Slow {
    asked: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Slow {
    fn wait(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Calls for Slow {
    fn rows(&self) -> CallRows {
        self.wait();
        CallRows::default()
    }

    fn detail(&self, _: SessionId) -> Result<Option<CallDetail>, Silence> {
        Ok(None)
    }

    fn end(&self, _: SessionId) -> Result<bool, Silence> {
        Ok(false)
    }

    fn explain(&self, _: &About) -> Story {
        Story::default()
    }

    fn owners(&self, _: &str) -> Vec<u64> {
        Vec::new()
    }
}

fn desk(calls: &Arc<Slow>) -> Desk {
    let operations: Arc<dyn Operations> = Arc::<Stub>::default();
    let calls: Arc<dyn Calls> = Arc::clone(calls) as Arc<dyn Calls>;
    Desk::new(Parts { calls, ..Parts::new(Access::with_group(None), operations) })
}

/// Lets what was asked for begin, then hangs up.
async fn hang_up<T>(asking: impl Future<Output = T>) {
    let mut asking = Box::pin(asking);
    assert!(std::future::poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx).is_pending())).await);
}

#[tokio::test]
async fn whoever_hangs_up_has_the_workers_asked_once_however_often_he_comes_again() {
    let slow = Arc::<Slow>::default();
    let desk = desk(&slow);
    for _ in 0..5 {
        hang_up(sessions::copy(&desk)).await;
        tokio::task::yield_now().await;
    }
    slow.open();
    assert!(sessions::copy(&desk).await.is_ok());
    assert_eq!(slow.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn whoever_hangs_up_keeps_his_place_until_his_question_is_answered() {
    let slow = Arc::<Slow>::default();
    let desk = desk(&slow);
    for _ in 0..100 {
        let slow = Arc::clone(&slow);
        hang_up(desk.answer(move |_| {
            slow.wait();
            Ok::<_, Refusal>(json!({}))
        }))
        .await;
    }
    // Who changes something does not stand behind them.
    assert_eq!(desk.change(|_| Ok(json!({}))).await.status(), 200);
    assert!(slow.asked.load(Ordering::Relaxed) <= 16, "{:?}", slow.asked);
    slow.open();
    assert_eq!(desk.answer(|_| Ok(json!({}))).await.status(), 200);
}
