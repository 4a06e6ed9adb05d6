//! The endpoints that a join string and the environment name.

use cloud_autojoin_core::{ConfigProblem, ConfigString};
use url::Url;

use crate::cloud::{Cloud, Environment, is_near};
use crate::instance_metadata;
use crate::key::AzureKey;
use crate::reader::{Given, Reader};

/// Reads the cloud: `environment`, and the endpoints that stand in for those of it.
///
/// A variable never outranks the string: with `environment` in the string, `AZURE_AUTHORITY_HOST` does not count. Without any `environment` the cloud is the one whose authority the
/// authority host is, so that on a machine that a sovereign cloud has set up (Kubernetes with workload identity) nothing need be said.
pub(super) fn cloud(reader: &mut Reader<'_>, config: &ConfigString) -> Cloud {
    let environment = reader.word(AzureKey::Environment, Environment::WORDS, Environment::from_word);
    let authority = origin(reader, AzureKey::AuthorityHost);
    let resource_manager = origin(reader, AzureKey::ArmEndpoint).value();
    let audience = reader.read(AzureKey::Audience, |value| value.url().map(|_| value.raw().to_owned())).value();

    let string_has = |key: AzureKey| config.value(key.entry()).is_ok_and(|value| value.is_some());
    let authority = authority.value().filter(|_| string_has(AzureKey::AuthorityHost) || !string_has(AzureKey::Environment));
    let environment = environment.value().or_else(|| authority.as_ref().and_then(Environment::of_authority)).unwrap_or_default();

    let cloud = Cloud::of(environment);
    Cloud {
        environment,
        authority: authority.unwrap_or(cloud.authority),
        resource_manager: resource_manager.unwrap_or(cloud.resource_manager),
        audience: audience.unwrap_or(cloud.audience),
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
