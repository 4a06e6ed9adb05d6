//! A Consul agent: `GET /v1/agent/members`, and `PUT /v1/agent/join/:address` for one address a
//! call.

use cloud_autojoin::Clock;
use cloud_autojoin::http::decode_json;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Agent, Members};
use crate::failure::Failure;

/// The characters of an address that are escaped in a path.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// Serf's states: 1 alive, 2 leaving, 3 left, 4 failed.
const ALIVE: i64 = 1;
const LEFT: i64 = 3;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    addr: String,
    port: Option<u16>,
    status: i64,
}

pub(super) async fn members(
    agent: &Agent,
    is_wan: bool,
    clock: &Clock,
) -> Result<Members, Failure> {
    let response = agent
        .get(
            "read its members",
            "/v1/agent/members",
            scope(is_wan),
            clock,
        )
        .await?;
    let list: Vec<Member> = decode_json(&response.body).map_err(|error| {
        Failure::new(format!(
            "its list of members isn't as Consul documents it: {error}"
        ))
    })?;
    if list.is_empty() {
        // An agent is a member itself: an empty list means that the token can't read members.
        return Err(Failure::new("its list of members is empty")
            .with_hint("give `token_file` a token with `node:read`"));
    }
    let mut members = Members::default();
    for member in list {
        if member.status != LEFT
            && let Ok(ip) = member.addr.parse()
        {
            members.add(ip, member.port, member.status == ALIVE);
        }
    }
    Ok(members)
}

pub(super) async fn join(
    agent: &Agent,
    is_wan: bool,
    address: &str,
    clock: &Clock,
) -> Result<(), Failure> {
    let path = format!("/v1/agent/join/{}", utf8_percent_encode(address, IN_PATH));
    agent
        .put(&format!("join {address}"), &path, scope(is_wan), clock)
        .await
        .map(drop)
}

/// The hint for a refusal.
pub(super) fn hint(status: u16, message: &str) -> Option<&'static str> {
    match status {
        403 if message.contains("ACL not found") => Some(
            "check the token in `token_file`; before the cluster has a leader Consul knows no token but the one in its own `acl.tokens.agent_recovery`: put that one into \
             `token_file`, or let the agents find each other through a join file (`[[watch.file]]` of kind `consul`)",
        ),
        401 | 403 => Some(
            "give `token_file` a token with `agent:write` on the agent's own node, and `node:read` to see its members",
        ),
        _ => None,
    }
}

fn scope(is_wan: bool) -> &'static [(&'static str, &'static str)] {
    if is_wan { &[("wan", "1")] } else { &[] }
}
