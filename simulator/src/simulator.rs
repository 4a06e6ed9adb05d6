//! The handle: a pretend cloud that runs, what it is asked to do, and what it saw.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::door;
use crate::door::tls::Authority;
use crate::fault::{Fault, Faults};
use crate::hosts;
use crate::message::Operation;
use crate::metadata::{APP_SERVICE_PATH, ARC_PATH};
use crate::record::{self, Door, Record, SeenRequest};
use crate::state::{Latency, State};
use crate::token::Tokens;
use crate::world::World;

/// Why a simulator cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port cannot be had.
    #[error("cannot open the {door} door on 127.0.0.1:{port}: {source}")]
    Door {
        /// The door.
        door: Door,
        /// The port asked for; 0 stands for any.
        port: u16,
        /// The system's word.
        source: io::Error,
    },
    /// The certificate of the authority cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// No certificate or no TLS.
    #[error("cannot make the certificate authority: {0}")]
    Tls(String),
}

/// What a simulator is started with: which doors on which ports, where its files go.
///
/// All doors are open, on ports that the system chooses, unless told otherwise.
#[derive(Debug)]
#[must_use]
pub struct SimulatorBuilder {
    world: World,
    doors: Vec<Door>,
    ports: [u16; 4],
    directory: Option<PathBuf>,
    arc_keys: Option<PathBuf>,
    latency: Duration,
    faults: Vec<Fault>,
    strict: bool,
}

const DOORS: [Door; 4] = [Door::Arm, Door::Authority, Door::Metadata, Door::Proxy];

impl SimulatorBuilder {
    /// Opens only these doors.
    pub fn doors(mut self, doors: &[Door]) -> Self {
        self.doors = doors.to_vec();
        self
    }

    /// Opens `door` on this port of 127.0.0.1.
    pub fn port(mut self, door: Door, port: u16) -> Self {
        self.ports[place(door)] = port;
        self
    }

    /// Writes the certificate of the authority as `ca.pem` into this directory, which is made where it is missing and left when the simulator ends.
    /// Without it a temporary directory serves, and goes.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Puts the key files of the Azure Arc endpoint into this directory, which must be there: clients take keys from one place only.
    pub fn arc_keys(mut self, directory: impl Into<PathBuf>) -> Self {
        self.arc_keys = Some(directory.into());
        self
    }

    /// Makes every answer take this long.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Starts with this fault in force, behind those of the world.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Makes the end of the simulator a panic when it saw something unexpected, as [`Simulator::finish`] does; a test need not call that then.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Opens the doors. They are served on the tokio runtime that this is called on.
    ///
    /// # Errors
    ///
    /// A port is taken, or a file cannot be written.
    pub async fn start(self) -> Result<Simulator, StartError> {
        let clock = Clock::start();
        let authority = Arc::new(Authority::new(clock, hosts::has_certificate).map_err(|error| StartError::Tls(chain(&error)))?);
        let acceptor = authority.acceptor().map_err(|error| StartError::Tls(chain(&error)))?;
        let temporary = TempDir::with_prefix("discover-sim-").map_err(|source| StartError::File { path: std::env::temp_dir(), source })?;
        let directory = self.directory.unwrap_or_else(|| temporary.path().to_owned());
        let ca_file = directory.join("ca.pem");
        std::fs::create_dir_all(&directory)
            .and_then(|()| std::fs::write(&ca_file, authority.pem()))
            .map_err(|source| StartError::File { path: ca_file.clone(), source })?;

        let tokens = Tokens::new(clock);
        let state = Arc::new(State {
            clock,
            faults: Faults::default(),
            latency: Mutex::new(Latency { every: self.latency, ..Latency::default() }),
            record: Record::default(),
            authority,
            acceptor,
            arc_keys: self.arc_keys.unwrap_or_else(|| temporary.path().to_owned()),
            arc_challenges: Mutex::default(),
            identity_header: tokens.fresh_guid(),
            connections: AtomicU64::new(0),
            tasks: Mutex::new(JoinSet::new()),
            tokens,
            world: RwLock::new(self.world),
        });
        for fault in self.faults {
            state.faults.add(fault);
        }
        let mut simulator = Simulator { state, addresses: [None; 4], ca_file, strict: self.strict, _temporary: temporary };
        for door in self.doors {
            let port = self.ports[place(door)];
            let address = door::open(&simulator.state, door, port).await.map_err(|source| StartError::Door { door, port, source })?;
            simulator.addresses[place(door)] = Some(address);
        }
        Ok(simulator)
    }
}

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
    state: Arc<State>,
    addresses: [Option<SocketAddr>; 4],
    ca_file: PathBuf,
    strict: bool,
    _temporary: TempDir,
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
        let faults = world.faults().to_vec();
        SimulatorBuilder { world, doors: DOORS.to_vec(), ports: [0; 4], directory: None, arc_keys: None, latency: Duration::ZERO, faults, strict: false }
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
    /// `arm_endpoint=http://127.0.0.1:PORT authority_host=https://localhost:PORT metadata_endpoint=http://127.0.0.1:PORT`.
    /// The certificate of the authority must be trusted beside.
    pub fn join_settings(&self) -> String {
        format!("arm_endpoint={} authority_host={} metadata_endpoint={}", self.arm_endpoint(), self.authority_host(), self.metadata_endpoint())
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

fn place(door: Door) -> usize {
    match door {
        Door::Arm => 0,
        Door::Authority => 1,
        Door::Metadata => 2,
        Door::Proxy => 3,
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
