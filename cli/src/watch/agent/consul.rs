//! A Consul agent: `GET /v1/agent/members`, then `PUT /v1/agent/join/:address` for peers that are no members.
//!
//! One address a call. Who is there already, or has failed and is being reconnected by the agent itself, is left alone. After a success the members are read again: gossip brings
//! the others along with the first.

use cloud_autojoin::http::decode_json;
use cloud_autojoin::{Address, Call};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Agent, Members, Told};
use crate::watch::failure::Failure;
use crate::watch::output::form;

/// What of an address is escaped in a path: all but what every name and number is made of.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// Serf's states: 1 alive, 2 leaving, 3 left, 4 failed.
const LEFT: i64 = 3;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    addr: String,
    port: Option<u16>,
    status: i64,
}

pub(super) async fn tell(agent: &Agent, wan: bool, peers: &[Address], call: &Call) -> Result<Told, Failure> {
    let mut members = members(agent, wan, call).await?;
    let (mut joined, mut failures) = (Vec::new(), Vec::new());
    for peer in peers {
        if members.has(peer) {
            continue;
        }
        let form = form_of(agent, peer);
        let path = format!("/v1/agent/join/{}", utf8_percent_encode(&form, IN_PATH));
        match agent.door.put(&format!("join {form}"), &path, scope(wan), call).await {
            Ok(_) => {
                joined.push(form);
                members = self::members(agent, wan, call).await?;
            }
            Err(failure) => failures.push(failure),
        }
    }
    let more = failures.len().saturating_sub(1);
    match failures.into_iter().next() {
        None if joined.is_empty() => Ok(Told::NothingNew),
        None => Ok(Told::Joined(joined)),
        Some(failure) if more == 0 => Err(failure),
        Some(failure) => {
            let hint = failure.hint().map(str::to_owned);
            let failure = Failure::new(format!("{failure} (and {more} more)"));
            Err(match hint {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            })
        }
    }
}

fn scope(wan: bool) -> &'static [(&'static str, &'static str)] {
    if wan { &[("wan", "1")] } else { &[] }
}

/// As memberlist reads it: a bare address gets the port of the agent's own gossip.
fn form_of(agent: &Agent, peer: &Address) -> String {
    match peer.port.or(agent.port) {
        Some(port) => form::with_port(&peer.host, port),
        None => peer.host.to_string(),
    }
}

async fn members(agent: &Agent, wan: bool, call: &Call) -> Result<Members, Failure> {
    let response = agent.door.get("read its members", "/v1/agent/members", scope(wan), call).await?;
    let list: Vec<Member> =
        decode_json(&response.body).map_err(|error| Failure::new(format!("its list of members is not what Consul's documents say: {error}")))?;
    if list.is_empty() {
        // An agent is a member itself: without the right to see it, all are filtered out.
        return Err(Failure::new("its list of members is empty").with_hint("give `token_file` a token with `node:read`"));
    }
    let mut members = Members::default();
    for member in list {
        if member.status != LEFT
            && let Ok(ip) = member.addr.parse()
        {
            members.add(ip, member.port);
        }
    }
    Ok(members)
}
