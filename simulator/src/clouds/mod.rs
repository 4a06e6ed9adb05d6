//! The clouds that are simulated with their behaviour.

pub(crate) mod azure;
