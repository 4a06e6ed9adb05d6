//! A sidecar that runs: the real binary, observed by its files and its status page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_autojoin_simulator::azure::Simulator;
use cloud_autojoin_simulator::azure::world::World;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// The identity of the world below, had from instance metadata: no TLS, so that starts are quick.
pub(crate) const IDENTITY: &str = "44444444-4444-4444-8444-444444444444";
const SUBSCRIPTION: &str = "22222222-2222-4222-8222-222222222222";

/// A world with a Flexible set `servers` whose instances have these addresses.
pub(crate) fn world(addresses: &[&str]) -> World {
    let is_loopback = addresses
        .first()
        .is_some_and(|address| address.starts_with("127."));
    world_in(
        if is_loopback {
            "127.0.0.0/24"
        } else {
            "10.0.1.0/24"
        },
        addresses,
    )
}

/// The same with room for instances to come: addresses are not used twice.
pub(crate) fn world_in(subnet: &str, addresses: &[&str]) -> World {
    let instances: String = addresses
        .iter()
        .map(|address| format!("[[resource_group.scale_set.instance]]\naddress = \"{address}\"\n"))
        .collect();
    World::from_toml(&format!(
        r#"
tenant_id = "11111111-1111-4111-8111-111111111111"
subscription_id = "{SUBSCRIPTION}"
[[principal]]
name = "identity"
kind = "user-assigned-identity"
client_id = "{IDENTITY}"
object_id = "44444444-aaaa-4444-8444-444444444444"
resource_id = "/subscriptions/{SUBSCRIPTION}/resourceGroups/cluster/providers/Microsoft.ManagedIdentity/userAssignedIdentities/identity"
[[resource_group]]
name = "cluster"
subnet = "{subnet}"
[[resource_group.scale_set]]
name = "servers"
{instances}
[machine]
resource_group = "cluster"
scale_set = "servers"
instance = 0
identities = ["identity"]
"#,
    ))
    .unwrap()
}

pub(crate) async fn simulator(addresses: &[&str]) -> Simulator {
    Simulator::start(world(addresses)).await.unwrap()
}

/// The join string for the set of [`world`].
pub(crate) fn join(simulator: &Simulator) -> String {
    format!(
        "provider=azure subscription_id={SUBSCRIPTION} resource_group=cluster vm_scale_set=servers client_id={IDENTITY} audience=https://management.azure.com/ metadata_endpoint={} arm_endpoint={}",
        simulator.metadata_endpoint(),
        simulator.arm_endpoint()
    )
}

/// A place for the files of one test.
pub(crate) struct Workspace(TempDir);

impl Workspace {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}

/// The command, before it starts; nothing of this process' environment reaches it but the way to
/// programs.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_discover"));
    command
        .arg("watch")
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        // Tests poll more often than the least interval allows.
        .env("DISCOVER_TEST_MIN_INTERVAL_MS", "1")
        // Nothing listens at its metadata endpoint, unless the join string sets
        // where.
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs it to its end: status, standard output, standard error.
pub(crate) async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(arguments).output().await.unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A sidecar at work.
pub(crate) struct Sidecar {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Sidecar {
    /// Starts it with the configuration file.
    pub(crate) fn start(config: &Path) -> Self {
        Self::spawn(command(&["--config", config.to_str().unwrap()]))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let log: Arc<Mutex<String>> = Arc::default();
        let (stderr, lines) = (child.stderr.take().unwrap(), Arc::clone(&log));
        tokio::spawn(async move {
            let mut stderr = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = stderr.next_line().await {
                let mut log = lines.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(
            Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap(),
            signal,
        )
        .unwrap();
    }

    /// Waits until the log has this.
    pub(crate) async fn logs(&self, text: &str) {
        until(
            &format!("the log to contain {text:?}"),
            || self.log().contains(text),
            || self.log(),
        )
        .await;
    }

    /// Where it serves its status: port 0 was requested, and the log has which it got.
    pub(crate) async fn address(&self) -> String {
        self.logs("serving the status").await;
        let log = self.log();
        let line = log
            .lines()
            .rfind(|line| line.contains("serving the status"))
            .unwrap();
        line.split("address=")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    }

    /// Gets the status page: status and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = get(&self.address().await, path).await;
        (status, body)
    }

    /// Ends it by SIGTERM: the status, and how long that took.
    pub(crate) async fn stop(mut self) -> (Option<i32>, Duration, String) {
        let started = Instant::now();
        self.signal(Signal::TERM);
        let status = self.child.wait().await.unwrap();
        (status.code(), started.elapsed(), self.log())
    }

    /// Waits for its end, which was requested already.
    pub(crate) async fn stop_status(mut self) -> Option<i32> {
        self.child.wait().await.unwrap().code()
    }

    /// Ends it by SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// One GET: status, head and body.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
        .await
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        head.to_owned(),
        body.to_owned(),
    )
}

/// Waits for something to come, or panics with the state. The limit is for a test that fails, not
/// for a slow machine.
pub(crate) async fn until(what: &str, mut there: impl FnMut() -> bool, state: impl Fn() -> String) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !there() {
        assert!(
            Instant::now() < deadline,
            "waited for {what}; the state:\n{}",
            state()
        );
        pause(Duration::from_millis(5)).await;
    }
}

/// Waits for a file to have this content.
pub(crate) async fn file_is(path: &Path, text: &str, sidecar: &Sidecar) {
    let read = || fs::read_to_string(path).unwrap_or_default();
    until(
        &format!("{} to contain {text:?}", path.display()),
        || read() == text,
        || format!("{}\n--- log\n{}", read(), sidecar.log()),
    )
    .await;
}

/// Other processes work by the real clock, so these tests look again a moment later; none waits for
/// a time to pass.
pub(crate) async fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "waits for another process")]
    tokio::time::sleep(duration).await;
}
