//! Finds out which peers accept connections, before an agent joins one.
//!
//! Agents join one address at a time, anyone who calls: Serf holds a lock for it. An address that
//! swallows packets costs a Consul agent 10 s and a Nomad server 30 s, and a caller that hangs up
//! doesn't end the attempt. The sidecar's own connections block nothing and can be cancelled,
//! so it attempts several at a time.

use std::fmt;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin::{Clock, Host};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;

/// How long a peer has to accept a connection: a lost SYN is sent again after 1 s.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How much later the next attempt starts while the ones before are undecided, as in RFC 8305. It
/// keeps connections to further peers few: each one that is opened and closed is a line in the
/// peer's log.
const STAGGER: Duration = Duration::from_millis(100);

/// In how much time all attempts are started at the latest; the stagger of long lists is shorter.
const ALL_STARTED: Duration = Duration::from_secs(5);

/// How many attempts there are at a time.
const MAX_CONCURRENT: usize = 128;

/// Opens connections to peers.
#[async_trait]
pub(crate) trait Dialer: fmt::Debug + Send + Sync {
    /// Opens a TCP connection and closes it.
    ///
    /// # Errors
    ///
    /// The peer can't be reached, or refuses.
    async fn dial(&self, host: &Host, port: u16) -> io::Result<()>;
}

/// The network of this machine.
#[derive(Debug)]
pub(crate) struct TcpDialer;

#[async_trait]
impl Dialer for TcpDialer {
    async fn dial(&self, host: &Host, port: u16) -> io::Result<()> {
        match host {
            Host::Ip(ip) => TcpStream::connect((*ip, port)).await,
            Host::Name(name) => TcpStream::connect((name.as_str(), port)).await,
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
        .map(drop)
    }
}

/// The result of a probe.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Probed {
    /// The first that accepted a connection.
    pub(super) reachable: Option<usize>,
    /// Those that refused at once: the machine is up and the agent isn't.
    pub(super) refused: Vec<usize>,
}

/// Looks for the first of `targets` that accepts a connection. They are tried in this order, the
/// next as soon as the one before has failed or is late.
pub(super) async fn probe(dialer: &dyn Dialer, targets: &[(&Host, u16)], clock: &Clock) -> Probed {
    let stagger =
        STAGGER.min(ALL_STARTED / u32::try_from(targets.len().max(1)).unwrap_or(u32::MAX));
    let (mut probed, mut attempts, mut waiting) = (
        Probed::default(),
        FuturesUnordered::new(),
        targets.iter().enumerate(),
    );
    loop {
        let next = if attempts.len() < MAX_CONCURRENT {
            waiting.next()
        } else {
            None
        };
        let is_started = next.is_some();
        if let Some((index, (host, port))) = next {
            attempts.push(async move {
                let outcome = tokio::select! {
                    outcome = dialer.dial(host, *port) => outcome,
                    () = clock.sleep(PROBE_TIMEOUT) => Err(io::ErrorKind::TimedOut.into()),
                };
                (index, outcome)
            });
        }
        let pause = async {
            // No attempt was started: none is left, or the limit is reached.
            if is_started {
                clock.sleep(stagger).await
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            done = attempts.next() => match done {
                None => return probed,
                Some((index, Ok(()))) => {
                    probed.reachable = Some(index);
                    return probed;
                }
                Some((index, Err(error))) if error.kind() == io::ErrorKind::ConnectionRefused => probed.refused.push(index),
                Some(_) => {}
            },
            () = pause => {}
        }
    }
}

/// Those of `targets` that don't respond within `limit`, by their positions. A refusal is a
/// response.
pub(crate) async fn silent(
    dialer: &dyn Dialer,
    targets: Vec<(Host, u16)>,
    limit: Duration,
    clock: &Clock,
) -> Vec<usize> {
    let attempts = targets
        .into_iter()
        .enumerate()
        .map(|(index, (host, port))| async move {
            let responds = tokio::select! {
                outcome = dialer.dial(&host, port) => outcome.map_or_else(
                    |error| error.kind() == io::ErrorKind::ConnectionRefused,
                    |()| true,
                ),
                () = clock.sleep(limit) => false,
            };
            (!responds).then_some(index)
        });
    futures::stream::iter(attempts)
        .buffer_unordered(MAX_CONCURRENT)
        .filter_map(std::future::ready)
        .collect()
        .await
}
