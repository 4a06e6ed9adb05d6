//! Azure Resource Manager: the requests (`requests.rs`), the client (`client.rs`), its errors
//! (`api.rs`, `error_body.rs`), what it returns (`models.rs`), and resource ids (`resource_id.rs`).

mod api;
mod api_version;
mod client;
mod error_body;
mod lenient;
mod models;
mod requests;
mod resource_id;

pub(crate) use api::{SHOWN_PARAMETERS, is_not_found, is_scope_missing};
pub(crate) use client::{ArmClient, Listing};
pub(crate) use lenient::AddressField;
pub(crate) use models::{
    IndexedResource, IpConfiguration, NetworkInterface, Properties, PublicAddress, Resource,
    ScaleSet, Tags, VirtualMachine,
};
pub(crate) use requests::{
    ArmRequests, Kind, NETWORK_INTERFACES, PUBLIC_ADDRESSES, SCALE_SETS, UNIFORM_ADDRESSES,
    UNIFORM_INSTANCES, UNIFORM_INTERFACES, VIRTUAL_MACHINES,
};
pub(crate) use resource_id::{ResourceId, name_key, same_name};
