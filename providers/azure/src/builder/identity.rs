//! The identity that a join string chooses.

use cloud_autojoin_core::{ConfigProblem, Secret};

use crate::credential::{ChainOptions, Identity, ManagedIdentityId, Narrowing};
use crate::key::{AzureKey, TOKEN_CREDENTIALS};
use crate::reader::{Given, Reader};

/// Reads the identity; the whole chain stands in where a problem was written down.
///
/// A client secret means just that: no other source is tried. Without one the chain is, told what the string says of the tenant and of the identity to use.
pub(super) fn read(reader: &mut Reader<'_>) -> Identity {
    let tenant_id = reader.text(AzureKey::TenantId);
    let client_id = reader.text(AzureKey::ClientId);
    let client_secret = reader.read(AzureKey::ClientSecret, |value| value.text().map(Secret::new));
    let object_id = reader.text(AzureKey::IdentityObjectId);
    let resource_id = reader.text(AzureKey::IdentityResourceId);

    if let Some(chosen) = resource_id.given_as().or_else(|| object_id.given_as()) {
        // What a variable says may be there for another program; what the string says is meant.
        if let Some(secret) = client_secret.given_as().filter(|name| AzureKey::ClientSecret.entry().matches(name)) {
            reader.problem(
                ConfigProblem::of_key(chosen, format!("`{chosen}` chooses a managed identity, which has no secret, and `{secret}` is given"))
                    .with_hint(format!("leave out one of `{chosen}` and `{secret}`")),
            );
        } else if let Some(other) = [(AzureKey::ClientId, client_id.given_as()), (AzureKey::IdentityObjectId, object_id.given_as())]
            .into_iter()
            .find_map(|(key, name)| name.filter(|name| key.entry().matches(name) && *name != chosen))
        {
            reader
                .problem(ConfigProblem::of_key(chosen, format!("`{other}` and `{chosen}` both choose the managed identity")).with_hint("keep one of the two"));
        }
        let managed_identity = match (resource_id.value(), object_id.value()) {
            (Some(id), _) => Some(ManagedIdentityId::ResourceId(id)),
            (None, id) => id.map(ManagedIdentityId::ObjectId),
        };
        return Identity::Chain(ChainOptions { managed_identity, ..ChainOptions::default() });
    }

    if let Given::Value(tenant, name) = &tenant_id
        && !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    {
        reader.problem(ConfigProblem::of_key("tenant_id", format!("`{name}` must be a GUID or a domain such as contoso.example")));
    }

    if let Some(secret) = client_secret.given_as() {
        if !tenant_id.is_given() {
            reader.missing(AzureKey::TenantId, secret);
        }
        if !client_id.is_given() {
            reader.missing(AzureKey::ClientId, secret);
        }
        return match (tenant_id.value(), client_id.value(), client_secret.value()) {
            (Some(tenant_id), Some(client_id), Some(client_secret)) => Identity::ClientSecret { tenant_id, client_id, client_secret },
            _ => Identity::default(),
        };
    }

    // Read only here: with a client secret it does not matter what a variable for other programs says.
    let narrowing = reader.word(AzureKey::TokenCredentials, TOKEN_CREDENTIALS, |word| Some(Narrowing::from_word(word)));
    Identity::Chain(ChainOptions { tenant_id: tenant_id.value(), client_id: client_id.value(), managed_identity: None, narrowing: narrowing.value().flatten() })
}
