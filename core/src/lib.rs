//! The interface that every provider of `cloud-autojoin` implements.
//!
//! A [`ProviderSpec`] builds a [`Provider`] from a [`ConfigString`] and a [`Context`];
//! [`Provider::discover`] takes a [`Call`] and returns a [`Discovery`]: the nodes that matched, and
//! the excluded ones with the reasons. The crate also has what every provider needs: addresses,
//! errors, secrets, the HTTP client, and the token cache and chain of credentials.

pub mod address;
pub mod call;
pub mod certificate;
pub mod clock;
pub mod command;
pub mod config;
pub mod context;
pub mod credential;
pub mod discovery;
pub mod dns;
pub mod env;
pub mod error;
pub mod exclusion;
pub mod file;
pub mod http;
pub mod node;
pub mod provider;
pub mod role;
pub mod secret;

pub use address::{Address, Host};
pub use call::{Call, Detail, RequestOutcome, RequestRecord};
pub use clock::{Clock, Instant};
pub use config::{ConfigString, KeySpec};
pub use context::Context;
pub use discovery::{Discovery, Finding};
pub use env::{Env, EnvRecord};
pub use error::{
    ApiError, ConfigError, ConfigProblem, CredentialError, DecodeError, Error, NothingMatched,
    Result, TransportError, TransportFailure,
};
pub use exclusion::Exclusion;
pub use node::{Node, Parent};
pub use provider::{Provider, ProviderSpec};
pub use role::{RoleDocument, RoleFormat};
pub use secret::Secret;
