//! Nomad agents.
//!
//! A server: `GET /v1/agent/members`, then one `PUT /v1/agent/join?address=...` with all peers that are no members; it answers 200 also when that failed, so `error` in the body counts.
//!
//! A client: its list of servers (`/v1/agent/servers`) is replaced as a whole, and its servers send it a new one with each heartbeat. So it is told only when it has lost all of
//! them: when not one server that it knows is among those that the cloud knows. And it is told only what the cloud said in this run.

use std::net::{IpAddr, SocketAddr};

use cloud_autojoin::http::decode_json;
use cloud_autojoin::{Address, Call, Host};
use serde::Deserialize;

use super::{Agent, Members, Peers, Told};
use crate::watch::failure::{Failure, first_line};
use crate::watch::output::{form, nomad};

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
struct JoinAnswer {
    #[serde(default)]
    num_joined: u64,
    error: Option<String>,
    warning: Option<String>,
}

pub(super) async fn tell_server(agent: &Agent, peers: &[Address], call: &Call) -> Result<Told, Failure> {
    let response = agent.door.get("read its members", "/v1/agent/members", &[], call).await?;
    let list: ServerMembers =
        decode_json(&response.body).map_err(|error| Failure::new(format!("its list of members is not what Nomad's documents say: {error}")))?;
    let mut members = Members::default();
    for member in list.members.unwrap_or_default() {
        if member.status != "left"
            && let Ok(ip) = member.addr.parse()
        {
            members.add(ip, member.port);
        }
    }
    let missing: Vec<String> = peers.iter().filter(|peer| !members.has(peer)).map(|peer| form::in_file(peer, agent.port, nomad::SERVER_PORT)).collect();
    if missing.is_empty() {
        return Ok(Told::NothingNew);
    }
    let response = agent.door.put("join its peers", "/v1/agent/join", &query(&missing), call).await?;
    let answer: JoinAnswer =
        decode_json(&response.body).map_err(|error| Failure::new(format!("its answer to a join is not what Nomad's documents say: {error}")))?;
    if let Some(warning) = answer.warning.filter(|warning| !warning.is_empty()) {
        tracing::warn!(agent = agent.door.shown(), warning = first_line(warning.as_bytes()), "the agent joined with a warning");
    }
    match answer.error.filter(|error| !error.is_empty()) {
        Some(error) => Err(Failure::new(format!("cannot join its peers: {}", first_line(error.as_bytes())))),
        None if answer.num_joined == 0 => Err(Failure::new("cannot join its peers: it joined none and does not say why")),
        None => Ok(Told::Joined(missing)),
    }
}

pub(super) async fn tell_client(agent: &Agent, peers: Peers<'_>, call: &Call) -> Result<Told, Failure> {
    let response = agent.door.get("read its servers", "/v1/agent/servers", &[], call).await?;
    let known: Option<Vec<String>> =
        decode_json(&response.body).map_err(|error| Failure::new(format!("its list of servers is not what Nomad's documents say: {error}")))?;
    let known = known.unwrap_or_default();
    if known.iter().any(|server| peers.addresses.iter().any(|peer| is_host(server, &peer.host))) {
        return Ok(Told::NothingNew);
    }
    if !peers.fresh {
        return Ok(Told::Waiting);
    }
    let servers: Vec<String> = peers.addresses.iter().map(|peer| form::with_port(&peer.host, peer.port.or(agent.port).unwrap_or(nomad::CLIENT_PORT))).collect();
    // 400 when not one of them answers, and the old list stays.
    agent.door.put("give it new servers", "/v1/agent/servers", &query(&servers), call).await?;
    Ok(Told::Joined(servers))
}

fn query(addresses: &[String]) -> Vec<(&str, &str)> {
    addresses.iter().map(|address| ("address", address.as_str())).collect()
}

/// Whether `server`, as a client lists it (`10.0.0.4:4647`), is on this host.
fn is_host(server: &str, host: &Host) -> bool {
    let name = server.rsplit_once(':').map_or(server, |(name, _)| name);
    let ip = server.parse().map(|place: SocketAddr| place.ip()).or_else(|_| server.parse::<IpAddr>());
    match (host, ip) {
        (Host::Ip(host), Ok(ip)) => host.to_canonical() == ip.to_canonical(),
        (Host::Name(host), _) => host.trim_end_matches('.').eq_ignore_ascii_case(name.trim_end_matches('.')),
        _ => false,
    }
}
