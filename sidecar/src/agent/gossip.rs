//! Joins the gossip pool of a Consul agent or Nomad server to the peers it lacks.
//!
//! One address a call and one call at a time, since agents handle joins one by one anyway. Peers
//! that accept a connection come first (`probe.rs`), so that those that don't can't delay them.
//! After each success the members are read again: gossip brings the others along with the first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin::http::Backoff;
use cloud_autojoin::{Address, Clock, Host, Instant};

use super::probe::{Dialer, probe};
use super::{Agent, AgentKind, JoinOutcome, Members, Peers, consul, nomad};
use crate::failure::Failure;
use crate::output::address_format;

/// The delays before a failed peer is given to the agent again. It is probed at each update
/// meanwhile.
const RETRY: Backoff = Backoff::new(Duration::from_secs(15), Duration::from_secs(600));

/// The state of a gossip pool between two updates.
#[derive(Debug)]
pub(super) struct GossipPool {
    dialer: Arc<dyn Dialer>,
    /// Joined peers, which may be members under another address: a name, a public address, a second
    /// interface.
    joined: BTreeSet<String>,
    /// The live members when they were last read.
    alive: BTreeSet<(IpAddr, Option<u16>)>,
    failed: BTreeMap<String, FailedJoin>,
    /// Until when the agent may still be working on a call that timed out.
    busy_until: Option<Instant>,
}

/// The last attempt to join a peer.
#[derive(Debug)]
struct FailedJoin {
    failure: Failure,
    attempts: u32,
    at: Instant,
    due: Instant,
    was_reachable: bool,
}

/// A peer that isn't a member, as it is given to the agent.
#[derive(Debug, Clone)]
struct Candidate {
    form: String,
    host: Host,
    port: u16,
}

/// The peer to join next.
struct Choice {
    candidate: Candidate,
    is_reachable: bool,
}

impl GossipPool {
    pub(super) fn new(dialer: Arc<dyn Dialer>) -> Self {
        Self {
            dialer,
            joined: BTreeSet::new(),
            alive: BTreeSet::new(),
            failed: BTreeMap::new(),
            busy_until: None,
        }
    }

    /// Joins the agent to the peers it lacks, until `is_outdated` returns true.
    pub(super) async fn update(
        &mut self,
        agent: &Agent,
        peers: Peers<'_>,
        clock: &Clock,
        is_outdated: &(dyn Fn() -> bool + Sync),
    ) -> Result<JoinOutcome, Failure> {
        let mut members = self.read_members(agent, clock).await?;
        let mut joined = Vec::new();
        // One attempt for each address and update, whatever the response.
        let mut attempted = BTreeSet::new();
        let (mut failed_blind, mut has_tried_all) = (false, false);
        while !self.is_busy(clock) && !is_outdated() {
            let Some(choice) = self
                .choose(agent, peers, &members, &attempted, clock, !failed_blind)
                .await
            else {
                has_tried_all = true;
                break;
            };
            let form = choice.candidate.form;
            let (started, limit) = (clock.now(), agent.kind.join_timeout());
            match join(agent, &form, clock).await {
                Ok(()) => {
                    self.failed.remove(&form);
                    members = self.read_members(agent, clock).await?;
                    self.joined.insert(form.clone());
                    joined.push(form.clone());
                }
                Err(failure) => {
                    let now = clock.now();
                    if now.saturating_duration_since(started) >= limit {
                        // The agent continues after the caller has closed the connection.
                        self.busy_until = Some(now + limit);
                    }
                    self.note_failure(form.clone(), failure, choice.is_reachable, now);
                    failed_blind |= !choice.is_reachable;
                }
            }
            attempted.insert(form);
        }
        let absent = self.absent(agent, peers.current, &members);
        let forms: BTreeSet<&str> = absent
            .iter()
            .map(|candidate| candidate.form.as_str())
            .collect();
        self.failed.retain(|form, _| forms.contains(form.as_str()));
        match self.failure(&absent, has_tried_all) {
            Some(failure) => {
                if !joined.is_empty() {
                    tracing::info!(
                        agent = agent.client.shown(),
                        joined = joined.join(" "),
                        "joined some peers"
                    );
                }
                Err(failure)
            }
            None if !joined.is_empty() => Ok(JoinOutcome::Joined(joined)),
            None if absent.is_empty() => Ok(JoinOutcome::UpToDate),
            None => Ok(JoinOutcome::Busy),
        }
    }

    /// Whether the agent may still be working on a call that timed out.
    fn is_busy(&self, clock: &Clock) -> bool {
        self.busy_until.is_some_and(|until| until > clock.now())
    }

    /// Reads the members. Forgets the joined peers when a member has gone or the agent was
    /// unreachable.
    async fn read_members(&mut self, agent: &Agent, clock: &Clock) -> Result<Members, Failure> {
        let members = match agent.kind {
            AgentKind::Consul { wan } => consul::members(agent, wan, clock).await,
            AgentKind::NomadServer | AgentKind::NomadClient => nomad::members(agent, clock).await,
        };
        let has_lost = members
            .as_ref()
            .is_ok_and(|members| !self.alive.is_subset(members.alive()));
        if members.is_err() || has_lost {
            self.joined.clear();
        }
        self.alive = members
            .as_ref()
            .map(|members| members.alive().clone())
            .unwrap_or_default();
        members
    }

    /// Those of `peers` that aren't members, neither by themselves nor by another address of their
    /// instance. Untried ones come first, then those with the oldest attempt.
    fn absent(&self, agent: &Agent, peers: &[Address], members: &Members) -> Vec<Candidate> {
        let is_known =
            |peer: &Address| members.has_alive(peer) || self.joined.contains(&form_of(agent, peer));
        let instances: BTreeSet<&str> = peers
            .iter()
            .filter(|peer| is_known(peer))
            .filter_map(|peer| peer.instance.as_deref())
            .collect();
        let port = agent
            .port
            .or_else(|| members.usual_port())
            .unwrap_or_else(|| agent.kind.gossip_port());
        let mut absent: Vec<Candidate> = peers
            .iter()
            .filter(|peer| {
                !is_known(peer)
                    && !members.has(peer)
                    && peer
                        .instance
                        .as_deref()
                        .is_none_or(|instance| !instances.contains(instance))
            })
            .map(|peer| Candidate {
                form: form_of(agent, peer),
                host: peer.host.clone(),
                port: peer.port.unwrap_or(port),
            })
            .collect();
        absent.sort_by_key(|candidate| self.failed.get(&candidate.form).map(|failed| failed.at));
        absent
    }

    /// The next peer to join: one of the newest result that accepts a connection; else, for an
    /// agent that knows no other member, a retained one that does; else one of the newest result
    /// that the agent may find where this machine doesn't, if `may_be_blind`.
    async fn choose(
        &self,
        agent: &Agent,
        peers: Peers<'_>,
        members: &Members,
        attempted: &BTreeSet<String>,
        clock: &Clock,
        may_be_blind: bool,
    ) -> Option<Choice> {
        let open = |peers| {
            let mut absent = self.absent(agent, peers, members);
            absent.retain(|candidate| !attempted.contains(&candidate.form));
            absent
        };
        let current = open(peers.current);
        let (reachable, refused) = self.reachable(&current, clock).await;
        if let Some(candidate) = reachable {
            return Some(Choice {
                candidate,
                is_reachable: true,
            });
        }
        if members.is_alone()
            && let (Some(candidate), _) = self.reachable(&open(peers.retained), clock).await
        {
            return Some(Choice {
                candidate,
                is_reachable: true,
            });
        }
        if !may_be_blind {
            return None;
        }
        // A refusal comes at once. Silence blocks the agent: that is worth it where there is no
        // better peer, or where the agent may have another network than this process.
        let is_worth_it = members.is_alone() || !agent.client.is_on_this_machine();
        let now = clock.now();
        let is_due = |candidate: &&Candidate| {
            self.failed
                .get(&candidate.form)
                .is_none_or(|failed| failed.due <= now)
        };
        let silent = current.iter().filter(|_| is_worth_it);
        let candidate = refused.iter().chain(silent).find(is_due)?.clone();
        Some(Choice {
            candidate,
            is_reachable: false,
        })
    }

    /// The first that accepts a connection, and those that refuse one. A peer that has accepted and
    /// failed to join is left alone until it is due again.
    async fn reachable(
        &self,
        candidates: &[Candidate],
        clock: &Clock,
    ) -> (Option<Candidate>, Vec<Candidate>) {
        let now = clock.now();
        let is_resting = |candidate: &&Candidate| {
            self.failed
                .get(&candidate.form)
                .is_some_and(|failed| failed.was_reachable && failed.due > now)
        };
        let ready: Vec<&Candidate> = candidates
            .iter()
            .filter(|candidate| !is_resting(candidate))
            .collect();
        let targets: Vec<(&Host, u16)> = ready
            .iter()
            .map(|candidate| (&candidate.host, candidate.port))
            .collect();
        let probed = probe(self.dialer.as_ref(), &targets, clock).await;
        let of = |index: usize| ready[index].clone();
        (
            probed.reachable.map(of),
            probed.refused.into_iter().map(of).collect(),
        )
    }

    fn note_failure(&mut self, form: String, failure: Failure, was_reachable: bool, now: Instant) {
        // The agents of machines that start together aren't all there at once.
        let failure = if was_reachable {
            failure
        } else {
            failure.expected_at_start()
        };
        let attempts = self
            .failed
            .get(&form)
            .map_or(1, |before| before.attempts.saturating_add(1));
        // Never at once: half of the delay is fixed.
        let wait = RETRY.bound(attempts - 1) / 2 + RETRY.wait(attempts - 1) / 2;
        self.failed.insert(
            form,
            FailedJoin {
                failure,
                attempts,
                at: now,
                due: now + wait,
                was_reachable,
            },
        );
    }

    /// Why peers are missing: the first by address, and how many more there are.
    fn failure(&self, absent: &[Candidate], has_tried_all: bool) -> Option<Failure> {
        let first = absent
            .iter()
            .filter(|candidate| has_tried_all || self.failed.contains_key(&candidate.form))
            .min_by(|one, other| one.form.cmp(&other.form))?;
        let failure = self
            .failed
            .get(&first.form)
            .map(|failed| failed.failure.clone())
            .unwrap_or_else(|| {
                Failure::new(format!(
                    "cannot join {}: it does not accept connections on port {}",
                    first.form, first.port
                ))
                .with_hint(
                    "check that the peer runs, and that firewalls let its gossip port through",
                )
                .expected_at_start()
            });
        Some(failure.with_others(absent.len() - 1))
    }
}

async fn join(agent: &Agent, address: &str, clock: &Clock) -> Result<(), Failure> {
    match agent.kind {
        AgentKind::Consul { wan } => consul::join(agent, wan, address, clock).await,
        AgentKind::NomadServer | AgentKind::NomadClient => nomad::join(agent, address, clock).await,
    }
}

/// As the agent reads it: it gives a bare address the port of its own gossip. Nomad takes IPv6 with
/// a port only.
fn form_of(agent: &Agent, peer: &Address) -> String {
    match (agent.kind, peer.port.or(agent.port)) {
        (AgentKind::Consul { .. }, None) => peer.host.to_string(),
        (_, Some(port)) => address_format::with_port(&peer.host, port),
        (_, None) => address_format::in_file(peer, None, agent.kind.gossip_port()),
    }
}
