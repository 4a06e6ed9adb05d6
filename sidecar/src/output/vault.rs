//! Vault's `storage "raft"` block, whole, from a template.
//!
//! Vault uses the storage block of the last file that has one and ignores the others: a file with
//! only `retry_join` would remove `path` and `node_id`. So the template contains the whole block,
//! with `{{ retry_join }}` in place of the stanzas, and its output is verified before it is
//! written.

use cloud_autojoin::Address;
use serde_json::{Map, Value};

use super::address_format;
use super::retry_join::{self, Syntax};
use crate::failure::Failure;

/// The port of Vault's API.
pub(crate) const PORT: u16 = 8200;

/// The other attributes of a `retry_join` stanza, by Vault's names (`leader_ca_cert_file`, ...).
pub(crate) type Stanza = Vec<(String, String)>;

/// The value of `retry_join` in a template.
pub(crate) fn stanzas(
    syntax: Syntax,
    addresses: &[Address],
    scheme: &str,
    port: Option<u16>,
    more: &Stanza,
) -> Result<String, Failure> {
    let urls = urls(addresses, scheme, port);
    match syntax {
        Syntax::Json => {
            let stanza = |url: String| {
                let mut stanza = Map::from_iter([("leader_api_addr".to_owned(), Value::from(url))]);
                stanza.extend(
                    more.iter()
                        .map(|(name, value)| (name.clone(), Value::from(value.clone()))),
                );
                Value::Object(stanza)
            };
            serde_json::to_string(&urls.into_iter().map(stanza).collect::<Vec<_>>())
                .map_err(|error| Failure::new(format!("cannot write JSON: {error}")))
        }
        Syntax::Hcl => {
            let stanza = |url: String| {
                let attributes = more
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()));
                hcl::Block::builder("retry_join")
                    .add_attribute(("leader_api_addr", url))
                    .add_attributes(attributes)
                    .build()
            };
            let body = hcl::Body::builder()
                .add_blocks(urls.into_iter().map(stanza))
                .build();
            hcl::to_string(&body)
                .map_err(|error| Failure::new(format!("cannot write HCL: {error}")))
        }
    }
}

fn urls(addresses: &[Address], scheme: &str, port: Option<u16>) -> Vec<String> {
    addresses
        .iter()
        .map(|address| address_format::url(scheme, address, port.unwrap_or(PORT)))
        .collect()
}

/// Checks that a rendered file can replace the storage block: it has a raft block with a `path`,
/// and its stanzas have the addresses.
///
/// # Errors
///
/// It doesn't parse, or would remove a part of the storage block.
pub(super) fn verify(
    syntax: Syntax,
    addresses: &[Address],
    scheme: &str,
    port: Option<u16>,
    text: &str,
) -> Result<(), Failure> {
    let tree = retry_join::parse(syntax, text)?;
    let raft = tree
        .get("storage")
        .and_then(first)
        .and_then(|storage| storage.get("raft"))
        .and_then(first);
    let whole = "the template must bring the whole block, `path` and `node_id` included: Vault drops the storage blocks of all other files";
    let Some(raft) = raft else {
        return Err(Failure::new("the file has no `storage \"raft\"` block").with_hint(whole));
    };
    if raft
        .get("path")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty)
    {
        return Err(Failure::new(
            "the `storage \"raft\"` block has no `path`, so the file would wipe Vault's",
        )
        .with_hint(whole));
    }
    let stanzas: Vec<&Value> = match raft.get("retry_join") {
        Some(Value::Array(stanzas)) => stanzas.iter().collect(),
        Some(stanza) => vec![stanza],
        None => Vec::new(),
    };
    let found: Vec<&str> = stanzas
        .iter()
        .filter_map(|stanza| stanza.get("leader_api_addr")?.as_str())
        .collect();
    if urls(addresses, scheme, port)
        .iter()
        .all(|url| found.contains(&url.as_str()))
    {
        Ok(())
    } else {
        Err(
            Failure::new("the `storage \"raft\"` block does not name every address")
                .with_hint("write `{{ retry_join }}` where its stanzas go"),
        )
    }
}

/// An object, or the first of a list of them: JSON allows both for a block.
fn first(value: &Value) -> Option<&Value> {
    match value {
        Value::Array(list) => list.first(),
        value => Some(value),
    }
}
