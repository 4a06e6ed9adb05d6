//! The endpoints and the identity that a join string and the environment name.

use cloud_autojoin_core::ConfigProblem;
use cloud_autojoin_provider_kit::{KeySpec, Options};
use url::Url;

use crate::cloud::{Cloud, Environment, is_secure_or_near};
use crate::credential::{ChainOptions, Identity, ManagedIdentityId, SourceKind};
use crate::instance_metadata;
use crate::keys::{
    ARM_ENDPOINT, AUDIENCE, AUTHORITY_HOST, CLIENT_ID, CLIENT_SECRET, ENVIRONMENT,
    IDENTITY_OBJECT_ID, IDENTITY_RESOURCE_ID, METADATA_ENDPOINT, TENANT_ID, TOKEN_CREDENTIALS,
};

/// Reads the cloud: `environment`, and the endpoints that replace those of it.
///
/// A variable never outranks the string: with `environment` in the string, `AZURE_AUTHORITY_HOST`
/// doesn't count. Without `environment` the cloud is the one the authority host belongs to, so that
/// nothing needs to be configured on a machine that a sovereign cloud has set up (Kubernetes with
/// workload identity).
///
/// Credentials and tokens go to these hosts. A person who edits a join string must not get the
/// machine's token for Azure by naming another host, so one that isn't the cloud's needs an
/// `audience`.
pub(super) fn cloud(options: &mut Options<'_>) -> Cloud {
    let is_in_string = |key: &KeySpec| options.given_as(key).is_some_and(|name| key.matches(name));
    let authority = if is_in_string(&ENVIRONMENT) && !is_in_string(&AUTHORITY_HOST) {
        options.ignore(&AUTHORITY_HOST);
        None
    } else {
        origin(options, &AUTHORITY_HOST)
    };
    let resource_manager = origin(options, &ARM_ENDPOINT);
    let is_chosen = options.is_given(&ENVIRONMENT);
    let known = authority.as_ref().and_then(Environment::of_authority);
    let environment = known
        .filter(|_| !is_chosen)
        .or_else(|| options.word(&ENVIRONMENT, Environment::from_word))
        .unwrap_or_default();
    let cloud = Cloud::of(environment);
    let audience = &cloud.audience;
    let other_cloud = if is_chosen {
        ""
    } else {
        ", or choose the cloud with `environment=...`"
    };
    let hint = format!(
        "if you trust this host, name the audience of its tokens with `audience=...`{other_cloud}"
    );
    let (word, mut foreign) = (environment.word(), Vec::new());
    if let Some(url) = resource_manager
        .as_ref()
        .filter(|url| !environment.has_resource_manager(url))
    {
        let host = url.origin().ascii_serialization();
        foreign.push((&ARM_ENDPOINT, format!(
            "is not the Azure Resource Manager of the cloud `{word}`, and tokens for {audience} would be sent to {host}"
        )));
    }
    if let Some(url) = authority.as_ref().filter(|_| known.is_none()) {
        let host = url.origin().ascii_serialization();
        foreign.push((&AUTHORITY_HOST, format!(
            "is no Microsoft Entra ID of a known cloud, and credentials would be sent to {host} for tokens for {audience}"
        )));
    }
    foreign.retain(|_| !options.is_given(&AUDIENCE));
    for (key, message) in foreign {
        options.add_problem(options.problem(key, &message).with_hint(hint.clone()));
    }
    Cloud {
        environment,
        authority: authority.unwrap_or(cloud.authority),
        resource_manager: resource_manager.unwrap_or(cloud.resource_manager),
        audience: options.text(&AUDIENCE).unwrap_or(cloud.audience),
    }
}

/// Reads the address of the instance metadata service. It hands out tokens to any caller, so plain
/// http stays on the machine or its link.
pub(super) fn metadata(options: &mut Options<'_>) -> Url {
    let Some(url) = options.url(&METADATA_ENDPOINT) else {
        return instance_metadata::default_endpoint();
    };
    if !is_secure_or_near(&url) {
        let message = "must begin with https:// (http only to a loopback or link-local address), since a token is read from there";
        options.add_problem(options.problem(&METADATA_ENDPOINT, message));
    }
    refuse_path(options, &METADATA_ENDPOINT, &url);
    url
}

/// Reads an endpoint that is nothing but scheme, host and port.
fn origin(options: &mut Options<'_>, key: &KeySpec) -> Option<Url> {
    let url = options.endpoint(key)?;
    refuse_path(options, key, &url);
    Some(url)
}

fn refuse_path(options: &mut Options<'_>, key: &KeySpec, url: &Url) {
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        let origin = url.origin().ascii_serialization();
        let message = format!("must end after the host and port, as {origin}");
        options.add_problem(options.problem(key, &message));
    }
}

/// Reads the identity; the whole chain where a problem was recorded.
///
/// A client secret excludes every other source. Without one the chain is used, with the tenant
/// and the identity that the string names.
pub(super) fn identity(options: &mut Options<'_>) -> Identity {
    let by_resource_id = options.given_as(&IDENTITY_RESOURCE_ID);
    if let Some(chosen) = by_resource_id.or_else(|| options.given_as(&IDENTITY_OBJECT_ID)) {
        options.ignore(&TOKEN_CREDENTIALS);
        refuse_other_identities(options, chosen);
        let object_id = options.text(&IDENTITY_OBJECT_ID);
        let resource_id = options.text(&IDENTITY_RESOURCE_ID);
        return Identity::Chain(ChainOptions {
            managed_identity: resource_id
                .map(ManagedIdentityId::ResourceId)
                .or_else(|| object_id.map(ManagedIdentityId::ObjectId)),
            ..ChainOptions::default()
        });
    }

    let (tenant_id, client_id) = (options.text(&TENANT_ID), options.text(&CLIENT_ID));
    let is_named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_tenant = |tenant: &String| tenant.bytes().all(is_named);
    if options.is_given(&TENANT_ID) && !tenant_id.as_ref().is_some_and(is_tenant) {
        let message = "must be a GUID or a domain such as contoso.example";
        options.add_problem(options.problem(&TENANT_ID, message));
    }
    if let Some(name) = options.given_as(&CLIENT_SECRET) {
        // A variable of other programs doesn't matter beside a client secret.
        options.ignore(&TOKEN_CREDENTIALS);
        for key in [TENANT_ID, CLIENT_ID] {
            if !options.is_given(&key) {
                options.add_missing(&key, Some(&format!("`{name}` is given")));
            }
        }
        return match (tenant_id, client_id, options.secret(&CLIENT_SECRET)) {
            (Some(tenant_id), Some(client_id), Some(client_secret)) => Identity::ClientSecret {
                tenant_id,
                client_id,
                client_secret,
            },
            _ => Identity::default(),
        };
    }
    Identity::Chain(ChainOptions {
        tenant_id,
        client_id,
        managed_identity: None,
        sources: options.word(&TOKEN_CREDENTIALS, SourceKind::chain_of_word),
    })
}

/// Refuses keys of the string for another identity than the managed identity that `chosen`
/// chooses. A variable may be set for another program.
fn refuse_other_identities(options: &mut Options<'_>, chosen: &'static str) {
    let others = [&CLIENT_SECRET, &CLIENT_ID, &IDENTITY_OBJECT_ID].into_iter();
    let mut others =
        others.filter_map(|key| options.given_as(key).filter(|name| key.matches(name)));
    let Some(other) = others.find(|name| *name != chosen) else {
        return;
    };
    let (message, hint) = if CLIENT_SECRET.matches(other) {
        (
            format!(
                "`{chosen}` chooses a managed identity, which has no secret, and `{other}` is given"
            ),
            format!("leave out one of `{chosen}` and `{other}`"),
        )
    } else {
        (
            format!("`{other}` and `{chosen}` both choose the managed identity"),
            "keep one of the two".to_owned(),
        )
    };
    options.add_problem(ConfigProblem::of_key(chosen, message).with_hint(hint));
}
