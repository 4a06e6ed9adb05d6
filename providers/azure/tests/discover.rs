//! The provider against the simulator: worlds in, addresses and errors out, requests counted.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::field_reassign_with_default,
    reason = "tests"
)]

#[path = "discover/support.rs"]
mod support;

#[path = "discover/addresses.rs"]
mod addresses;
#[path = "discover/faults.rs"]
mod faults;
#[path = "discover/incomplete.rs"]
mod incomplete;
#[path = "discover/permissions.rs"]
mod permissions;
#[path = "discover/places.rs"]
mod places;
#[path = "discover/recorded.rs"]
mod recorded;
#[path = "discover/requests.rs"]
mod requests;
#[path = "discover/scale_sets.rs"]
mod scale_sets;
#[path = "discover/tags.rs"]
mod tags;
