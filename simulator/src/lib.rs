//! Simulated clouds, held in memory.
//!
//! [`engine`] has what all of them share: endpoints on loopback ports, a forward proxy through
//! which unchanged clients reach the services under their real names, faults, and the record of
//! requests. [`azure`] is Azure Resource Manager, Microsoft Entra ID and instance metadata with a
//! world of resources; [`scripted`] serves recorded responses for small clouds. `discover-sim` is
//! the command.
//!
//! This crate depends on no production crate of the workspace, so that a mistake in one can't hide
//! in the other.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod clouds;
pub mod engine;
pub mod scripted;

pub use clouds::azure;
