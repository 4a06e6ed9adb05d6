//! The results of a call as they accumulate: interfaces come in from the searches, each is recorded
//! as a node with its addresses or with the reasons for its exclusion.
//!
//! Interfaces whose power state or public address is needed are kept until [`Results::finish`],
//! which requests these for all of them together; every other one is recorded at once, so that a
//! page of interfaces can be dropped as soon as it was read.

use std::collections::HashSet;

use cloud_autojoin_core::{Address, Discovery, Error, Exclusion, Finding, Result};
use futures::future::try_join_all;

use super::addresses::{self, PublicAddresses};
use super::attachment::{Attachment, INSTANCE};
use super::completeness::incomplete_nodes;
use super::members::Members;
use super::query::Query;
use super::tag_match::{NearMisses, Tagged, mismatches};
use crate::arm::{self, PublicAddress, ResourceId, UNIFORM_ADDRESSES};
use crate::keys::PROVIDER_NAME;
use crate::select::{PowerState, TagPlace};

/// The results of one call.
pub(super) struct Results<'a> {
    pub query: Query<'a>,
    pub discovery: Discovery,
    /// Interfaces whose power state or public address is still to be read.
    pending: Vec<Attachment>,
    /// How many interfaces have the tags that are searched for.
    pub selected: usize,
    /// The interfaces examined so far, if the same one can be found in several ways.
    examined: Option<HashSet<ResourceId>>,
    /// The tags that were examined, by the place they are set on.
    pub near_misses: [NearMisses; 3],
    failure: Option<Error>,
}

impl<'a> Results<'a> {
    /// No results.
    pub(super) fn new(query: Query<'a>) -> Self {
        let subject = query.config.selection.to_string();
        Self {
            query,
            discovery: Discovery::new(PROVIDER_NAME, subject, query.call.detail()),
            pending: Vec::new(),
            selected: 0,
            // Memory must not grow with a list that is read once.
            examined: (query.tags().places.len() > 1).then(HashSet::new),
            near_misses: Default::default(),
            failure: None,
        }
    }

    /// Adds the instances of a scale set, or a single one. `set_tags` are the tags of the set.
    pub(super) fn add_members(&mut self, members: Members, set_tags: Option<&arm::Tags>) {
        for finding in members.findings {
            self.discovery.add_finding(finding);
        }
        for attachment in members.interfaces {
            self.add_interface(attachment, set_tags);
        }
        for node in members.excluded {
            self.discovery.record(node);
        }
    }

    /// Adds an interface, if the tags that are searched for are set on it, on its instance or on
    /// its scale set. One that is found in two ways counts once, as it was found first.
    pub(super) fn add_interface(&mut self, attachment: Attachment, set_tags: Option<&arm::Tags>) {
        let interface = &attachment.interface;
        let instance = attachment.instance.as_deref();
        let set_tags = set_tags.filter(|_| instance.is_some());
        let reasons = self.judge(&[
            (TagPlace::NetworkInterface, Some(&interface.tags)),
            (TagPlace::Instance, instance.map(|found| &found.tags)),
            (TagPlace::ScaleSet, set_tags),
        ]);
        if let Some(examined) = &mut self.examined
            && !interface.id.is_empty()
            && !examined.insert(interface.id.clone())
        {
            return;
        }
        if let Some(reason) = reasons.first() {
            let code = reason.code();
            let node = || attachment.into_node(reasons);
            return self.discovery.record_excluded(code, node);
        }
        self.selected += 1;
        let config = self.query.config;
        if config.address_type.is_public() || config.power_state == PowerState::Running {
            self.pending.push(attachment);
        } else {
            self.record(attachment, &PublicAddresses::new());
        }
    }

    /// Why the tags that are searched for don't hold for `tagged`, the tags of a resource and of
    /// its parents; empty if they hold. It counts as a resource of the first place.
    pub(super) fn judge(&mut self, tagged: &[Tagged<'_>]) -> Vec<Exclusion> {
        let reasons = mismatches(self.query.tags(), tagged);
        self.near_misses[tagged[0].0 as usize].note(&reasons);
        reasons
    }

    fn record(&mut self, attachment: Attachment, public: &PublicAddresses) {
        let (config, interface) = (self.query.config, &attachment.interface);
        let (addresses, excluded) = match addresses::select(config, interface, public) {
            Ok(selected) => selected,
            Err(error) => {
                self.failure.get_or_insert(error);
                return;
            }
        };
        let mut node = attachment.into_node(excluded);
        let address = |ip| {
            let address = Address::ip(ip).with_network_interface(node.name.clone());
            match node.parent(INSTANCE) {
                Some(instance) => address.with_instance(instance),
                None => address,
            }
        };
        node.addresses = addresses.into_iter().map(address).collect();
        self.discovery.record(node);
    }

    /// Whether that interface was examined already.
    pub(super) fn has_examined(&self, interface: &ResourceId) -> bool {
        let examined = self.examined.as_ref();
        examined.is_some_and(|examined| examined.contains(interface))
    }

    /// Reads what is still needed, and completes the results.
    ///
    /// # Errors
    ///
    /// A power state or a public address can't be read, or the response lacks whether an interface
    /// has an address.
    pub(super) async fn finish(mut self) -> Result<Discovery> {
        let config = self.query.config;
        let mut pending = std::mem::take(&mut self.pending);
        if config.power_state == PowerState::Running {
            let states = self.query.power_states(&pending).await?;
            let mut running = Vec::with_capacity(pending.len());
            for attachment in pending {
                let state = attachment.instance_id().map(|id| states.get(id).cloned());
                let reason = match state {
                    None => Exclusion::NotAttached,
                    Some(None) => Exclusion::InstanceGone,
                    Some(Some(state)) if state.eq_ignore_ascii_case("running") => {
                        running.push(attachment);
                        continue;
                    }
                    Some(Some(state)) => Exclusion::NotRunning { state },
                };
                self.discovery.record(attachment.into_node(vec![reason]));
            }
            pending = running;
        }
        let public = if config.address_type.is_public() {
            public_addresses(self.query, &pending).await?
        } else {
            PublicAddresses::new()
        };
        for attachment in pending {
            self.record(attachment, &public);
        }
        if let Some(error) = self.failure {
            return Err(error);
        }
        let mut discovery = self.discovery;
        if let Some(finding) = incomplete_nodes(&discovery) {
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

/// Reads the public addresses of `attachments`: those of a Uniform set in one list, the others by
/// id. A deleted one is left out.
///
/// # Errors
///
/// A list or an address can't be read.
async fn public_addresses(query: Query<'_>, attachments: &[Attachment]) -> Result<PublicAddresses> {
    let mut sets: HashSet<ResourceId> = HashSet::new();
    let mut wanted: HashSet<ResourceId> = HashSet::new();
    for attachment in attachments {
        for id in addresses::public_ids(query.config, &attachment.interface) {
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
    addresses.extend(query.look_up(wanted, None).await?);
    Ok(addresses)
}

/// Adds a finding for each filter of the query that alone excludes interfaces.
fn explain_filters(query: Query<'_>, discovery: &mut Discovery) {
    let state = query.config.power_state.word();
    let address_type = query.config.address_type;
    // Without a public address an interface is excluded for a reason in words.
    let other = if address_type.is_public() {
        "other"
    } else {
        "other_address_type"
    };
    let (address_type, address) = (address_type.word(), "has an address of the requested type");
    for (code, key, word, what) in [
        ("not_running", "power_state", state, "is running"),
        (other, "address_type", address_type, address),
    ] {
        if let Some(count) = discovery.excluded().get(code) {
            let message = format!(
                "{count} of the network interfaces match the selection, and none of them {what}"
            );
            let finding = Finding::new(message).with_hint(format!("leave `{key}={word}` out"));
            discovery.add_finding(finding.with_change(key, None));
        }
    }
}
