//! What the machine this runs on knows of itself: the meaning of `self`.
//!
//! One request to the instance metadata service, which every machine in Azure has at a link-local address; it tells of no other machine. Facts:
//! learn.microsoft.com/azure/virtual-machines/instance-metadata-service, api-version 2021-03-01, the first with `virtualMachineScaleSet`. Tokens of the same service: `credential/imds.rs`.

use cloud_autojoin_core::http::{Answer, Request, Response, RetryPolicy, origin_of};
use cloud_autojoin_core::{ApiError, Call, ConfigError, ConfigProblem, Context, Error, Result};
use serde::Deserialize;
use url::Url;

use crate::azure::PROVIDER_NAME;
use crate::config::{AzureConfig, Selection};
use crate::credential::imds::{METADATA, PROBE_LIMIT, is_foreign, retry_policy};
use crate::key::SELF;

const PATH: &str = "/metadata/instance";
const API_VERSION: &str = "2021-03-01";
const OPERATION: &str = "read the metadata of this machine";

/// The address of the service in every machine in Azure.
#[expect(clippy::expect_used, reason = "a constant, read by a test")]
pub(crate) fn default_endpoint() -> Url {
    Url::parse("http://169.254.169.254").expect("a constant URL parses")
}

/// Which values are those of the machine this runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Own {
    /// The subscription, and why.
    pub(crate) subscription: Option<OwnSubscription>,
    /// The resource group.
    pub(crate) resource_group: bool,
    /// The scale set.
    pub(crate) scale_set: bool,
}

/// Why the subscription is that of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnSubscription {
    /// The join string says `self`.
    AskedFor,
    /// Nobody names one.
    NotGiven,
}

impl Own {
    /// Whether no value is.
    pub(crate) fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// The first of the values as the join string has it.
    fn first(self) -> (&'static str, &'static str) {
        match self.subscription {
            Some(OwnSubscription::AskedFor) => ("subscription_id", "`subscription_id` is `self`"),
            _ if self.scale_set => ("vm_scale_set", "`vm_scale_set` is `self`"),
            _ if self.resource_group => ("resource_group", "`resource_group` is `self`"),
            _ => ("subscription_id", "`subscription_id` is not given"),
        }
    }
}

/// The part of the answer that is read. Missing values are empty texts.
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
        [of_id, Some(self.vm_scale_set_name.as_str())].into_iter().flatten().find(|name| !name.is_empty())
    }
}

/// The configuration with the machine's own values in place of the words `self`.
///
/// # Errors
///
/// [`Error::Config`] within a second when there is no such service here, and when the machine is in no scale set; [`Error::Api`] when the service fails.
pub(crate) async fn resolve(config: &AzureConfig, own: Own, endpoint: &Url, context: &Context, call: &Call) -> Result<AzureConfig> {
    let compute = read(own, endpoint, context, call).await?;
    let mut config = config.clone();
    if own.subscription.is_some() {
        config.subscription_id = filled(&compute.subscription_id, "subscription_id")?.to_ascii_lowercase();
    }
    match &mut config.selection {
        Selection::Tag { resource_groups, .. } => {
            for group in resource_groups.iter_mut().filter(|group| *group == SELF) {
                filled(&compute.resource_group_name, "resource_group")?.clone_into(group);
            }
        }
        Selection::ScaleSet { resource_group, name, .. } => {
            if own.resource_group {
                filled(&compute.resource_group_name, "resource_group")?.clone_into(resource_group);
            }
            if own.scale_set {
                let own_set = compute.scale_set().ok_or_else(|| no_scale_set(&compute.name))?;
                own_set.clone_into(name);
            }
        }
    }
    Ok(config)
}

/// Asks the service. Whether it is there shows within [`PROBE_LIMIT`]; once it is, it has the time that the call has.
async fn read(own: Own, endpoint: &Url, context: &Context, call: &Call) -> Result<Compute> {
    let mut url = endpoint.clone();
    url.set_path(PATH);
    url.query_pairs_mut().append_pair("api-version", API_VERSION).append_pair("format", "json");
    let request = Request::get(OPERATION, url).header(METADATA.0, METADATA.1);
    let first = context.http().json::<Instance>(PROVIDER_NAME, &request.clone().retry(RetryPolicy::none()), &call.within(PROBE_LIMIT)).await;
    let answer = match first {
        Ok(Answer::Other(response)) if is_foreign(&response) => return Err(not_there(own, endpoint)),
        Ok(Answer::Other(response)) if retry_policy().retries_status(response.status) => {
            context.http().json::<Instance>(PROVIDER_NAME, &request.retry(retry_policy()), call).await?
        }
        Ok(answer) => answer,
        Err(Error::Transport(_)) => return Err(not_there(own, endpoint)),
        Err(error) => return Err(error),
    };
    answer.value_or(|response| refused(&response).into()).map(|instance| instance.compute)
}

fn filled<'a>(value: &'a str, key: &str) -> Result<&'a str> {
    if value.is_empty() {
        let problem =
            ConfigProblem::of_key(key, format!("`{key}` is that of this machine, and its metadata do not tell it")).with_hint(format!("add `{key}=...`"));
        return Err(ConfigError::new(Some(PROVIDER_NAME), problem).into());
    }
    Ok(value)
}

fn no_scale_set(machine: &str) -> Error {
    let problem = ConfigProblem::of_key("vm_scale_set", format!("`vm_scale_set` is `self`, and this machine (`{machine}`) is in no scale set"))
        .with_hint("name the scale set, or look for a tag");
    ConfigError::new(Some(PROVIDER_NAME), problem).into()
}

fn not_there(own: Own, endpoint: &Url) -> Error {
    let (key, reason) = own.first();
    let message = format!("{reason}, and no instance metadata service of Azure answers at {}", origin_of(endpoint));
    let hint = match own.subscription {
        Some(OwnSubscription::NotGiven) => "add `subscription_id=...`, or set `ARM_SUBSCRIPTION_ID`".to_owned(),
        _ => format!("`self` works in Azure only: add `{key}=...`"),
    };
    ConfigError::new(Some(PROVIDER_NAME), ConfigProblem::of_key(key, message).with_hint(hint)).into()
}

fn refused(response: &Response) -> ApiError {
    crate::credential::token_answer::refused(OPERATION, response)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn scale_set(json: &str) -> Option<String> {
        serde_json::from_str::<Instance>(json).unwrap().compute.scale_set().map(str::to_owned)
    }

    #[test]
    fn the_scale_set_is_told_by_name_or_by_id() {
        let flexible = r#"{"compute":{"vmScaleSetName":"","virtualMachineScaleSet":{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/flex"}}}"#;
        assert_eq!(scale_set(flexible).as_deref(), Some("flex"));
        assert_eq!(scale_set(r#"{"compute":{"vmScaleSetName":"uni","virtualMachineScaleSet":{"id":""}}}"#).as_deref(), Some("uni"));
        assert_eq!(scale_set(r#"{"compute":{"vmScaleSetName":"uni"}}"#).as_deref(), Some("uni"));
        assert_eq!(scale_set(r#"{"compute":{"vmScaleSetName":"","virtualMachineScaleSet":{"id":""}}}"#), None);
    }

    #[test]
    fn the_service_has_its_documented_address() {
        assert_eq!(default_endpoint().as_str(), "http://169.254.169.254/");
    }
}
