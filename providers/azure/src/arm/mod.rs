//! Azure Resource Manager: what is asked (`urls.rs`), how (`client.rs`), what comes back (`models.rs`, `error_body.rs`), and the ids things go by (`resource_id.rs`).
//!
//! Which requests a question takes, and in which order, is decided next door in `discover/`.

mod api_version;
mod client;
mod error_body;
mod failure;
mod lenient;
mod models;
mod resource_id;
mod urls;

pub(crate) use client::{ArmClient, Listing};
pub(crate) use failure::{is_not_found, is_scope_missing};
pub(crate) use lenient::AddressField;
pub(crate) use models::{IndexedResource, IpConfiguration, NetworkInterface, PublicAddress, ScaleSet, Tags, VirtualMachine};
pub(crate) use resource_id::{ResourceId, name_key, same_name};
pub(crate) use urls::{Ask, Asks};
