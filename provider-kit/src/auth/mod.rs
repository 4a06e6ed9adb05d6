//! How requests prove who sends them.

#[cfg(feature = "sign")]
mod access_key;
mod bearer;
mod header;
#[cfg(feature = "sign")]
pub mod http_signature;
#[cfg(feature = "sign")]
mod instance_role;
#[cfg(feature = "sign")]
mod private_key;
#[cfg(feature = "sign")]
pub mod sign;
#[cfg(feature = "sign")]
pub mod sigv4;
#[cfg(feature = "ssh")]
pub mod ssh;

#[cfg(feature = "sign")]
pub use access_key::{AccessKey, GivenKey, SignRequest, SigningAuthorizer};
pub use bearer::BearerAuthorizer;
pub use header::StaticHeader;
#[cfg(feature = "sign")]
pub use instance_role::InstanceRole;
#[cfg(feature = "sign")]
pub use private_key::PrivateKey;
