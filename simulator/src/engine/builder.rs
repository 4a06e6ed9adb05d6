//! The builder of a simulator: endpoints, ports, directories.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::KeyPair;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::clock::Clock;
use super::fault::{Fault, Faults};
use super::record::Record;
use super::service::{Endpoint, Scheme, Service};
use super::simulator::Simulator;
use super::state::{Latency, State};
use super::tls::Authority;
use super::{endpoint, key_file};

/// Why a simulator can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port can't be opened.
    #[error("cannot open the {endpoint} endpoint on 127.0.0.1:{port}")]
    Endpoint {
        /// The name of the endpoint.
        endpoint: String,
        /// The port requested; 0 means any.
        port: u16,
        /// The cause.
        source: io::Error,
    },
    /// The certificate of the authority, or its key, can't be written or used.
    #[error("cannot use {path}", path = path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// No certificate or no TLS.
    #[error("cannot make the certificate authority")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Builds a simulator: its endpoints, ports and directories.
///
/// By default all endpoints are open, on ports that the system chooses.
#[must_use]
pub struct SimulatorBuilder<S: Service> {
    clock: Clock,
    pub(crate) service: S,
    endpoints: Vec<S::Endpoint>,
    ports: BTreeMap<S::Endpoint, u16>,
    directory: Option<PathBuf>,
    latency: Duration,
    faults: Vec<Fault<S::Endpoint, S::Operation>>,
    strict: bool,
}

impl<S: Service> std::fmt::Debug for SimulatorBuilder<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SimulatorBuilder")
            .field("endpoints", &self.endpoints)
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}

impl<S: Service> SimulatorBuilder<S> {
    /// A simulator of the service that `service` makes with the simulator's clock.
    pub(crate) fn new(service: impl FnOnce(Clock) -> S) -> Self {
        let clock = Clock::start();
        Self {
            clock,
            service: service(clock),
            endpoints: S::Endpoint::ALL.to_vec(),
            ports: BTreeMap::new(),
            directory: None,
            latency: Duration::ZERO,
            faults: Vec::new(),
            strict: false,
        }
    }

    /// Opens only these endpoints.
    pub fn endpoints(mut self, endpoints: &[S::Endpoint]) -> Self {
        self.endpoints = endpoints.to_vec();
        self
    }

    /// Opens `endpoint` on this port of 127.0.0.1.
    pub fn port(mut self, endpoint: S::Endpoint, port: u16) -> Self {
        self.ports.insert(endpoint, port);
        self
    }

    /// Keeps the certificate authority in this directory, which is created if it is missing:
    /// `ca.pem` is its certificate, `ca.key` its private key (mode 0600). The next simulator with
    /// the same directory uses the same key, so clients that trust `ca.pem` still trust it.
    /// By default both are temporary.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Makes every reply take this long.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Adds a fault that is active from the start.
    pub fn fault(mut self, fault: Fault<S::Endpoint, S::Operation>) -> Self {
        self.faults.push(fault);
        self
    }

    /// Makes dropping the simulator panic after an unexpected request, as [`Simulator::finish`]
    /// does, so that a test need not call it.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Opens the endpoints. They are served on the tokio runtime that this is called on.
    ///
    /// # Errors
    ///
    /// A port is taken, or a file can't be written.
    pub async fn start(mut self) -> Result<Simulator<S>, StartError> {
        let clock = self.clock;
        let temporary =
            TempDir::with_prefix("discover-sim-").map_err(|source| StartError::File {
                path: std::env::temp_dir(),
                source,
            })?;
        self.service.prepare(temporary.path());
        let service = Arc::new(self.service);
        let problem = |path: &Path| {
            let path = path.to_owned();
            |source| StartError::File { path, source }
        };
        let (directory, key) = match &self.directory {
            None => (
                temporary.path(),
                KeyPair::generate().map_err(|error| StartError::Tls(error.into()))?,
            ),
            Some(directory) => {
                std::fs::create_dir_all(directory).map_err(problem(directory))?;
                let file = directory.join("ca.key");
                (
                    directory.as_path(),
                    key_file::read_or_create(&file).map_err(problem(&file))?,
                )
            }
        };
        let ca_file = directory.join("ca.pem");
        let routed = Arc::clone(&service);
        let has_host = move |host: &str| routed.route(Scheme::Https, host).is_some();
        let authority = Arc::new(
            Authority::new(clock, key, has_host).map_err(|error| StartError::Tls(error.into()))?,
        );
        let acceptor = authority
            .acceptor()
            .map_err(|error| StartError::Tls(error.into()))?;
        std::fs::write(&ca_file, authority.pem()).map_err(problem(&ca_file))?;

        let state = Arc::new(State {
            clock,
            service,
            faults: Faults::default(),
            latency: Mutex::new(Latency {
                every: self.latency,
                by_operation: std::collections::HashMap::new(),
            }),
            record: Record::default(),
            authority,
            acceptor,
            connections: AtomicU64::new(0),
            tasks: Mutex::new(JoinSet::new()),
        });
        for fault in self.faults {
            state.faults.add(fault);
        }
        let mut simulator = Simulator {
            state,
            addresses: BTreeMap::new(),
            ca_file,
            strict: self.strict,
            _temporary: temporary,
        };
        for endpoint in self.endpoints {
            let port = self.ports.get(&endpoint).copied().unwrap_or_default();
            let problem = |source| StartError::Endpoint {
                endpoint: endpoint.to_string(),
                port,
                source,
            };
            let address = endpoint::open(&simulator.state, endpoint, port)
                .await
                .map_err(problem)?;
            simulator.addresses.insert(endpoint, address);
        }
        Ok(simulator)
    }
}
