//! Authorisation of requests.

#[cfg(feature = "sign")]
mod access_key;
#[cfg(feature = "aws-credentials")]
pub mod aws;
mod bearer;
#[cfg(feature = "google-credentials")]
pub mod google;
mod header;
#[cfg(feature = "sign")]
pub mod http_signature;
#[cfg(feature = "sign")]
mod instance_metadata;
pub mod jwt;
#[cfg(feature = "kubernetes-credentials")]
pub mod kubernetes;
#[cfg(feature = "openstack-credentials")]
pub mod openstack;
#[cfg(feature = "oracle-credentials")]
pub mod oracle;
#[cfg(feature = "sign")]
mod private_key;
#[cfg(feature = "program")]
mod program;
#[cfg(feature = "sign")]
pub mod sign;
#[cfg(feature = "sign")]
mod signing;
#[cfg(feature = "sign")]
pub mod sigv4;
#[cfg(feature = "ssh")]
pub mod ssh;

#[cfg(feature = "sign")]
pub use access_key::{AccessKey, GivenKey, KeyResponse};
pub use bearer::BearerAuthorizer;
pub use header::{StaticHeader, TokenFileHeader};
#[cfg(feature = "sign")]
pub use instance_metadata::{InstanceMetadata, InstanceRole, Reader};
#[cfg(feature = "sign")]
pub use private_key::PrivateKey;
#[cfg(feature = "program")]
pub use program::{CredentialProgram, ProgramError};
#[cfg(feature = "sign")]
pub use signing::{AccessKeys, SignRequest, SigningAuthorizer};
