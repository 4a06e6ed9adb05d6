//! The clouds that are simulated with their behaviour.

pub mod azure;
