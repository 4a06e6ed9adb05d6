//! What the machine this runs on knows of itself: the meaning of `self`.
//!
//! One request to the instance metadata service, which every machine in Azure has at a link-local
//! address; it describes no other machine. Facts:
//! learn.microsoft.com/azure/virtual-machines/instance-metadata-service, api-version 2021-03-01,
//! the first with `virtualMachineScaleSet`. The service and its tokens: `credential/imds.rs`.

use std::{iter, slice};

use cloud_autojoin_core::http::{JsonResponse, Request};
use cloud_autojoin_core::{ApiError, Call, ConfigError, ConfigProblem, Error, Result};
use serde::Deserialize;
use url::Url;

use crate::credential::MetadataService;
use crate::credential::imds::{is_service, retry_policy};
use crate::keys::{PROVIDER_NAME, SELF};
use crate::select::{AzureConfig, Selection};

const API_VERSION: &str = "2021-03-01";
const OPERATION: &str = "read the metadata of this machine";

/// The address of the service in every machine in Azure.
#[expect(clippy::expect_used, reason = "a constant, read by a test")]
pub(crate) fn default_endpoint() -> Url {
    Url::parse("http://169.254.169.254").expect("a constant URL parses")
}

/// The names of what is selected, which may be `self`, each with its key; the subscription first.
pub(crate) fn named_values(
    config: &mut AzureConfig,
) -> impl Iterator<Item = (&'static str, &mut String)> {
    let (groups, set) = match &mut config.selection {
        Selection::Tag {
            resource_groups, ..
        } => (resource_groups.as_mut_slice(), None),
        Selection::ScaleSet {
            resource_group,
            name,
            ..
        } => (slice::from_mut(resource_group), Some(name)),
    };
    let groups = groups.iter_mut().map(|group| ("resource_group", group));
    let values = iter::once(("subscription_id", &mut config.subscription_id));
    values
        .chain(set.map(|name| ("vm_scale_set", name)))
        .chain(groups)
}

/// The first key whose value is that of the machine, other than a subscription by default.
pub(crate) fn self_key(config: &AzureConfig, names_subscription: bool) -> Option<&'static str> {
    let selection = &config.selection;
    if names_subscription && config.subscription_id == SELF {
        Some("subscription_id")
    } else if matches!(selection, Selection::ScaleSet { name, .. } if name == SELF) {
        Some("vm_scale_set")
    } else {
        let mut groups = selection.resource_groups().iter();
        groups
            .any(|group| group == SELF)
            .then_some("resource_group")
    }
}

/// The part of the response that is read. Missing values are empty texts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Instance {
    compute: Compute,
}

/// shape: learn.microsoft.com/azure/virtual-machines/instance-metadata-service, 2021-03-01
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Compute {
    name: String,
    subscription_id: String,
    resource_group_name: String,
    /// The set of a Uniform instance.
    vm_scale_set_name: String,
    /// The set of a Flexible instance.
    virtual_machine_scale_set: MachineScaleSet,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MachineScaleSet {
    id: String,
}

impl Compute {
    /// The name of the scale set: of a Flexible instance by the id, of a Uniform one by the name.
    fn scale_set(&self) -> Option<&str> {
        let of_id = self.virtual_machine_scale_set.id.rsplit('/').next();
        [of_id, Some(self.vm_scale_set_name.as_str())]
            .into_iter()
            .flatten()
            .find(|name| !name.is_empty())
    }
}

/// The configuration with the machine's own values in place of the words `self`.
///
/// # Errors
///
/// [`Error::Transport`], which is transient, when the service is not there: at boot it may be late.
/// [`Error::Api`] when the service fails or another server responds. [`Error::Config`] when the
/// machine is in no scale set.
pub(crate) async fn resolve(
    config: &AzureConfig,
    names_subscription: bool,
    service: &MetadataService,
    call: &Call,
) -> Result<AzureConfig> {
    let query = [("api-version", API_VERSION), ("format", "json")];
    let request = Request::get(
        OPERATION,
        service.api().url(&["metadata", "instance"], &query),
    );
    let hint = |outside| hint(config, names_subscription, outside);
    // The service has the time of the call: there is no other source for these values.
    let response = service
        .read::<Instance>(&request, retry_policy(), call)
        .await;
    let Instance { compute } = match response {
        Ok(JsonResponse::Failure(response)) if !is_service(&response) => {
            return Err(ApiError::of_response(PROVIDER_NAME, OPERATION, &response)
                .with_message(Some(service.foreign()))
                .with_hint(hint("outside Azure "))
                .into());
        }
        Ok(response) => service.api().value(&request, response)?,
        Err(error @ Error::Transport(_)) => {
            let advice = "the metadata service of this machine may not be up yet; outside Azure ";
            return Err(error.with_hint(hint(advice)));
        }
        Err(error) => return Err(error),
    };
    let mut config = config.clone();
    for (key, value) in named_values(&mut config).filter(|(_, value)| *value == SELF) {
        let own = match key {
            "subscription_id" => compute.subscription_id.to_ascii_lowercase(),
            "vm_scale_set" => compute.scale_set().unwrap_or_default().to_owned(),
            _ => compute.resource_group_name.clone(),
        };
        if own.is_empty() {
            return Err(ConfigError::new(Some(PROVIDER_NAME), unknown(key, &compute.name)).into());
        }
        *value = own;
    }
    Ok(config)
}

/// The problem that the metadata of `machine` don't have the value of `key`.
fn unknown(key: &str, machine: &str) -> ConfigProblem {
    if key == "vm_scale_set" {
        let message =
            format!("`{key}` is `self`, and this machine (`{machine}`) is in no scale set");
        let problem = ConfigProblem::of_key(key, message);
        return problem.with_hint("name the scale set, or look for a tag");
    }
    let message = format!("`{key}` is that of this machine, and its metadata don't have it");
    ConfigProblem::of_key(key, message).with_hint(format!("add `{key}=...`"))
}

/// What to write where there is no such service, after `outside`, which limits when it applies.
fn hint(config: &AzureConfig, names_subscription: bool, outside: &str) -> String {
    let (key, reason) = match self_key(config, names_subscription) {
        Some(key) => (key, format!("`{key}` is `self`")),
        None => (
            "subscription_id",
            "`subscription_id` is not given".to_owned(),
        ),
    };
    if names_subscription {
        format!("{reason}; {outside}add `{key}=...`")
    } else {
        format!("{reason}; {outside}add `subscription_id=...`, or set `ARM_SUBSCRIPTION_ID`")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn scale_set(json: &str) -> Option<String> {
        serde_json::from_str::<Instance>(json)
            .unwrap()
            .compute
            .scale_set()
            .map(str::to_owned)
    }

    #[test]
    fn the_scale_set_is_read_by_name_or_by_id() {
        let flexible = r#"{"compute":{"vmScaleSetName":"","virtualMachineScaleSet":{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/flex"}}}"#;
        assert_eq!(scale_set(flexible).as_deref(), Some("flex"));
        assert_eq!(
            scale_set(r#"{"compute":{"vmScaleSetName":"uni","virtualMachineScaleSet":{"id":""}}}"#)
                .as_deref(),
            Some("uni")
        );
        assert_eq!(
            scale_set(r#"{"compute":{"vmScaleSetName":"uni"}}"#).as_deref(),
            Some("uni")
        );
        assert_eq!(
            scale_set(r#"{"compute":{"vmScaleSetName":"","virtualMachineScaleSet":{"id":""}}}"#),
            None
        );
    }

    #[test]
    fn the_service_has_its_documented_address() {
        assert_eq!(default_endpoint().as_str(), "http://169.254.169.254/");
    }
}
