//! How requests prove who sends them.

mod header;
#[cfg(feature = "sign")]
pub mod sign;

pub use header::StaticHeader;
