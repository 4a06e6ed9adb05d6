//! The answer as it grows: interfaces come in from the paths, each leaves as a node with its
//! verdict.
//!
//! What needs a further look (power state, public address) is kept until [`Answer::finish`], which
//! requests all of them together; everything else is judged at once, so a page of interfaces can be
//! forgotten as soon as it was read.

use std::collections::HashSet;

use cloud_autojoin_core::{Discovery, Error, Exclusion, Finding, Node, Result};
use futures::future::try_join_all;

use super::candidate::Candidate;
use super::completeness::Holes;
use super::ip_configuration::{PublicAddresses, public_address_ids};
use super::lookup::look_up;
use super::power_state;
use super::query::Query;
use crate::arm::{PublicAddress, ResourceId, UNIFORM_ADDRESSES};
use crate::keys::PROVIDER_NAME;
use crate::select::PowerState;

/// The answer of one call.
pub(super) struct Answer<'a> {
    query: Query<'a>,
    discovery: Discovery,
    waiting: Vec<Candidate>,
    taken: usize,
    /// The interfaces judged so far, where the same one may come by several ways.
    seen: Option<HashSet<ResourceId>>,
    holes: Holes,
    /// Why there is no whole answer.
    failure: Option<Error>,
}

impl<'a> Answer<'a> {
    /// An answer with nothing in it.
    pub(super) fn new(query: Query<'a>) -> Self {
        let subject = query.config.selection.to_string();
        Self {
            query,
            discovery: Discovery::new(PROVIDER_NAME, subject, query.call.detail()),
            waiting: Vec::new(),
            taken: 0,
            seen: None,
            holes: Holes::default(),
            failure: None,
        }
    }

    /// Takes an interface by the verdict on its tags: it belongs to what was asked for where there
    /// is no reason against it. One that comes by two ways counts once, by its first verdict.
    pub(super) fn judge(&mut self, candidate: Candidate, reasons: Vec<Exclusion>) {
        if !self.is_new(&candidate.interface.id) {
            return;
        }
        if let Some(reason) = reasons.first() {
            let code = reason.code();
            self.discovery
                .record_excluded(code, || candidate.excluded(reasons));
            return;
        }
        self.taken += 1;
        if self.query.config.address_type.is_public()
            || self.query.config.power_state == PowerState::Running
        {
            self.waiting.push(candidate);
        } else {
            self.record(candidate, &PublicAddresses::new());
        }
    }

    fn record(&mut self, candidate: Candidate, public: &PublicAddresses) {
        match candidate.judged(self.query.config, public) {
            Ok(node) => {
                for reason in &node.excluded {
                    if let Exclusion::Incomplete { what } = reason {
                        self.holes.note(&node.name, what);
                        break;
                    }
                }
                self.discovery.record(node);
            }
            Err(error) => _ = self.failure.get_or_insert(error),
        }
    }

    // An interface is remembered only where it can come by several ways: memory must not grow with
    // a list that is read once.
    fn is_new(&mut self, interface: &ResourceId) -> bool {
        let Some(seen) = &mut self.seen else {
            return true;
        };
        interface.is_empty() || seen.insert(interface.clone())
    }

    /// Whether that interface was judged already.
    pub(super) fn has(&self, interface: &ResourceId) -> bool {
        self.seen
            .as_ref()
            .is_some_and(|seen| seen.contains(interface))
    }

    /// Takes nodes that were looked at and are out.
    pub(super) fn leave_out(&mut self, nodes: impl IntoIterator<Item = Node>) {
        nodes
            .into_iter()
            .for_each(|node| self.discovery.record(node));
    }

    /// Adds what is worth knowing about the whole.
    pub(super) fn find(&mut self, findings: impl IntoIterator<Item = Finding>) {
        let findings = findings.into_iter();
        findings.for_each(|finding| self.discovery.add_finding(finding));
    }

    /// From now on the same interface may come by several ways.
    pub(super) fn remember(&mut self) {
        self.seen.get_or_insert_default();
    }

    /// Whether no interface was taken so far.
    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// Looks up what is still needed, and ends the answer.
    ///
    /// # Errors
    ///
    /// A power state or a public address that cannot be read; an interface of which the answer
    /// leaves out whether it has an address.
    pub(super) async fn finish(mut self) -> Result<Discovery> {
        let mut waiting = std::mem::take(&mut self.waiting);
        if self.query.config.power_state == PowerState::Running {
            let states = power_state::read(self.query, &waiting).await?;
            let mut running = Vec::with_capacity(waiting.len());
            for candidate in waiting {
                let state = candidate.instance_id().map(|id| states.get(id));
                let reason = match state {
                    None => Exclusion::NotAttached,
                    Some(None | Some(None)) => Exclusion::InstanceGone,
                    Some(Some(Some(state))) if state.eq_ignore_ascii_case("running") => {
                        running.push(candidate);
                        continue;
                    }
                    Some(Some(Some(state))) => Exclusion::NotRunning {
                        state: state.clone(),
                    },
                };
                self.discovery.record(candidate.excluded(vec![reason]));
            }
            waiting = running;
        }
        let public = if self.query.config.address_type.is_public() {
            public_addresses(self.query, &waiting).await?
        } else {
            PublicAddresses::new()
        };
        for candidate in waiting {
            self.record(candidate, &public);
        }
        if let Some(error) = self.failure {
            return Err(error);
        }
        let mut discovery = self.discovery;
        if let Some(finding) = self.holes.finding() {
            discovery.add_finding(finding);
        }
        if discovery.matched() == 0 {
            explain_filters(self.query, &mut discovery);
        }
        if let Some(identity) = self.query.arm.api().identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

/// Reads the public addresses that `candidates` name: those of a Uniform set in one list, the
/// others by id. One that is gone is left out.
///
/// # Errors
///
/// A list or an address that cannot be read.
async fn public_addresses(query: Query<'_>, candidates: &[Candidate]) -> Result<PublicAddresses> {
    let mut sets: HashSet<ResourceId> = HashSet::new();
    let mut wanted: HashSet<ResourceId> = HashSet::new();
    for candidate in candidates {
        for id in public_address_ids(query.config, &candidate.interface) {
            match id.set_of_instance() {
                Some(set) => _ = sets.insert(set),
                None => _ = wanted.insert(id.clone()),
            }
        }
    }
    let lists = sets.iter().map(|set| {
        let request = query.requests().of_uniform_set(&UNIFORM_ADDRESSES, set);
        query.list::<PublicAddress>(request).read_on(Vec::new())
    });
    let of_sets = try_join_all(lists).await?.into_iter().flatten();
    let mut addresses: PublicAddresses = of_sets.map(|found| (found.id.clone(), found)).collect();
    addresses.extend(look_up(query, wanted, None).await?);
    Ok(addresses)
}

/// Where what was asked for is there, and is out by a rule of the query alone, says which.
fn explain_filters(query: Query<'_>, discovery: &mut Discovery) {
    let (power_state, address_type) = (query.config.power_state, query.config.address_type);
    // Without a public address an interface is out for a reason in words.
    let no_address = if address_type.is_public() {
        "other"
    } else {
        "other_address_type"
    };
    let of_type = "has an address of the type asked for";
    for (code, key, word, what) in [
        (
            "not_running",
            "power_state",
            power_state.word(),
            "is running",
        ),
        (no_address, "address_type", address_type.word(), of_type),
    ] {
        if let Some(count) = discovery.excluded().get(code) {
            let message = format!(
                "{count} of the network interfaces belong to what is asked for, and none of them {what}"
            );
            let finding = Finding::new(message)
                .with_hint(format!("leave `{key}={word}` out"))
                .with_change(key, None);
            discovery.add_finding(finding);
        }
    }
}
