//! The identity that a join string chooses.

use cloud_autojoin_core::{ConfigProblem, Secret};

use crate::credential::{ChainOptions, Identity, ManagedIdentityId, Narrowing};
use crate::key::{AzureKey, TOKEN_CREDENTIALS};
use crate::reader::{Given, Reader};

/// Reads the identity; a default one stands in where a problem was written down.
///
/// A client secret means just that: no other source is tried. Without one the chain is, told what the string says of the tenant and of the identity to use.
pub(super) fn read(reader: &mut Reader<'_>) -> Identity {
    let tenant_id = reader.text(AzureKey::TenantId);
    let client_id = reader.text(AzureKey::ClientId);
    let client_secret = reader.read(AzureKey::ClientSecret, |value| value.text().map(Secret::new));
    let object_id = reader.text(AzureKey::IdentityObjectId);
    let resource_id = reader.text(AzureKey::IdentityResourceId);

    if let Given::Value(tenant, name) = &tenant_id
        && !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    {
        reader.problem(ConfigProblem::of_key("tenant_id", format!("`{name}` must be a GUID or a domain such as contoso.example")));
    }
    if let (Given::Value(..), Given::Value(..)) = (&object_id, &resource_id) {
        reader.problem(
            ConfigProblem::of_key("identity_object_id", "`identity_object_id` and `identity_resource_id` both choose the managed identity")
                .with_hint("keep one of the two"),
        );
    }
    let managed = object_id.given_as().or(resource_id.given_as());

    if let Some(beside) = client_secret.given_as() {
        if !tenant_id.is_given() {
            reader.missing(AzureKey::TenantId, beside);
        }
        if !client_id.is_given() {
            reader.missing(AzureKey::ClientId, beside);
        }
        // A secret in a variable may be there for another program; one in the string is meant.
        if let Some(managed) = managed {
            if AzureKey::ClientSecret.entry().names().any(|name| name == beside) {
                reader.problem(
                    ConfigProblem::of_key(managed, format!("`{managed}` chooses a managed identity, which has no secret, and `{beside}` is given"))
                        .with_hint(format!("leave out one of `{managed}` and `{beside}`")),
                );
            }
        } else if let (Some(tenant_id), Some(client_id), Some(client_secret)) = (tenant_id.clone().value(), client_id.clone().value(), client_secret.value()) {
            return Identity::ClientSecret { tenant_id, client_id, client_secret };
        } else {
            return Identity::default();
        }
    }

    let managed_identity = match (object_id.value(), resource_id.value()) {
        (Some(id), _) => Some(ManagedIdentityId::ObjectId(id)),
        (None, Some(id)) => Some(ManagedIdentityId::ResourceId(id)),
        (None, None) => None,
    };
    let narrowing = reader.word(AzureKey::TokenCredentials, TOKEN_CREDENTIALS, |word| Some(Narrowing::from_word(word)));
    Identity::Chain(ChainOptions { tenant_id: tenant_id.value(), client_id: client_id.value(), managed_identity, narrowing: narrowing.value().flatten() })
}
