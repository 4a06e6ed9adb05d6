//! Tenants, subscriptions, locations and groups, which the Azure CLI reads to log in and to list.
//!
//! Shapes: the REST reference of Microsoft.Resources 2022-12-01 (not recorded).

use serde_json::{Value, json};

use super::{ArmContext, id};
use crate::clouds::azure::world::{Caller, ResourceGroup, Subscription, World};

pub(super) fn tenants(caller: &Caller) -> Value {
    json!({ "value": [{ "id": format!("/tenants/{}", caller.tenant_id), "tenantId": caller.tenant_id, "countryCode": "NL", "displayName": "Example", "domains": [], "tenantCategory": "Home" }] })
}

/// The subscriptions in which the caller has any permission.
pub(super) fn list(world: &World, caller: &Caller) -> Value {
    let seen = world
        .subscriptions()
        .iter()
        .filter(|subscription| caller.touches(&format!("/subscriptions/{}", subscription.id)));
    let seen: Vec<_> = seen.map(|subscription| show(world, subscription)).collect();
    json!({ "count": { "type": "Total", "value": seen.len() }, "value": seen })
}

pub(super) fn show(world: &World, subscription: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{}", subscription.id),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription.id,
        "tenantId": world.tenant_id(),
        "displayName": subscription.display_name,
        "state": "Enabled",
        "subscriptionPolicies": { "locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off" }
    })
}

pub(super) fn locations(subscription: &Subscription) -> Value {
    let mut names: Vec<_> = subscription
        .resource_groups
        .iter()
        .map(|group| &group.location)
        .collect();
    names.sort();
    names.dedup();
    let shown: Vec<_> = names.iter().map(|name| json!({ "id": format!("/subscriptions/{}/locations/{name}", subscription.id), "name": name, "displayName": name, "regionalDisplayName": name })).collect();
    json!({ "value": shown })
}

pub(super) fn groups(context: &ArmContext<'_>) -> Value {
    json!({ "value": context.groups.iter().map(|group| self::group(context.subscription, group)).collect::<Vec<_>>() })
}

pub(super) fn group(subscription: &Subscription, group: &ResourceGroup) -> Value {
    json!({
        "id": id::resource_group(&subscription.id, &group.name),
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "tags": group.tags,
        "properties": { "provisioningState": "Succeeded" }
    })
}
