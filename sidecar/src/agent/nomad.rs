//! Nomad agents.
//!
//! A server: `GET /v1/agent/members`, and `PUT /v1/agent/join?address=...`. It takes several
//! addresses a call, and spends 30 s on each that swallows packets, so it gets one a call. It
//! responds with 200 also when the join failed: `error` in the body counts.
//!
//! A client: its list of servers (`/v1/agent/servers`) is replaced as a whole, and its servers send
//! it a new one with each heartbeat. So the list is replaced only when the client has lost all
//! servers: when it knows none of those in the newest result, and only by a result of this run.

use std::net::{IpAddr, SocketAddr};

use cloud_autojoin::http::decode_json;
use cloud_autojoin::{Clock, Host};
use serde::Deserialize;

use super::{Agent, JoinOutcome, Members, Peers};
use crate::failure::{Failure, one_line};
use crate::output::{address_format, nomad};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ServerMembers {
    members: Option<Vec<Member>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    addr: String,
    port: Option<u16>,
    #[serde(default)]
    status: String,
}

#[derive(Deserialize)]
struct JoinResponse {
    #[serde(default)]
    num_joined: u64,
    error: Option<String>,
    warning: Option<String>,
}

pub(super) async fn members(agent: &Agent, clock: &Clock) -> Result<Members, Failure> {
    let response = agent
        .get("read its members", "/v1/agent/members", &[], clock)
        .await?;
    let list: ServerMembers = decode_json(&response.body).map_err(|error| {
        Failure::new(format!(
            "its list of members isn't as Nomad documents it: {error}"
        ))
    })?;
    let mut members = Members::default();
    for member in list.members.unwrap_or_default() {
        if member.status != "left"
            && let Ok(ip) = member.addr.parse()
        {
            members.add(ip, member.port, member.status == "alive");
        }
    }
    Ok(members)
}

pub(super) async fn join(agent: &Agent, address: &str, clock: &Clock) -> Result<(), Failure> {
    let response = agent
        .put(
            &format!("join {address}"),
            "/v1/agent/join",
            &[("address", address)],
            clock,
        )
        .await?;
    let response: JoinResponse = decode_json(&response.body).map_err(|error| {
        Failure::new(format!(
            "its response to a join isn't as Nomad documents it: {error}"
        ))
    })?;
    if let Some(warning) = response.warning.filter(|warning| !warning.is_empty()) {
        tracing::warn!(
            agent = agent.client.shown(),
            warning = one_line(warning.as_bytes()),
            "the agent joined with a warning"
        );
    }
    match response.error.filter(|error| !error.is_empty()) {
        Some(error) => Err(Failure::new(format!(
            "cannot join {address}: {}",
            one_line(error.as_bytes())
        ))),
        None if response.num_joined == 0 => Err(Failure::new(format!(
            "cannot join {address}: it joined none, without a reason"
        ))),
        None => Ok(()),
    }
}

pub(super) async fn update_client(
    agent: &Agent,
    peers: Peers<'_>,
    clock: &Clock,
) -> Result<JoinOutcome, Failure> {
    let response = agent
        .get("read its servers", "/v1/agent/servers", &[], clock)
        .await?;
    let known: Option<Vec<String>> = decode_json(&response.body).map_err(|error| {
        Failure::new(format!(
            "its list of servers isn't as Nomad documents it: {error}"
        ))
    })?;
    let known = known.unwrap_or_default();
    // Retained addresses may be dead: a client that knows only those has lost its servers.
    let servers = if peers.current.is_empty() {
        peers.retained
    } else {
        peers.current
    };
    if known
        .iter()
        .any(|server| servers.iter().any(|peer| is_host(server, &peer.host)))
    {
        return Ok(JoinOutcome::UpToDate);
    }
    if !peers.fresh {
        return Ok(JoinOutcome::Waiting);
    }
    let servers: Vec<String> = servers
        .iter()
        .map(|peer| {
            address_format::with_port(
                &peer.host,
                peer.port.or(agent.port).unwrap_or(nomad::CLIENT_PORT),
            )
        })
        .collect();
    let query: Vec<(&str, &str)> = servers
        .iter()
        .map(|server| ("address", server.as_str()))
        .collect();
    // 400 when none of them responds, and the old list stays.
    agent
        .put("give it new servers", "/v1/agent/servers", &query, clock)
        .await?;
    Ok(JoinOutcome::Joined(servers))
}

/// The hint for a refusal.
pub(super) fn hint(status: u16) -> Option<&'static str> {
    match status {
        401 | 403 => Some(
            "give `token_file` a token with `agent:write`, and `node:read` to see its members; before the servers have a leader Nomad knows no token, and only a join file \
             (`[[watch.file]]` of kind `nomad-server`) brings them together",
        ),
        _ => None,
    }
}

/// Whether `server`, as a client lists it (`10.0.0.4:4647`), is on this host.
fn is_host(server: &str, host: &Host) -> bool {
    let name = server.rsplit_once(':').map_or(server, |(name, _)| name);
    let ip = server
        .parse()
        .map(|place: SocketAddr| place.ip())
        .or_else(|_| server.parse::<IpAddr>());
    match (host, ip) {
        (Host::Ip(host), Ok(ip)) => host.to_canonical() == ip.to_canonical(),
        (Host::Name(host), _) => host
            .trim_end_matches('.')
            .eq_ignore_ascii_case(name.trim_end_matches('.')),
        _ => false,
    }
}
