//! `[limits]` and `[peers]`: what clients may take, and whom they may reach.

use serde::Serialize;

use super::reader::Section;
use super::values::{BitRate, Cidr, Period};
use crate::engine::{Lifetimes, SessionLimits};
use crate::worker::OverloadSettings;

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Allocations of the whole relay; 0 is no limit but the ports.
    pub max_allocations: u32,
    /// Allocations of one user; 0 is no limit.
    pub max_allocations_per_user: u32,
    /// Peers' addresses that one allocation may have a permission for.
    pub max_permissions: usize,
    /// Channels of one allocation.
    pub max_channels: usize,
    /// TCP connections to peers of one allocation.
    pub max_connections: usize,
    /// Of one allocation, each direction for itself; none is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_per_allocation: Option<BitRate>,
    /// Of all allocations of one user, each direction for itself; none is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_per_user: Option<BitRate>,
    /// Granted to a client that asks for nothing or less.
    pub default_lifetime: Period,
    /// Granted at most.
    pub max_lifetime: Period,
    /// New allocations per second from one source prefix; 0 is no limit.
    pub allocation_rate: u32,
    /// How many may come at once before the rate holds.
    pub allocation_burst: u32,
    /// Answers per second to one source prefix that has not proven its address; 0 is no limit.
    pub answer_rate: u32,
    /// How many may go at once before the rate holds.
    pub answer_burst: u32,
    /// The length of a source prefix for IPv4.
    pub ipv4_prefix: u8,
    /// The length of a source prefix for IPv6.
    pub ipv6_prefix: u8,
    /// Percent of its time that a worker is busy when it takes no new allocations; 0 is never.
    pub overload_busy: u8,
    /// Percent of what arrives that the system drops when it takes no new allocations; 0 is never.
    pub overload_loss: u8,
}

impl Default for Limits {
    fn default() -> Self {
        let (session, lifetimes) = (SessionLimits::default(), Lifetimes::default());
        let overload = OverloadSettings::default();
        Self {
            max_allocations: 0,
            max_allocations_per_user: 100,
            max_permissions: session.permissions,
            max_channels: session.channels,
            max_connections: session.connections,
            bandwidth_per_allocation: None,
            bandwidth_per_user: None,
            default_lifetime: Period(lifetimes.default),
            max_lifetime: Period(lifetimes.max),
            allocation_rate: 50,
            allocation_burst: 200,
            answer_rate: 100,
            answer_burst: 400,
            ipv4_prefix: 32,
            ipv6_prefix: 56,
            overload_busy: overload.busy,
            overload_loss: overload.loss,
        }
    }
}

impl Limits {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        section.integer("max_allocations", 0..=u32::MAX, &mut out.max_allocations);
        section.integer("max_allocations_per_user", 0..=u32::MAX, &mut out.max_allocations_per_user);
        section.integer("max_permissions", 1..=65_536, &mut out.max_permissions);
        section.integer("max_channels", 1..=16_384, &mut out.max_channels);
        section.integer("max_connections", 1..=65_536, &mut out.max_connections);
        out.bandwidth_per_allocation = section.optional("bandwidth_per_allocation");
        out.bandwidth_per_user = section.optional("bandwidth_per_user");
        section.read("default_lifetime", &mut out.default_lifetime);
        section.read("max_lifetime", &mut out.max_lifetime);
        section.integer("allocation_rate", 0..=1_000_000, &mut out.allocation_rate);
        section.integer("allocation_burst", 1..=1_000_000, &mut out.allocation_burst);
        section.integer("answer_rate", 0..=1_000_000, &mut out.answer_rate);
        section.integer("answer_burst", 1..=1_000_000, &mut out.answer_burst);
        section.integer("ipv4_prefix", 8..=32, &mut out.ipv4_prefix);
        section.integer("ipv6_prefix", 16..=128, &mut out.ipv6_prefix);
        section.integer("overload_busy", 0..=100, &mut out.overload_busy);
        section.integer("overload_loss", 0..=100, &mut out.overload_loss);
        out.check(&section);
        section.finish();
        out
    }

    fn check(&self, section: &Section<'_>) {
        let day = Period::secs(86_400);
        if self.default_lifetime.0.as_secs() < 1 || self.default_lifetime > day {
            section.error("default_lifetime", "expected from 1s to 1d");
        }
        if self.max_lifetime > day {
            section.error("max_lifetime", "expected at most 1d");
        }
        if self.max_lifetime < self.default_lifetime {
            section.error(
                "max_lifetime",
                format!("{} is less than default_lifetime, {}", self.max_lifetime, self.default_lifetime),
            );
        }
        if let (Some(one), Some(all)) = (self.bandwidth_per_allocation, self.bandwidth_per_user)
            && one.0 > all.0
        {
            section.warn("bandwidth_per_allocation", "is more than bandwidth_per_user, so it never holds");
        }
    }
}

/// `[peers]`: whom allocations may reach, beyond and below the public addresses that are open to all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Peers {
    /// Reachable although private or otherwise closed by default.
    pub allow: Vec<Cidr>,
    /// Never reachable, also where `allow` would admit it.
    pub deny: Vec<Cidr>,
}

impl Peers {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let allow: Vec<Cidr> = section.list("allow").unwrap_or_default();
        let deny = section.list("deny").unwrap_or_default();
        for range in &allow {
            if range.0.bits == 0 {
                section.warn(
                    "allow",
                    format!("{range} opens this machine and its private network to every client; name the ranges you need"),
                );
            }
        }
        section.finish();
        Self { allow, deny }
    }
}
