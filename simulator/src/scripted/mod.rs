//! Services without their own behaviour: recorded or written responses for matching requests.
//!
//! A [`Script`] lists them. Faults, latency, the forward proxy and the record of requests work as
//! for every simulated service, so an unchanged client of a small cloud can be tested with a file.

mod exchange;
mod script;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::builder::StartError;
use crate::engine::message::{Handled, Reply, Request};
use crate::engine::service::{self, FaultContext, Scheme, Service};
use crate::engine::{self, fault};

pub use script::{Script, ScriptError};

/// Simulated services that a script describes.
pub type Simulator = engine::simulator::Simulator<Script>;
/// The builder of such a simulator.
pub type SimulatorBuilder = engine::builder::SimulatorBuilder<Script>;
/// A fault rule for their responses.
pub type Fault = fault::Fault<Endpoint, Operation>;

/// The endpoints of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// All services, regardless of their hosts: for clients whose endpoint can be set.
    Service,
    /// The forward proxy.
    Proxy,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

impl service::Endpoint for Endpoint {
    const ALL: &'static [Self] = &[Self::Service, Self::Proxy];
    const PROXY: Self = Self::Proxy;

    fn scheme(self) -> Scheme {
        Scheme::Http
    }
}

/// The name that a script gives to a kind of request, or its method and path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Operation(Arc<str>);

impl From<String> for Operation {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl From<Operation> for String {
    fn from(operation: Operation) -> Self {
        operation.0.as_ref().to_owned()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl service::Operation for Operation {
    fn unexpected() -> Self {
        Self("unexpected".into())
    }
}

impl Simulator {
    /// Starts with all endpoints open on ports that the system chooses.
    ///
    /// # Errors
    ///
    /// As [`SimulatorBuilder::start`].
    pub async fn start(script: Script) -> Result<Self, StartError> {
        Self::builder(script).start().await
    }

    /// A builder.
    pub fn builder(script: Script) -> SimulatorBuilder {
        SimulatorBuilder::new(|_| script)
    }
}

impl Service for Script {
    type Endpoint = Endpoint;
    type Operation = Operation;

    fn route(&self, _: Scheme, host: &str) -> Option<Endpoint> {
        self.exchanges
            .iter()
            .any(|exchange| exchange.has_host(host))
            .then_some(Endpoint::Service)
    }

    fn handle(&self, _: Endpoint, host: Option<&str>, request: &Request) -> Handled<Operation> {
        let found = self
            .exchanges
            .iter()
            .find(|exchange| exchange.matches(host, request));
        let reply = found.map(|exchange| exchange.reply(request));
        reply
            .unwrap_or_else(|| {
                Reply::unexpected(
                    StatusCode::NOT_FOUND,
                    "no exchange of the script matches this request",
                )
            })
            .into()
    }

    fn error_body(&self, status: StatusCode, _: FaultContext<'_, Endpoint>) -> Value {
        self.error_body(status)
    }
}
