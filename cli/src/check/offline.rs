//! A context in which nothing can be sent.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin::http::{
    HttpClient, HttpSettings, RawResponse, Request, Transport, TransportCause,
};
use cloud_autojoin::{Context, Instant, Result, TransportFailure};

/// The context of this process without its network: variables count as they do for `discover
/// addrs`.
pub(super) fn context() -> Result<Context> {
    Context::builder()
        .http_client(HttpClient::with_transport(
            Arc::new(Offline),
            HttpSettings::default(),
        ))
        .build()
}

#[derive(Debug)]
struct Offline;

#[async_trait]
impl Transport for Offline {
    async fn send(&self, _: &Request, _: Instant) -> Result<RawResponse, TransportCause> {
        Err(TransportCause::new(TransportFailure::InvalidRequest)
            .with_detail("`discover check` sends nothing"))
    }
}
