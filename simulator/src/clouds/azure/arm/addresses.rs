//! Public addresses: separate resources, and those of Uniform instances.
//!
//! Shapes: recorded azure-cli `test_vmss_simple_orchestration_mode` 2023 and
//! `test_vmss_create_w_ips` 2023 (an address that is not given out yet has no `ipAddress`).

use serde_json::{Map, Value, json};

use super::error::ArmError;
use super::{ArmBody, ArmContext, id, page};
use crate::clouds::azure::world::{
    AddressVersion, Listing, PublicAddress, PublicAddressUse, ResourceGroup, guid,
};

const KIND: &str = "Microsoft.Network/publicIPAddresses";

pub(super) fn list(context: &ArmContext<'_>) -> Result<ArmBody, ArmError> {
    let all = || context.resources(|group| &group.public_addresses);
    page::list(
        context,
        Listing::PublicAddresses,
        all,
        |(group, address)| show(context, group, address),
    )
}

pub(super) fn one(context: &ArmContext<'_>, name: &str) -> Result<ArmBody, ArmError> {
    let group = context.group()?;
    let address = group
        .public_address(name)
        .ok_or_else(|| ArmError::resource_not_found(KIND, name, &group.name))?;
    ArmBody::one(&show(context, group, address))
}

pub(super) fn of_scale_set(context: &ArmContext<'_>, name: &str) -> Result<ArmBody, ArmError> {
    let group = context.group()?;
    let set = group.scale_set(name).ok_or_else(|| {
        ArmError::network_not_found(&id::scale_set(&context.subscription.id, &group.name, name))
    })?;
    let all = || {
        let mut found = Vec::new();
        for instance in &set.instances {
            for interface in &instance.network_interfaces {
                for configuration in &interface.ip_configurations {
                    if let Some(PublicAddressUse::OfInstance(public)) =
                        &configuration.public_address
                    {
                        let instance = id::instance(
                            &context.subscription.id,
                            &group.name,
                            &set.name,
                            &instance.id.to_string(),
                        );
                        found.push((
                            format!(
                                "{instance}/networkInterfaces/{}/ipConfigurations/{}",
                                interface.name, configuration.name
                            ),
                            public,
                        ));
                    }
                }
            }
        }
        found
    };
    page::list(
        context,
        Listing::PublicAddresses,
        all,
        |(configuration, public)| {
            let own_id = format!("{configuration}/publicIPAddresses/{}", public.name);
            json!({
                "name": public.name,
                "id": own_id,
                "etag": format!("W/\"{}\"", guid(&[&own_id, "etag"])),
                "properties": properties(public, &own_id, Some(configuration)),
                "sku": { "name": "Basic" }
            })
        },
    )
}

fn show(context: &ArmContext<'_>, group: &ResourceGroup, address: &PublicAddress) -> Value {
    let own_id = id::public_address(&context.subscription.id, &group.name, &address.name);
    let configuration = address
        .used_by
        .as_ref()
        .map(|(group, interface, configuration)| {
            format!(
                "{}/ipConfigurations/{configuration}",
                id::network_interface(&context.subscription.id, group, interface)
            )
        });
    json!({
        "name": address.name,
        "id": own_id,
        "etag": format!("W/\"{}\"", guid(&[&own_id, "etag"])),
        "location": group.location,
        "tags": address.tags,
        "properties": properties(address, &own_id, configuration),
        "type": KIND,
        "sku": { "name": "Basic", "tier": "Regional" }
    })
}

fn properties(address: &PublicAddress, own_id: &str, configuration: Option<String>) -> Value {
    let mut properties = Map::new();
    properties.insert("provisioningState".to_owned(), "Succeeded".into());
    properties.insert(
        "resourceGuid".to_owned(),
        guid(&[own_id, "resource"]).into(),
    );
    if let Some(address) = address.address {
        properties.insert("ipAddress".to_owned(), address.to_string().into());
    }
    let version = address
        .address
        .map_or(AddressVersion::V4, AddressVersion::of);
    properties.insert("publicIPAddressVersion".to_owned(), version.as_str().into());
    properties.insert("publicIPAllocationMethod".to_owned(), "Dynamic".into());
    properties.insert("idleTimeoutInMinutes".to_owned(), 4.into());
    properties.insert("ipTags".to_owned(), json!([]));
    if let Some(configuration) = configuration {
        properties.insert("ipConfiguration".to_owned(), json!({ "id": configuration }));
    }
    properties.into()
}
