//! The handle: a pretend cloud that runs, what it is asked to do, and what it saw.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::clouds::azure::metadata::{APP_SERVICE_PATH, ARC_PATH};
use crate::clouds::azure::world::World;
use crate::engine::builder::{SimulatorBuilder, StartError, place};
use crate::engine::fault::Fault;
use crate::engine::message::Operation;
use crate::engine::record::{self, Door, SeenRequest};
use crate::engine::state::State;

/// Whom the tokens are for that clients should ask for.
const AUDIENCE: &str = "https://management.azure.com/";

/// A pretend cloud with open doors; it ends, and frees its ports, when this is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use cloud_autojoin_simulator::{Simulator, world::World};
/// let simulator = Simulator::start(World::shipped("nomad-consul")?).await?;
/// println!("provider=azure {} ...", simulator.join_settings());
/// assert!(simulator.requests().is_empty());
/// simulator.finish();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Simulator {
    pub(crate) state: Arc<State>,
    pub(crate) addresses: [Option<SocketAddr>; 4],
    pub(crate) ca_file: PathBuf,
    pub(crate) strict: bool,
    /// Goes, with what is in it, when the simulator does.
    pub(crate) _temporary: TempDir,
}

impl Simulator {
    /// Starts with all doors open on ports that the system chooses.
    ///
    /// # Errors
    ///
    /// As [`SimulatorBuilder::start`].
    pub async fn start(world: World) -> Result<Self, StartError> {
        Self::builder(world).start().await
    }

    /// Starts with choices. Faults of the world file are in force from the start.
    pub fn builder(world: World) -> SimulatorBuilder {
        SimulatorBuilder::new(world)
    }

    fn port(&self, door: Door) -> u16 {
        self.addresses[place(door)].map_or(0, |address| address.port())
    }

    /// `http://127.0.0.1:PORT` of ARM; port 0 when that door is closed, here and below.
    pub fn arm_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port(Door::Arm))
    }

    /// `https://localhost:PORT` of Entra ID, with a certificate of [`Simulator::ca_pem`] for `localhost` and the loopback addresses.
    pub fn authority_host(&self) -> String {
        format!("https://localhost:{}", self.port(Door::Authority))
    }

    /// `http://127.0.0.1:PORT` in place of `http://169.254.169.254`.
    pub fn metadata_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port(Door::Metadata))
    }

    /// What App Service sets as `IDENTITY_ENDPOINT`.
    pub fn app_service_endpoint(&self) -> String {
        format!("{}{APP_SERVICE_PATH}", self.metadata_endpoint())
    }

    /// What App Service sets as `IDENTITY_HEADER`.
    pub fn app_service_header(&self) -> &str {
        &self.state.identity_header
    }

    /// What the agent of Azure Arc sets as `IDENTITY_ENDPOINT`.
    pub fn arc_endpoint(&self) -> String {
        format!("{}{ARC_PATH}", self.metadata_endpoint())
    }

    /// Where the Azure Arc endpoint puts its key files.
    pub fn arc_keys(&self) -> &Path {
        &self.state.arc_keys
    }

    /// `http://127.0.0.1:PORT` for `HTTPS_PROXY` and `HTTP_PROXY`: the clouds' own hosts are pretended behind it, others get 502.
    pub fn proxy_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port(Door::Proxy))
    }

    /// The certificate of the authority, in PEM.
    pub fn ca_pem(&self) -> &str {
        self.state.authority.pem()
    }

    /// The file with that certificate, for `SSL_CERT_FILE` and the like.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The keys that turn a join string for Azure into one for this simulator:
    /// `arm_endpoint=http://127.0.0.1:PORT authority_host=https://localhost:PORT metadata_endpoint=http://127.0.0.1:PORT audience=https://management.azure.com/`.
    ///
    /// A client must be told the audience: it should not send tokens for Azure to any other host.
    /// The certificate of the authority must be trusted beside.
    pub fn join_settings(&self) -> String {
        format!(
            "arm_endpoint={} authority_host={} metadata_endpoint={} audience={AUDIENCE}",
            self.arm_endpoint(),
            self.authority_host(),
            self.metadata_endpoint()
        )
    }

    /// Looks at the world, or changes it between two requests; everything asked afterwards sees the change.
    pub fn with_world<Answer>(&self, act: impl FnOnce(&mut World) -> Answer) -> Answer {
        let mut world = self.state.world.write().unwrap_or_else(PoisonError::into_inner);
        act(&mut world)
    }

    /// Adds a fault behind those in force.
    pub fn add_fault(&self, fault: Fault) {
        self.state.faults.add(fault);
    }

    /// Ends all faults, the world's too.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// Makes every answer from now on take this long, by tokio's clock; operations with a latency of their own keep it.
    pub fn set_latency(&self, latency: Duration) {
        self.state.latency.lock().unwrap_or_else(PoisonError::into_inner).every = latency;
    }

    /// Makes answers to `operation` from now on take this long.
    pub fn set_latency_of(&self, operation: Operation, latency: Duration) {
        self.state.latency.lock().unwrap_or_else(PoisonError::into_inner).by_operation.insert(operation, latency);
    }

    /// How long tokens issued from now on are good, by tokio's clock. Unless told: 3,599 s for applications, 86,399 s for managed identities.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.state.tokens.set_lifetime(lifetime);
    }

    /// Makes all tokens issued so far expired: ARM refuses them with 401.
    pub fn expire_tokens(&self) {
        self.state.tokens.expire_all();
    }

    /// All requests since the start or the last [`Simulator::reset_record`], in the order of arrival.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.state.record.requests()
    }

    /// How often `operation` was asked for, retries and refused requests included.
    pub fn count(&self, operation: Operation) -> usize {
        self.requests().iter().filter(|request| request.operation == operation).count()
    }

    /// The requests to ARM, whichever way they came in.
    pub fn arm_requests(&self) -> Vec<SeenRequest> {
        self.requests().into_iter().filter(|request| request.door == Door::Arm).collect()
    }

    /// The requests that nothing in the world serves, and those for hosts that are not pretended.
    pub fn unexpected(&self) -> Vec<SeenRequest> {
        self.requests().into_iter().filter(|request| request.operation == Operation::Unexpected).collect()
    }

    /// The length of the longest chain of requests to `door` each of which arrived after the one before had been answered.
    ///
    /// Without latency requests that were sent side by side may be answered one after another; with some, which costs no time
    /// under the paused clock, this is what a client waits for.
    pub fn sequential_depth(&self, door: Door) -> usize {
        record::sequential_depth(self.requests().iter().filter(|request| request.door == door))
    }

    /// The same over all doors: what a client waits for from beginning to end.
    pub fn sequential_depth_of_all(&self) -> usize {
        record::sequential_depth(self.requests().iter())
    }

    /// Forgets the requests seen so far.
    pub fn reset_record(&self) {
        self.state.record.reset();
    }

    /// A line for each operation asked: how often, at which door, with which statuses.
    pub fn summary(&self) -> String {
        record::summary(&self.requests())
    }

    /// Ends the simulator.
    ///
    /// # Panics
    ///
    /// When it saw a request that it does not serve, or panicked itself while it answered one. A client that gets an error may go on as if nothing was;
    /// the test that started it should not.
    #[track_caller]
    pub fn finish(mut self) {
        self.strict = false;
        if let Some(complaint) = self.complaint() {
            panic!("{complaint}");
        }
    }

    fn complaint(&self) -> Option<String> {
        self.state.reap_tasks();
        let panics = self.state.record.panics().into_iter().map(|words| format!("  panic: {words}"));
        let unexpected = self.unexpected().into_iter().map(|request| format!("  unexpected: {request}"));
        let lines: Vec<String> = panics.chain(unexpected).collect();
        (!lines.is_empty()).then(|| format!("the simulator saw what it should not:\n{}", lines.join("\n")))
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let complaint = if self.strict { self.complaint() } else { None };
        self.state.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        if let Some(complaint) = complaint.filter(|_| !std::thread::panicking()) {
            panic!("{complaint}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    #[should_panic(expected = "panic: a door broke")]
    async fn a_panic_behind_a_door_fails_the_test() {
        let simulator = Simulator::start(World::shipped("uniform").unwrap()).await.unwrap();
        simulator.state.spawn(async { panic!("a door broke") });
        tokio::task::yield_now().await;
        simulator.finish();
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let world = || World::shipped("uniform").unwrap();
        let first = Simulator::start(world()).await.unwrap();
        let port = first.port(Door::Metadata);
        let error = Simulator::builder(world()).port(Door::Metadata, port).start().await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot open the metadata door on 127.0.0.1:{port}"));
        assert!(std::error::Error::source(&error).is_some());
    }
}
