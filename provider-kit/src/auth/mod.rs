//! How requests prove who sends them.

#[cfg(feature = "sign")]
mod access_key;
mod bearer;
mod header;
#[cfg(feature = "sign")]
mod instance_role;
#[cfg(feature = "sign")]
pub mod sign;
#[cfg(feature = "sign")]
pub mod sigv4;

#[cfg(feature = "sign")]
pub use access_key::{AccessKey, GivenKey, SignRequest, SigningAuthorizer};
pub use bearer::BearerAuthorizer;
pub use header::StaticHeader;
#[cfg(feature = "sign")]
pub use instance_role::InstanceRole;
