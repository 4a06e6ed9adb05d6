//! The forward proxy: tunnels (`CONNECT`) that end here in TLS, and plain requests with a whole
//! URL.
//!
//! A host that isn't simulated gets 502 and is recorded as unexpected; no request leaves the
//! machine.

use std::sync::Arc;

use http::{HeaderMap, Method, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;

use super::body::ReplyBody;
use super::endpoint::{Connection, serve};
use super::exchange::finish;
use super::message::Reply;
use super::record::SeenRequest;
use super::service::{Endpoint, Operation, Scheme, Service};
use super::state::State;

/// The reply to a request for a host that isn't simulated; without a host it was no proxy request.
pub(super) fn refuse<O: Operation>(host: &str) -> Reply<O> {
    let message = if host.is_empty() {
        "this is a forward proxy: request a whole URL or `CONNECT`".to_owned()
    } else {
        format!("`{host}` is no host of the simulated cloud")
    };
    Reply::unexpected(StatusCode::BAD_GATEWAY, &message)
}

/// Replies to `CONNECT host:port` and serves the requests of the tunnel.
pub(super) fn connect<S: Service>(
    state: &Arc<State<S>>,
    connection: &Arc<Connection<S::Endpoint>>,
    target: &str,
    upgrade: OnUpgrade,
    version: Version,
) -> Response<ReplyBody> {
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
    let Some(endpoint) = state.service.route(Scheme::Https, host) else {
        let (endpoint, connection) = (S::Endpoint::PROXY, connection.number);
        let head = SeenRequest {
            proxied: true,
            host: target.to_owned(),
            ..SeenRequest::new(endpoint, connection, version, Method::CONNECT)
        };
        let number = state.record.arrived(head, state.clock.offset());
        return finish(state, number, &refuse(host), &HeaderMap::new());
    };
    let tunnel = Connection {
        number: state.number_connection(),
        endpoint,
        host: Some(host.to_owned()),
        scheme: Scheme::Https,
        proxied: true,
        reset: Arc::clone(&connection.reset),
    };
    let within = Arc::clone(state);
    state.spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        if let Ok(stream) = within
            .acceptor
            .accept(hyper_util::rt::TokioIo::new(upgraded))
            .await
        {
            serve(within, tunnel, hyper_util::rt::TokioIo::new(stream)).await;
        }
    });
    Response::new(ReplyBody::whole(bytes::Bytes::new()))
}
