//! How requests prove who sends them.

mod bearer;
mod header;
#[cfg(feature = "sign")]
pub mod sign;
#[cfg(feature = "sign")]
pub mod sigv4;

pub use bearer::BearerAuthorizer;
pub use header::StaticHeader;
