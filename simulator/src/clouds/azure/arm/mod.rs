//! Azure Resource Manager: its response is a function of the world, the caller and the request,
//! without sockets or a clock.
//!
//! `route` parses the path, this file checks permissions and existence, one file each serialises
//! interfaces, machines, scale sets, addresses and the resource index, `page` splits lists into
//! pages. Formats are those of recorded responses; each file names them.

mod addresses;
mod error;
pub(crate) mod id;
mod interfaces;
mod machines;
mod page;
mod resources;
mod route;
mod scale_sets;
mod subscriptions;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::clouds::azure::world::{
    Caller, Page, ResourceGroup, Subscription, World, guid, is_guid,
};
use crate::clouds::azure::{Operation, Reply, Request};
use error::ArmError;
use route::{Route, Target};

/// Handles one request to ARM whose token is valid and belongs to `caller`.
///
/// Lists come in pages of [`crate::clouds::azure::world::Settings::page_size`]; pages are
/// serialised once and kept in the world until it changes. An unknown path is
/// [`Operation::Unexpected`] and 404, any method except GET is [`Operation::Unexpected`] and 405.
pub fn respond(world: &World, caller: &Caller, request: &Request) -> Reply {
    let route = Route::parse(&request.path);
    let operation = counted_as(&route, request);
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(
        HeaderName::from_static("x-ms-ratelimit-remaining-subscription-global-reads"),
        HeaderValue::from_static("3749"),
    );
    if let Some(remaining) = compute_remaining(route.operation()) {
        headers.insert(
            HeaderName::from_static("x-ms-ratelimit-remaining-resource"),
            HeaderValue::from_static(remaining),
        );
    }
    let id = guid(&[
        &request.path,
        &request
            .query
            .iter()
            .map(|(key, value)| format!("{key}={value}&"))
            .collect::<String>(),
    ]);
    if let Ok(id) = HeaderValue::from_str(&id) {
        for name in ["x-ms-request-id", "x-ms-correlation-request-id"] {
            headers.insert(HeaderName::from_static(name), id.clone());
        }
    }
    let found = if request.method == Method::GET {
        find(world, caller, request, &route)
    } else {
        Err(ArmError::method_not_allowed(request.method.as_str()))
    };
    let (status, body, compressed) = match found {
        Ok(ArmBody::Page(page)) => (StatusCode::OK, page.body, Some(page.compressed)),
        Ok(ArmBody::One(body)) => (StatusCode::OK, body, None),
        Err(error) => {
            headers.insert(
                HeaderName::from_static("x-ms-failure-cause"),
                HeaderValue::from_static(error.cause),
            );
            (error.status, error.body().to_string().into(), None)
        }
    };
    Reply {
        operation,
        status,
        headers,
        body,
        compressed,
    }
}

/// The operation of a request, whether or not it succeeds.
pub fn operation(request: &Request) -> Operation {
    counted_as(&Route::parse(&request.path), request)
}

fn counted_as(route: &Route, request: &Request) -> Operation {
    if request.method == Method::GET {
        route.operation()
    } else {
        Operation::Unexpected
    }
}

/// The rate limit headers of the Compute resource provider, as recorded in 2025; the Network
/// provider has none.
fn compute_remaining(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::ListVirtualMachines | Operation::ListGroupVirtualMachines => {
            Some("Microsoft.Compute/HighCostGetSubscriptionMaximum;899")
        }
        Operation::GetVirtualMachine => Some(
            "Microsoft.Compute/LowCostGetSubscriptionMaximum;23994,Microsoft.Compute/LowCostGetResource;33",
        ),
        Operation::GetScaleSet => Some(
            "Microsoft.Compute/GetVMScaleSetSubscriptionMaximum;2399,Microsoft.Compute/GetVMScaleSetResource;34",
        ),
        Operation::ListScaleSets
        | Operation::ListGroupScaleSets
        | Operation::ListScaleSetInstances
        | Operation::GetScaleSetInstanceView => Some(
            "Microsoft.Compute/HighCostGetVMScaleSetSubscriptionMaximum;1078,Microsoft.Compute/HighCostGetVMScaleSetResource;29",
        ),
        _ => None,
    }
}

/// A body: a resource, or a page of a list.
enum ArmBody {
    One(Bytes),
    Page(Page),
}

impl ArmBody {
    fn one(shown: &impl Serialize) -> Result<Self, ArmError> {
        Ok(Self::One(write(shown)?))
    }
}

/// Whether the instance view is requested beside the model.
fn expands_view(context: &ArmContext<'_>) -> bool {
    let expand = context.request.query("$expand");
    expand.is_some_and(|expand| expand.eq_ignore_ascii_case("instanceView"))
}

/// An object without the members that are null.
fn without_nulls(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|_, member| !member.is_null());
    }
    object
}

fn write(shown: &impl Serialize) -> Result<Bytes, ArmError> {
    serde_json::to_vec(shown)
        .map(Bytes::from)
        .map_err(|problem| ArmError::internal(&problem))
}

/// The context of an authorised request.
struct ArmContext<'a> {
    world: &'a World,
    caller: &'a Caller,
    request: &'a Request,
    api_version: &'a str,
    subscription: &'a Subscription,
    /// The groups of the request: the one in the path, or those of the subscription that the caller
    /// may see.
    groups: Vec<&'a ResourceGroup>,
    /// Whether the path names a group.
    in_group: bool,
}

impl<'a> ArmContext<'a> {
    /// The group in the path, which lists of a subscription don't have.
    fn group(&self) -> Result<&'a ResourceGroup, ArmError> {
        self.groups
            .first()
            .copied()
            .ok_or_else(|| ArmError::resource_group_not_found(""))
    }

    /// The resources of one kind in all groups of the request, each with its group.
    fn resources<T: 'a>(
        &self,
        of_group: impl Fn(&'a ResourceGroup) -> &'a [T],
    ) -> Vec<(&'a ResourceGroup, &'a T)> {
        let groups = self.groups.iter().copied();
        groups
            .flat_map(|group| of_group(group).iter().map(move |one| (group, one)))
            .collect()
    }
}

fn find(
    world: &World,
    caller: &Caller,
    request: &Request,
    route: &Route,
) -> Result<ArmBody, ArmError> {
    let api_version = request.query("api-version").unwrap_or_default();
    if let Target::Unknown { namespace, kind } = &route.target {
        return Err(ArmError::invalid_resource_type(
            namespace,
            kind,
            api_version,
        ));
    }
    if api_version.is_empty() {
        return Err(ArmError::missing_api_version());
    }
    if !is_api_version(api_version) {
        return Err(ArmError::invalid_api_version(api_version));
    }
    let Some(id) = &route.subscription else {
        return ArmBody::one(&if route.target == Target::Tenants {
            subscriptions::tenants(caller)
        } else {
            subscriptions::list(world, caller)
        });
    };
    if !is_guid(id) {
        return Err(ArmError::invalid_subscription_id(id));
    }
    let subscription = world
        .subscription(id)
        .ok_or_else(|| ArmError::subscription_not_found(id))?;
    let groups = authorised_groups(subscription, caller, request, route)?;
    let context = ArmContext {
        world,
        caller,
        request,
        api_version,
        subscription,
        groups,
        in_group: route.group.is_some(),
    };
    let (name, second) = (route.name(0), route.name(1));
    match &route.target {
        Target::Subscription => ArmBody::one(&subscriptions::show(world, subscription)),
        Target::Locations => ArmBody::one(&subscriptions::locations(subscription)),
        Target::ResourceGroups => ArmBody::one(&subscriptions::groups(&context)),
        Target::ResourceGroup => {
            ArmBody::one(&subscriptions::group(subscription, context.group()?))
        }
        _ => match route.operation() {
            Operation::ListResources => resources::list(&context),
            Operation::ListNetworkInterfaces | Operation::ListGroupNetworkInterfaces => {
                interfaces::list(&context)
            }
            Operation::GetNetworkInterface => interfaces::one(&context, name),
            Operation::ListPublicAddresses => addresses::list(&context),
            Operation::GetPublicAddress => addresses::one(&context, name),
            Operation::ListVirtualMachines | Operation::ListGroupVirtualMachines => {
                machines::list(&context)
            }
            Operation::GetVirtualMachine => machines::one(&context, name, route.is_view()),
            Operation::ListScaleSets | Operation::ListGroupScaleSets => scale_sets::list(&context),
            Operation::GetScaleSet => scale_sets::one(&context, name),
            Operation::GetScaleSetInstanceView => scale_sets::instance_view(&context, name),
            Operation::ListScaleSetInstances => scale_sets::instances(&context, name),
            Operation::GetScaleSetInstance => {
                scale_sets::instance(&context, name, second, route.is_view())
            }
            Operation::ListScaleSetNetworkInterfaces => interfaces::of_scale_set(&context, name),
            Operation::ListInstanceNetworkInterfaces => {
                interfaces::of_instance(&context, name, second)
            }
            Operation::GetInstanceNetworkInterface => {
                interfaces::one_of_instance(&context, name, second, route.name(2))
            }
            Operation::ListScaleSetPublicAddresses => addresses::of_scale_set(&context, name),
            _ => Err(ArmError::subscription_not_found(id)),
        },
    }
}

/// The groups of the request, if the caller has the permission.
///
/// A list of a subscription contains only the groups in which the caller has the permission, as in
/// the portal and the Azure CLI.
fn authorised_groups<'a>(
    subscription: &'a Subscription,
    caller: &Caller,
    request: &Request,
    route: &Route,
) -> Result<Vec<&'a ResourceGroup>, ArmError> {
    let scope = route.scope(&request.path);
    let group_id = |group: &ResourceGroup| id::resource_group(&subscription.id, &group.name);
    if let Some(name) = &route.group {
        if let Some(action) = route.action().filter(|action| !caller.may(action, &scope)) {
            return Err(ArmError::authorization_failed(caller, &action, &scope));
        }
        return Ok(vec![
            subscription
                .resource_group(name)
                .ok_or_else(|| ArmError::resource_group_not_found(name))?,
        ]);
    }
    let all = || subscription.resource_groups.iter();
    let Some(action) = route.action() else {
        return Ok(all()
            .filter(|group| caller.touches(&group_id(group)))
            .collect());
    };
    if caller.may(&action, &format!("/subscriptions/{}", subscription.id)) {
        return Ok(all().collect());
    }
    let visible: Vec<_> = all()
        .filter(|group| caller.may(&action, &group_id(group)))
        .collect();
    if visible.is_empty() {
        Err(ArmError::authorization_failed(caller, &action, &scope))
    } else {
        Ok(visible)
    }
}

/// `2024-07-01`, `2021-12-01-preview`.
fn is_api_version(text: &str) -> bool {
    let (date, _) = text.split_at_checked(10).unwrap_or((text, ""));
    date.len() == 10
        && date.bytes().enumerate().all(|(at, byte)| {
            if matches!(at, 4 | 7) {
                byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        })
}

#[cfg(test)]
mod tests;
