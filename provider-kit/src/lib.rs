//! Everything that two providers of `cloud-autojoin` share, and a guide to writing one.
//!
//! A provider turns a join string into a few API requests, and the listed instances into addresses.
//! It implements what is specific to its cloud; the rest is here and in `cloud-autojoin-core`:
//!
//! | a provider writes | with |
//! |---|---|
//! | `keys.rs`: its name and [`KeySpec`]s | [`keys`] has those that mean the same everywhere |
//! | `provider.rs`: options to a value, then the requests | [`Options`], [`ApiClient`], [`Pages`] |
//! | `api.rs`: the JSON of the API, its errors, its throttling | [`Api`], [`ErrorBody`] |
//! | `select.rs`: one listed resource to an [`Instance`] | [`Selection`] decides and gives the reason |
//! | `tests/conformance.rs`: fixtures | `testing` (feature), about thirty tests |
//!
//! # Writing one
//!
//! 1. Describe the keys. The table is the parser: required keys, defaults, environment variables,
//!    accepted values and secrets are enforced from it.
//! 2. Describe the API's errors by a [`JsonApi`](api::JsonApi): where code and message are in an
//!    error body, what is throttling where that isn't status 429, which permission is missing.
//!    Where words don't suffice, implement [`Api`].
//! 3. Build an [`ApiClient`] with an authoriser of [`auth`]. It retries, honours `Retry-After`,
//!    refreshes an expired credential once, keeps the deadline and records every request.
//! 4. Read the list with [`Pages`]: a link, a page token or a page number, and never a loop.
//! 5. Turn each item into an [`Instance`] and let [`Selection::apply`] decide. Record every node,
//!    matching or not: `discover explain` shows them all.
//! 6. Run the conformance suite.
//!
//! `providers/digitalocean` is a complete example in some 250 lines.

pub mod api;
pub mod auth;
#[cfg(feature = "dns")]
pub mod dns;
mod file;
pub mod go_discover;
pub mod ini;
pub mod keys;
pub mod role;
pub mod select;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;
#[cfg(feature = "yaml")]
pub mod yaml;

pub use api::{Api, ApiClient, ErrorBody, Pages};
pub use cloud_autojoin_core::config::{KeySpec, Options, Values};
pub use file::ConfiguredFile;
pub use select::{
    AddressScope, AddressType, Instance, InstanceAddress, Interfaces, Places, PowerState,
    Selection, TagFilter,
};
