//! The forward proxy: tunnels (`CONNECT`) that end here in TLS, and plain requests with a whole URL.
//!
//! Any host that is none of the pretended ones gets 502 and stands on record as unexpected; nothing ever leaves the machine.

use std::sync::Arc;

use http::{HeaderMap, Method, Response, StatusCode, Uri, Version};
use hyper::upgrade::OnUpgrade;

use super::body::ReplyBody;
use super::endpoint::{Connection, serve};
use super::exchange::finish;
use crate::clouds::azure::dispatch::plain;
use crate::clouds::azure::hosts::{self, Cloud};
use crate::engine::record::{Arrival, Door};
use crate::engine::state::State;

/// Where a plain request goes: by the host of its URL. Only the metadata service speaks plain http in the cloud.
pub(super) fn route(uri: &Uri) -> (Door, Option<Cloud>) {
    match uri.host().and_then(hosts::service) {
        Some((Door::Metadata, cloud)) => (Door::Metadata, cloud),
        _ => (Door::Proxy, None),
    }
}

/// Answers `CONNECT host:port` and serves what comes through the tunnel.
pub(super) fn connect(state: &Arc<State>, connection: &Arc<Connection>, target: &str, upgrade: OnUpgrade, version: Version) -> Response<ReplyBody> {
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
    let Some((door @ (Door::Arm | Door::Authority), cloud)) = hosts::service(host) else {
        let arrival = Arrival {
            door: Door::Proxy,
            proxied: true,
            connection: connection.number,
            version,
            method: Method::CONNECT,
            host: target.to_owned(),
            path: String::new(),
            query: String::new(),
            user_agent: String::new(),
            bearer: false,
        };
        let number = state.record.arrived(arrival, state.clock.offset());
        return finish(state, number, &plain(StatusCode::BAD_GATEWAY, &format!("`{host}` is no host of the pretended cloud")), &HeaderMap::new());
    };
    let tunnel = Connection { number: state.number_connection(), door, cloud, scheme: "https", proxied: true, reset: Arc::clone(&connection.reset) };
    let within = Arc::clone(state);
    state.spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        if let Ok(stream) = within.acceptor.accept(hyper_util::rt::TokioIo::new(upgraded)).await {
            serve(within, tunnel, hyper_util::rt::TokioIo::new(stream)).await;
        }
    });
    Response::new(ReplyBody::whole(bytes::Bytes::new()))
}
