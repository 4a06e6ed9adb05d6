//! Pretend clouds, held in memory and served as the real ones would.
//!
//! This crate depends on no production crate of the workspace, so that a mistake in one cannot hide in the other.

pub mod message;
