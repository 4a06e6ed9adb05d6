//! Faults between client and server that an HTTP server can't produce.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cloud_autojoin_core::http::{RawResponse, Request, Transport, TransportCause};
use cloud_autojoin_core::{Instant, TransportFailure};
use url::Url;

/// The fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset before a response comes.
    Reset,
    /// The body is truncated.
    Truncated,
    /// No byte is received.
    Silence,
}

/// A transport that injects the given faults in order, and then sends.
pub(super) struct FaultTransport {
    inner: Arc<dyn Transport>,
    faults: Mutex<VecDeque<Fault>>,
}

impl FaultTransport {
    pub(super) fn new(inner: Arc<dyn Transport>, faults: impl IntoIterator<Item = Fault>) -> Self {
        Self {
            inner,
            faults: Mutex::new(faults.into_iter().collect()),
        }
    }
}

#[async_trait]
impl Transport for FaultTransport {
    async fn send(
        &self,
        request: &Request,
        deadline: Instant,
    ) -> Result<RawResponse, TransportCause> {
        let fault = self
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        match fault {
            None => self.inner.send(request, deadline).await,
            Some(Fault::Reset) => Err(TransportCause::new(TransportFailure::Truncated)),
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Truncated) => {
                let mut response = self.inner.send(request, deadline).await?;
                response.body.truncate(response.body.len() / 2);
                Ok(response)
            }
        }
    }

    async fn connect(&self, url: &Url) {
        self.inner.connect(url).await;
    }

    fn reload_trust(&self) {
        self.inner.reload_trust();
    }
}

impl fmt::Debug for FaultTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultTransport")
    }
}
