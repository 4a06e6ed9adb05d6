//! The handle of a running simulator.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::fault::Fault;
use super::record::{self, SeenRequest};
use super::service::{Endpoint, Operation, Service};
use super::state::State;

/// A simulator with open endpoints; it ends, and frees its ports, when this is dropped.
pub struct Simulator<S: Service> {
    pub(crate) state: Arc<State<S>>,
    pub(crate) addresses: BTreeMap<S::Endpoint, SocketAddr>,
    pub(crate) ca_file: PathBuf,
    pub(crate) strict: bool,
    /// A directory that is deleted with the simulator.
    pub(crate) _temporary: TempDir,
}

impl<S: Service> std::fmt::Debug for Simulator<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Simulator")
            .field("addresses", &self.addresses)
            .field("ca_file", &self.ca_file)
            .finish_non_exhaustive()
    }
}

impl<S: Service> Simulator<S> {
    pub(crate) fn service(&self) -> &S {
        &self.state.service
    }

    /// The port of `endpoint`; 0 when that is closed, here and in the URLs.
    pub fn port(&self, endpoint: S::Endpoint) -> u16 {
        self.addresses.get(&endpoint).map_or(0, SocketAddr::port)
    }

    /// The URL of `endpoint`: `http://127.0.0.1:PORT`, or `https://localhost:PORT` with a
    /// certificate of [`Simulator::ca_pem`] for `localhost` and the loopback addresses.
    pub fn url(&self, endpoint: S::Endpoint) -> String {
        let host = match endpoint.scheme() {
            super::service::Scheme::Http => "127.0.0.1",
            super::service::Scheme::Https => "localhost",
        };
        format!(
            "{}://{host}:{}",
            endpoint.scheme().as_str(),
            self.port(endpoint)
        )
    }

    /// `http://127.0.0.1:PORT` for `HTTPS_PROXY` and `HTTP_PROXY`: the services have their real
    /// host names behind it, any other host gets 502.
    pub fn proxy_endpoint(&self) -> String {
        self.url(S::Endpoint::PROXY)
    }

    /// The certificate of the authority, in PEM.
    pub fn ca_pem(&self) -> &str {
        self.state.authority.pem()
    }

    /// The file with that certificate, for `SSL_CERT_FILE` and the like.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Adds a fault after the active ones.
    pub fn add_fault(&self, fault: Fault<S::Endpoint, S::Operation>) {
        self.state.faults.add(fault);
    }

    /// Removes all faults, including those from the start.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// Sets the latency of every reply from now on, by tokio's clock; operations with their own
    /// latency keep it.
    pub fn set_latency(&self, latency: Duration) {
        self.state
            .latency
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .every = latency;
    }

    /// Sets the latency of replies to `operation` from now on.
    pub fn set_latency_of(&self, operation: S::Operation, latency: Duration) {
        self.state
            .latency
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .by_operation
            .insert(operation, latency);
    }

    /// All requests since the start or the last [`Simulator::reset_record`], in the order of
    /// arrival.
    pub fn requests(&self) -> Vec<SeenRequest<S::Endpoint, S::Operation>> {
        self.state.record.requests()
    }

    /// How often `operation` was requested, including retries and failed requests.
    pub fn count(&self, operation: S::Operation) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.operation == operation)
            .count()
    }

    /// The unknown requests, and those for hosts that aren't simulated.
    pub fn unexpected_requests(&self) -> Vec<SeenRequest<S::Endpoint, S::Operation>> {
        self.requests()
            .into_iter()
            .filter(|request| request.operation == S::Operation::unexpected())
            .collect()
    }

    /// The length of the longest chain of requests to `endpoint` each of which arrived after the
    /// previous one had its response.
    ///
    /// Without latency requests that were sent in parallel may be served one after another; with
    /// some, which costs no time under the paused clock, this is what a client waits for.
    pub fn sequential_depth(&self, endpoint: S::Endpoint) -> usize {
        record::sequential_depth(
            self.requests()
                .iter()
                .filter(|request| request.endpoint == endpoint),
        )
    }

    /// The same over all endpoints: the number of sequential round trips of a client.
    pub fn sequential_depth_of_all(&self) -> usize {
        record::sequential_depth(self.requests().iter())
    }

    /// Removes the recorded requests.
    pub fn reset_record(&self) {
        self.state.record.reset();
    }

    /// A line for each operation requested: how often, at which endpoint, with which statuses.
    pub fn summary(&self) -> String {
        record::summary(&self.requests())
    }

    /// Ends the simulator.
    ///
    /// # Panics
    ///
    /// After an unknown request, or a panic while handling one. A client may ignore the error
    /// response; the test should not.
    #[track_caller]
    pub fn finish(mut self) {
        self.strict = false;
        if let Some(report) = self.unexpected_report() {
            panic!("{report}");
        }
    }

    fn unexpected_report(&self) -> Option<String> {
        self.state.reap_tasks();
        let panics = self
            .state
            .record
            .panics()
            .into_iter()
            .map(|words| format!("  panic: {words}"));
        let unexpected = self
            .unexpected_requests()
            .into_iter()
            .map(|request| format!("  unexpected: {request}"));
        let lines: Vec<String> = panics.chain(unexpected).collect();
        (!lines.is_empty()).then(|| {
            format!(
                "the simulator saw what it should not:\n{}",
                lines.join("\n")
            )
        })
    }
}

impl<S: Service> Drop for Simulator<S> {
    fn drop(&mut self) {
        let report = if self.strict {
            self.unexpected_report()
        } else {
            None
        };
        self.state
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
        if let Some(report) = report.filter(|_| !std::thread::panicking()) {
            panic!("{report}");
        }
    }
}
