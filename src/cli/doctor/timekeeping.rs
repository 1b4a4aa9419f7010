//! The clock: credentials and nonces have dates.

use super::finding::Finding;
use crate::net::local::clock_is_synchronised;

const CHECK: &str = "clock";

pub(super) fn examine() -> Finding {
    match clock_is_synchronised() {
        Ok(true) => Finding::ok(CHECK, "synchronised"),
        // A hypervisor may keep it right without telling.
        Ok(false) => Finding::warning(
            CHECK,
            "nobody sets this machine's clock: credentials that others have dated may be refused, and nonces of other relays",
            "timedatectl set-ntp true, or install chrony; in a container the host's clock is meant",
        ),
        Err(error) => Finding::unknown(
            CHECK,
            format!("the kernel does not say whether it is set: {error}"),
            "timedatectl",
        ),
    }
}
