//! How a simulator is started: which doors, on which ports, where its files go.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use rcgen::KeyPair;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::tls::Authority;
use super::{endpoint, key_file};
use crate::clouds::azure::hosts;
use crate::clouds::azure::token::Tokens;
use crate::clouds::azure::world::World;
use crate::engine::clock::Clock;
use crate::engine::fault::{Fault, Faults};
use crate::engine::record::{Door, Record};
use crate::engine::simulator::Simulator;
use crate::engine::state::{Latency, State};

/// Why a simulator cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port cannot be had.
    #[error("cannot open the {door} door on 127.0.0.1:{port}")]
    Door {
        /// The door.
        door: Door,
        /// The port asked for; 0 stands for any.
        port: u16,
        /// The system's word.
        source: io::Error,
    },
    /// The certificate of the authority, or its key, can't be written or used.
    #[error("cannot use {path}", path = path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// No certificate or no TLS.
    #[error("cannot make the certificate authority")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
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

/// All doors, each in its place.
const DOORS: [Door; 4] = [Door::Arm, Door::Authority, Door::Metadata, Door::Proxy];

impl SimulatorBuilder {
    pub(crate) fn new(world: World) -> Self {
        let faults = world.faults().to_vec();
        Self { world, doors: DOORS.to_vec(), ports: [0; 4], directory: None, arc_keys: None, latency: Duration::ZERO, faults, strict: false }
    }

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

    /// Keeps the certificate authority in this directory, which is created if it is missing:
    /// `ca.pem` is its certificate, `ca.key` its private key (mode 0600). The next simulator with
    /// the same directory uses the same key, so clients that trust `ca.pem` go on to do so.
    /// By default both are temporary.
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
        let temporary = TempDir::with_prefix("discover-sim-").map_err(|source| StartError::File { path: std::env::temp_dir(), source })?;
        let problem = |path: &Path| {
            let path = path.to_owned();
            |source| StartError::File { path, source }
        };
        let (directory, key) = match &self.directory {
            None => (temporary.path(), KeyPair::generate().map_err(|error| StartError::Tls(error.into()))?),
            Some(directory) => {
                std::fs::create_dir_all(directory).map_err(problem(directory))?;
                let file = directory.join("ca.key");
                (directory.as_path(), key_file::read_or_create(&file).map_err(problem(&file))?)
            }
        };
        let ca_file = directory.join("ca.pem");
        let authority = Arc::new(Authority::new(clock, key, hosts::has_certificate).map_err(|error| StartError::Tls(error.into()))?);
        let acceptor = authority.acceptor().map_err(|error| StartError::Tls(error.into()))?;
        std::fs::write(&ca_file, authority.pem()).map_err(problem(&ca_file))?;

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
            let address = endpoint::open(&simulator.state, door, port).await.map_err(|source| StartError::Door { door, port, source })?;
            simulator.addresses[place(door)] = Some(address);
        }
        Ok(simulator)
    }
}

/// Where a door stands among the four.
pub(crate) fn place(door: Door) -> usize {
    match door {
        Door::Arm => 0,
        Door::Authority => 1,
        Door::Metadata => 2,
        Door::Proxy => 3,
    }
}
