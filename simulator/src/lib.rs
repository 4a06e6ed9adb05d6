//! Pretend clouds, held in memory and served as the real ones would.
//!
//! A [`world::World`] is a subscription with everything in it; a [`Simulator`] opens doors to it on loopback ports: Azure Resource Manager, Microsoft Entra ID,
//! instance metadata, and a forward proxy behind which unchanged clients find all three under their real names.
//! [`Fault`]s break answers on purpose, and every request is on record. `discover-sim` is the same for people.
//!
//! This crate depends on no production crate of the workspace, so that a mistake in one cannot hide in the other.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod clouds;
mod engine;

pub use clouds::azure::{arm, world};
pub use engine::builder::{SimulatorBuilder, StartError};
pub use engine::fault::{Fault, FaultAction, FaultBody, FaultError, RetryAfter, parse_duration};
pub use engine::message;
pub use engine::record::{Door, SeenRequest};
pub use engine::simulator::Simulator;
