//! The answer as it grows: interfaces come in from the paths, each leaves as a node with its
//! verdict.
//!
//! What needs a further look (power state, public address) is kept until [`Answer::finish`], which
//! requests all of them together; everything else is judged at once, so a page of interfaces can be
//! forgotten as soon as it was read.

use std::collections::HashSet;

use cloud_autojoin_core::{Discovery, Error, Exclusion, Finding, Node, Result};

use super::candidate::Candidate;
use super::completeness::Holes;
use super::ip_configuration::{AddressRule, PublicAddresses};
use super::query::Query;
use super::{power_state, public_address};
use crate::arm::ResourceId;
use crate::keys::PROVIDER_NAME;
use crate::select::PowerState;

/// The answer of one call.
pub(super) struct Answer<'a> {
    query: Query<'a>,
    discovery: Discovery,
    rule: AddressRule,
    waiting: Vec<Candidate>,
    taken: usize,
    remembers: bool,
    seen: HashSet<ResourceId>,
    holes: Holes,
    /// Why there is no whole answer.
    failure: Option<Error>,
}

impl<'a> Answer<'a> {
    /// An answer with nothing in it.
    pub(super) fn new(query: Query<'a>) -> Self {
        Self {
            query,
            discovery: Discovery::new(
                PROVIDER_NAME,
                query.config.selection.to_string(),
                query.call.detail(),
            ),
            rule: AddressRule::of(query.config),
            waiting: Vec::new(),
            taken: 0,
            remembers: false,
            seen: HashSet::new(),
            holes: Holes::default(),
            failure: None,
        }
    }

    /// Takes an interface that belongs to what was asked for. One that comes by two ways counts
    /// once.
    pub(super) fn take(&mut self, candidate: Candidate) {
        if !self.is_new(&candidate.interface.id) {
            return;
        }
        self.taken += 1;
        if self.rule.needs_public_addresses()
            || self.query.config.power_state == PowerState::Running
        {
            self.waiting.push(candidate);
        } else {
            self.push_judged(candidate, &PublicAddresses::new());
        }
    }

    fn push_judged(&mut self, candidate: Candidate, public: &PublicAddresses) {
        match candidate.judged(self.rule, public) {
            Ok(node) => {
                let hole = node
                    .excluded
                    .iter()
                    .find(|reason| matches!(reason, Exclusion::Incomplete { .. }));
                if let Some(Exclusion::Incomplete { what }) = hole {
                    self.holes.note(&node.name, what);
                }
                self.discovery.record(node);
            }
            Err(error) => _ = self.failure.get_or_insert(error),
        }
    }

    /// Takes an interface by the verdict on its tags: in where there is no reason against it. One
    /// that was judged before keeps that verdict.
    pub(super) fn judge(&mut self, candidate: Candidate, reasons: Vec<Exclusion>) {
        if reasons.is_empty() {
            self.take(candidate);
        } else if self.is_new(&candidate.interface.id) {
            let code = reasons.first().map_or("other", Exclusion::code);
            self.discovery
                .record_excluded(code, || candidate.excluded(reasons));
        }
    }

    /// Whether that interface was judged already.
    pub(super) fn has(&self, interface: &ResourceId) -> bool {
        self.seen.contains(interface)
    }

    /// Takes a node that was looked at and is out.
    pub(super) fn leave_out(&mut self, node: Node) {
        self.discovery.record(node);
    }

    // An interface is remembered only where it can come by several ways: memory must not grow with
    // a list that is read once.
    fn is_new(&mut self, interface: &ResourceId) -> bool {
        !self.remembers || interface.is_empty() || self.seen.insert(interface.clone())
    }

    /// Adds something worth knowing about the whole.
    pub(super) fn find(&mut self, finding: Finding) {
        self.discovery.add_finding(finding);
    }

    /// From now on the same interface may come by several ways.
    pub(super) fn remember(&mut self) {
        self.remembers = true;
    }

    /// How many interfaces were taken.
    pub(super) fn taken(&self) -> usize {
        self.taken
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
                let state = match candidate.instance_id() {
                    None => Err(Exclusion::NotAttached),
                    Some(id) => states
                        .get(id)
                        .cloned()
                        .unwrap_or(Err(Exclusion::InstanceGone)),
                };
                match state {
                    Ok(state) if state.eq_ignore_ascii_case("running") => running.push(candidate),
                    Ok(state) => self
                        .discovery
                        .record(candidate.excluded(vec![Exclusion::NotRunning { state }])),
                    Err(reason) => self.discovery.record(candidate.excluded(vec![reason])),
                }
            }
            waiting = running;
        }
        let public = if self.rule.needs_public_addresses() {
            public_address::read(self.query, self.rule, &waiting).await?
        } else {
            PublicAddresses::new()
        };
        for candidate in waiting {
            self.push_judged(candidate, &public);
        }
        if let Some(error) = self.failure {
            return Err(error);
        }
        if let Some(finding) = self.holes.finding() {
            self.find(finding);
        }
        if self.discovery.matched() == 0 {
            self.explain_filters();
        }
        if let Some(identity) = self.query.arm.identity() {
            self.discovery.set_identity(identity);
        }
        Ok(self.discovery)
    }

    /// Where what was asked for is there, and is out by a rule of the query alone, says which.
    fn explain_filters(&mut self) {
        let config = self.query.config;
        // Without a public address an interface is out for a reason in words.
        let no_address = if config.address_type.is_public() {
            "other"
        } else {
            "other_address_type"
        };
        let rules = [
            (
                "not_running",
                "power_state",
                config.power_state.word(),
                "is running",
            ),
            (
                no_address,
                "address_type",
                config.address_type.word(),
                "has an address of the type asked for",
            ),
        ];
        for (code, key, word, what) in rules {
            if let Some(count) = self.discovery.excluded().get(code) {
                let finding = Finding::new(format!("{count} of the network interfaces belong to what is asked for, and none of them {what}"))
                    .with_hint(format!("leave `{key}={word}` out"))
                    .with_change(key, None);
                self.discovery.add_finding(finding);
            }
        }
    }
}
