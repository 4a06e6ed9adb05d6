//! Azure: Resource Manager, Microsoft Entra ID and instance metadata, from a world in memory.
//!
//! `dispatch` checks the token and hands each request to [`arm`], `entra` or `metadata`; `fault`
//! has the errors that faults make. `operation` names the requests of clients.

pub mod arm;
mod dispatch;
mod entra;
mod fault;
mod hosts;
mod metadata;
mod operation;
mod simulator;
mod token;
pub mod world;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::engine;
use crate::engine::clock::Clock;
pub use crate::engine::fault::{FaultAction, FaultBody, FaultError, RetryAfter};
pub use crate::engine::message::Request;
use crate::engine::service::{FaultContext, Scheme, Service};
pub use operation::{Endpoint, Operation};
use token::Tokens;
use world::World;

/// A simulated Azure.
pub type Simulator = engine::simulator::Simulator<Azure>;
/// The builder of a simulated Azure.
pub type SimulatorBuilder = engine::builder::SimulatorBuilder<Azure>;
/// A rule that breaks Azure's replies.
pub type Fault = engine::fault::Fault<Endpoint, Operation>;
/// One request to Azure as the simulator saw it.
pub type SeenRequest = engine::record::SeenRequest<Endpoint, Operation>;
/// A reply of Azure.
pub type Reply = engine::message::Reply<Operation>;
type Handled = engine::message::Handled<Operation>;

/// Azure, as the engine serves it.
pub struct Azure {
    clock: Clock,
    world: RwLock<World>,
    tokens: Tokens,
    /// The directory of the key files of the Azure Arc endpoint.
    arc_keys: Option<PathBuf>,
    /// Keys of challenges that no request has used yet.
    arc_challenges: Mutex<Vec<String>>,
    /// The value that App Service expects in `X-IDENTITY-HEADER`.
    identity_header: String,
}

impl std::fmt::Debug for Azure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Azure").finish_non_exhaustive()
    }
}

impl Azure {
    fn new(world: World, clock: Clock) -> Self {
        let tokens = Tokens::new(clock);
        Self {
            clock,
            world: RwLock::new(world),
            arc_keys: None,
            arc_challenges: Mutex::default(),
            identity_header: tokens.fresh_guid(),
            tokens,
        }
    }

    fn arc_keys(&self) -> &Path {
        self.arc_keys.as_deref().unwrap_or_else(|| Path::new(""))
    }
}

impl Service for Azure {
    type Endpoint = Endpoint;
    type Operation = Operation;

    fn prepare(&mut self, directory: &Path) {
        self.arc_keys.get_or_insert_with(|| directory.to_owned());
    }

    fn route(&self, scheme: Scheme, host: &str) -> Option<Endpoint> {
        let (endpoint, _) = hosts::service(host)?;
        // Only the metadata service speaks plain http in the cloud.
        let own_scheme = if endpoint == Endpoint::Metadata {
            Scheme::Http
        } else {
            Scheme::Https
        };
        (scheme == own_scheme).then_some(endpoint)
    }

    fn handle(&self, endpoint: Endpoint, host: Option<&str>, request: &Request) -> Handled {
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        let cloud = host.and_then(hosts::service).and_then(|(_, cloud)| cloud);
        dispatch::handle(self, &world, endpoint, cloud, request)
    }

    fn error_body(&self, status: StatusCode, context: FaultContext<'_, Endpoint>) -> Value {
        fault::json_body(status, context)
    }

    fn error_page(&self) -> &'static str {
        fault::UNAVAILABLE
    }

    fn challenge(&self, endpoint: Endpoint) -> Option<&'static str> {
        (endpoint == Endpoint::Arm).then_some(fault::CHALLENGE)
    }

    fn with_next_page(&self, page: &Bytes, url: &str) -> Option<Bytes> {
        fault::with_next_link(page, url)
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        if let Ok(id) = HeaderValue::from_str(&self.tokens.fresh_guid()) {
            headers
                .entry(HeaderName::from_static("x-ms-request-id"))
                .or_insert(id);
        }
    }
}
