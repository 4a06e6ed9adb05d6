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

pub mod arm;
mod builder;
mod clock;
mod compress;
mod door;
mod entra;
mod fault;
mod hosts;
pub mod message;
mod metadata;
mod record;
mod room;
mod simulator;
mod state;
mod token;
pub mod world;

pub use builder::{SimulatorBuilder, StartError};
pub use fault::{Fault, FaultAction, FaultBody, FaultError, RetryAfter, parse_duration};
pub use record::{Door, SeenRequest};
pub use simulator::Simulator;
