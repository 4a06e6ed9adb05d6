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
    let others = [&CLIENT_SECRET, &CLIENT_ID, &IDENTITY_OBJECT_ID].into_iter();
    let other = others.filter_map(|key| {
        let name = options.given_as(key).filter(|name| key.matches(name))?;
        (name != chosen).then_some(name)
    });
    let Some(other) = other.into_iter().next() else {
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
