//! What the machine this runs on knows of itself: the meaning of `self`.
//!
//! One request to the instance metadata service, which every machine in Azure has at a link-local
//! address; it tells of no other machine. Facts:
//! learn.microsoft.com/azure/virtual-machines/instance-metadata-service, api-version 2021-03-01,
//! the first with `virtualMachineScaleSet`. Tokens of the same service: `credential/imds.rs`.

use cloud_autojoin_core::http::{JsonResponse, Request, Response, origin_of};
use cloud_autojoin_core::{ApiError, Call, ConfigError, ConfigProblem, Context, Error, Result};
use serde::Deserialize;
use url::Url;

use crate::arm::SHOWN_PARAMETERS;
use crate::credential::imds::{METADATA, ServiceResponses, is_service, refusal, retry_policy};
use crate::keys::PROVIDER_NAME;
use crate::keys::SELF;
use crate::select::{AzureConfig, Selection};

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
pub(crate) struct SelfReferences {
    /// The subscription, and why.
    pub(crate) subscription: Option<SelfSubscription>,
    /// The resource group.
    pub(crate) resource_group: bool,
    /// The scale set.
    pub(crate) scale_set: bool,
}

/// Why the subscription is that of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelfSubscription {
    /// The join string says `self`.
    AskedFor,
    /// Nobody names one.
    NotGiven,
}

impl SelfReferences {
    /// Whether no value is.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// The first of the values as the join string has it.
    fn first(self) -> (&'static str, &'static str) {
        match self.subscription {
            Some(SelfSubscription::AskedFor) => ("subscription_id", "`subscription_id` is `self`"),
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
/// [`Error::Api`] when the service fails or another server answers. [`Error::Config`] when the
/// machine is in no scale set.
pub(crate) async fn resolve(
    config: &AzureConfig,
    references: SelfReferences,
    endpoint: &Url,
    context: &Context,
    call: &Call,
) -> Result<AzureConfig> {
    let compute = read(references, endpoint, context, call).await?;
    let mut config = config.clone();
    if references.subscription.is_some() {
        config.subscription_id =
            filled(&compute.subscription_id, "subscription_id")?.to_ascii_lowercase();
    }
    match &mut config.selection {
        Selection::Tag {
            resource_groups, ..
        } => {
            for group in resource_groups.iter_mut().filter(|group| *group == SELF) {
                filled(&compute.resource_group_name, "resource_group")?.clone_into(group);
            }
        }
        Selection::ScaleSet {
            resource_group,
            name,
            ..
        } => {
            if references.resource_group {
                filled(&compute.resource_group_name, "resource_group")?.clone_into(resource_group);
            }
            if references.scale_set {
                let its_set = compute
                    .scale_set()
                    .ok_or_else(|| no_scale_set(&compute.name))?;
                its_set.clone_into(name);
            }
        }
    }
    Ok(config)
}

/// Asks the service, which has the time of the call: there is no other source for these values.
async fn read(
    references: SelfReferences,
    endpoint: &Url,
    context: &Context,
    call: &Call,
) -> Result<Compute> {
    let mut url = endpoint.clone();
    url.set_path(PATH);
    url.query_pairs_mut()
        .append_pair("api-version", API_VERSION)
        .append_pair("format", "json");
    let request = Request::get(OPERATION, url)
        .header(METADATA.0, METADATA.1)
        .classified_by(&ServiceResponses)
        .showing(SHOWN_PARAMETERS)
        .retry(retry_policy());
    match context
        .http()
        .json::<Instance>(PROVIDER_NAME, &request, call)
        .await
    {
        Ok(JsonResponse::Success(instance, _)) => Ok(instance.compute),
        Ok(JsonResponse::Failure(response)) if is_service(&response) => {
            Err(refusal(OPERATION, API_VERSION, &response).into())
        }
        Ok(JsonResponse::Failure(response)) => {
            Err(not_the_service(references, endpoint, &response).into())
        }
        Err(Error::Transport(error)) => Err(error
            .with_hint(hint(
                references,
                "the metadata service of this machine may not be up yet; outside Azure ",
            ))
            .into()),
        Err(error) => Err(error),
    }
}

fn filled<'a>(value: &'a str, key: &str) -> Result<&'a str> {
    if value.is_empty() {
        let problem = ConfigProblem::of_key(
            key,
            format!("`{key}` is that of this machine, and its metadata do not tell it"),
        )
        .with_hint(format!("add `{key}=...`"));
        return Err(ConfigError::new(Some(PROVIDER_NAME), problem).into());
    }
    Ok(value)
}

fn no_scale_set(machine: &str) -> Error {
    let problem = ConfigProblem::of_key(
        "vm_scale_set",
        format!("`vm_scale_set` is `self`, and this machine (`{machine}`) is in no scale set"),
    )
    .with_hint("name the scale set, or look for a tag");
    ConfigError::new(Some(PROVIDER_NAME), problem).into()
}

/// The error for an answer of another server at the address.
fn not_the_service(references: SelfReferences, endpoint: &Url, response: &Response) -> ApiError {
    let error = ApiError::new(PROVIDER_NAME, OPERATION, response.status.as_u16())
        .with_message(Some(format!(
            "what answers at {} is not the instance metadata service of Azure",
            origin_of(endpoint)
        )))
        .with_hint(hint(references, "outside Azure "))
        .after(response.attempts, response.elapsed);
    if response.class.is_transient() {
        error.transient()
    } else {
        error
    }
}

/// What to write where there is no such service, after `outside`, which says when.
fn hint(references: SelfReferences, outside: &str) -> String {
    let (key, reason) = references.first();
    match references.subscription {
        Some(SelfSubscription::NotGiven) => {
            format!("{reason}; {outside}add `subscription_id=...`, or set `ARM_SUBSCRIPTION_ID`")
        }
        _ => format!("{reason}; {outside}add `{key}=...`"),
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
    fn the_scale_set_is_told_by_name_or_by_id() {
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
