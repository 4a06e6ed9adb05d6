//! The endpoints that a join string and the environment name.

use cloud_autojoin_core::{ConfigProblem, ConfigString};
use url::Url;

use crate::cloud::{Cloud, Environment, is_near};
use crate::instance_metadata;
use crate::key::AzureKey;
use crate::reader::{Given, Reader};

/// Reads the cloud: `environment`, and the endpoints that stand in for those of it.
///
/// A variable never outranks the string: with `environment` in the string, `AZURE_AUTHORITY_HOST` does not count, and is not even read. Without any `environment` the cloud is the one whose
/// authority the authority host is, so that on a machine that a sovereign cloud has set up (Kubernetes with workload identity) nothing need be said.
///
/// Credentials and tokens go to these hosts. Whoever edits a join string must not get the machine's
/// token for Azure by naming a host of their own, so one that is not the cloud's needs an `audience`.
pub(super) fn cloud(reader: &mut Reader<'_>, config: &ConfigString) -> Cloud {
    let string_has = |key: AzureKey| config.value(key.entry()).is_ok_and(|value| value.is_some());
    let environment = reader.word(AzureKey::Environment, Environment::WORDS, Environment::from_word);
    let is_outranked = string_has(AzureKey::Environment) && !string_has(AzureKey::AuthorityHost);
    let authority = if is_outranked { Given::Absent } else { origin(reader, AzureKey::AuthorityHost) };
    let resource_manager = origin(reader, AzureKey::ArmEndpoint);
    let audience = reader.read(AzureKey::Audience, |value| value.url().map(|_| value.raw().to_owned()));

    let is_chosen = environment.is_given();
    let of_authority = || match &authority {
        Given::Value(url, _) => Environment::of_authority(url),
        _ => None,
    };
    let environment = environment.value().or_else(of_authority).unwrap_or_default();
    let cloud = Cloud::of(environment);
    if !audience.is_given() {
        refuse_foreign(reader, &cloud, &resource_manager, &authority, is_chosen);
    }
    Cloud {
        environment,
        authority: authority.value().unwrap_or(cloud.authority),
        resource_manager: resource_manager.value().unwrap_or(cloud.resource_manager),
        audience: audience.value().unwrap_or(cloud.audience),
    }
}

/// Refuses hosts that are not the cloud's own, to which tokens for the cloud's audience would go.
fn refuse_foreign(reader: &mut Reader<'_>, cloud: &Cloud, resource_manager: &Given<Url>, authority: &Given<Url>, is_chosen: bool) {
    let other_cloud = if is_chosen { "" } else { ", or choose the cloud with `environment=...`" };
    let hint = format!("if you trust this host, say whom its tokens are for with `audience=...`{other_cloud}");
    if let Given::Value(url, name) = resource_manager
        && !cloud.environment.has_resource_manager(url)
    {
        let message = format!(
            "`{name}` is not the Azure Resource Manager of the cloud `{}`, and tokens for {} would be sent to {}",
            cloud.environment.word(),
            cloud.audience,
            url.origin().ascii_serialization()
        );
        reader.problem(ConfigProblem::of_key("arm_endpoint", message).with_hint(hint.clone()));
    }
    if let Given::Value(url, name) = authority
        && Environment::of_authority(url).is_none()
    {
        let message = format!(
            "`{name}` is no Microsoft Entra ID of a known cloud, and credentials would be sent to {} for tokens for {}",
            url.origin().ascii_serialization(),
            cloud.audience
        );
        reader.problem(ConfigProblem::of_key("authority_host", message).with_hint(hint));
    }
}

/// Reads the address of the instance metadata service. It hands out tokens to whoever asks, so plain http stays on the machine or its link.
pub(super) fn metadata(reader: &mut Reader<'_>) -> Url {
    let given = reader.read(AzureKey::MetadataEndpoint, |value| value.url());
    let name = given.given_as();
    match (given.value(), name) {
        (Some(url), Some(name)) => {
            if url.scheme() != "https" && !is_near(&url) {
                reader.problem(ConfigProblem::of_key(
                    "metadata_endpoint",
                    format!("`{name}` must begin with https:// (http only to a loopback or link-local address), since a token is read from there"),
                ));
            }
            refuse_path(reader, AzureKey::MetadataEndpoint, name, &url);
            url
        }
        _ => instance_metadata::default_endpoint(),
    }
}

/// Reads an endpoint that is nothing but scheme, host and port.
fn origin(reader: &mut Reader<'_>, key: AzureKey) -> Given<Url> {
    let given = reader.read(key, |value| value.endpoint());
    if let Given::Value(url, name) = &given {
        refuse_path(reader, key, name, url);
    }
    given
}

fn refuse_path(reader: &mut Reader<'_>, key: AzureKey, name: &str, url: &Url) {
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        reader
            .problem(ConfigProblem::of_key(key.entry().name, format!("`{name}` must end after the host and port, as {}", url.origin().ascii_serialization())));
    }
}
