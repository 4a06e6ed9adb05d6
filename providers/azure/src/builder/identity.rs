//! The identity that a join string chooses.

use cloud_autojoin_core::ConfigProblem;
use cloud_autojoin_provider_kit::Options;

use crate::credential::{ChainOptions, Identity, ManagedIdentityId, SourceKind};
use crate::keys::{
    CLIENT_ID, CLIENT_SECRET, IDENTITY_OBJECT_ID, IDENTITY_RESOURCE_ID, TENANT_ID,
    TOKEN_CREDENTIALS,
};

/// Reads the identity; the whole chain where a problem was recorded.
///
/// A client secret excludes every other source. Without one the chain is used, with what the string
/// says of the tenant and of the identity to use.
pub(super) fn read(options: &mut Options<'_>) -> Identity {
    let (tenant_id, client_id) = (options.text(&TENANT_ID), options.text(&CLIENT_ID));
    let chosen = options
        .given_as(&IDENTITY_RESOURCE_ID)
        .or_else(|| options.given_as(&IDENTITY_OBJECT_ID));
    if let Some(chosen) = chosen {
        options.ignore(&TOKEN_CREDENTIALS);
        refuse_other_identities(options, chosen);
        let managed_identity = match options.text(&IDENTITY_RESOURCE_ID) {
            Some(id) => Some(ManagedIdentityId::ResourceId(id)),
            None => options
                .text(&IDENTITY_OBJECT_ID)
                .map(ManagedIdentityId::ObjectId),
        };
        return Identity::Chain(ChainOptions {
            managed_identity,
            ..ChainOptions::default()
        });
    }

    let is_tenant = |tenant: &str| {
        tenant
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    };
    if let Some(name) = options
        .given_as(&TENANT_ID)
        .filter(|_| !tenant_id.as_deref().is_some_and(is_tenant))
    {
        options.add_problem(ConfigProblem::of_key(
            "tenant_id",
            format!("`{name}` must be a GUID or a domain such as contoso.example"),
        ));
    }

    if let Some(name) = options.given_as(&CLIENT_SECRET) {
        // What a variable of other programs says doesn't matter beside a client secret.
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

/// Refuses what the string says of another identity than the managed identity that `chosen`
/// chooses. A variable may be set for another program.
fn refuse_other_identities(options: &mut Options<'_>, chosen: &'static str) {
    let mut in_string = [&CLIENT_SECRET, &CLIENT_ID, &IDENTITY_OBJECT_ID]
        .into_iter()
        .filter_map(|key| {
            options
                .given_as(key)
                .filter(|name| key.matches(name) && *name != chosen)
        });
    let Some(other) = in_string.next() else {
        return;
    };
    options.add_problem(if CLIENT_SECRET.matches(other) {
        ConfigProblem::of_key(
            chosen,
            format!(
                "`{chosen}` chooses a managed identity, which has no secret, and `{other}` is given"
            ),
        )
        .with_hint(format!("leave out one of `{chosen}` and `{other}`"))
    } else {
        ConfigProblem::of_key(
            chosen,
            format!("`{other}` and `{chosen}` both choose the managed identity"),
        )
        .with_hint("keep one of the two")
    });
}
