//! How requests prove who sends them.

mod bearer;
mod header;
#[cfg(feature = "sign")]
pub mod sign;

pub use bearer::BearerAuthorizer;
pub use header::StaticHeader;
