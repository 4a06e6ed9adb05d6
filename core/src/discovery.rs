//! The result of a call: the nodes that matched, and those that were excluded, with the reasons.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::address::Address;
use crate::call::Detail;
use crate::error::{NothingMatched, Result};
use crate::exclusion::Exclusion;
use crate::node::Node;

/// How many examples of each reason [`Detail::Addresses`] keeps.
const EXAMPLES: usize = 3;

/// An observation about the result as a whole, with a hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was found, as ``the instance group `web` exists and has no instances``.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The changes that would make the join string work, if known: keys with their new values, or
    /// without a value for a key to remove.
    pub changes: Vec<(String, Option<String>)>,
}

impl Finding {
    /// A finding without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            changes: Vec::new(),
        }
    }

    /// The same finding with a change: a key of the join string and its new value, or `None` to
    /// remove it.
    #[must_use]
    pub fn with_change(mut self, key: impl Into<String>, value: Option<&str>) -> Self {
        self.changes.push((key.into(), value.map(str::to_owned)));
        self
    }

    /// The same finding with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The complete result of a provider.
///
/// A `Discovery` without addresses is valid: nothing matched. [`Discovery::require_addresses`]
/// turns it into an error for callers that need addresses.
#[derive(Debug, Clone, Serialize)]
pub struct Discovery {
    provider: &'static str,
    subject: String,
    identity: Option<String>,
    #[serde(skip)]
    detail: Detail,
    examined: usize,
    matched: usize,
    excluded: BTreeMap<&'static str, usize>,
    nodes: Vec<Node>,
    findings: Vec<Finding>,
}

impl Discovery {
    /// An empty result of `provider` for `subject` (``instance group `web` of project `prod` ``).
    pub fn new(provider: &'static str, subject: impl Into<String>, detail: Detail) -> Self {
        Self {
            provider,
            subject: subject.into(),
            identity: None,
            detail,
            examined: 0,
            matched: 0,
            excluded: BTreeMap::new(),
            nodes: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Adds an examined node. An excluded node is counted by its first reason; whether it is kept
    /// whole depends on the [`Detail`].
    ///
    /// An address with a name that isn't a host name isn't returned: anyone who can register a
    /// service chooses it, and it could contain white space or control characters.
    pub fn record(&mut self, mut node: Node) {
        self.remove_unusable_names(&mut node);
        if node.is_match() {
            if self.detail == Detail::Minimal {
                (node.id, node.attributes, node.tags) = Default::default();
                // The provider warns of a match of which an address may be missing.
                let reasons = &mut node.excluded;
                reasons.retain(|reason| matches!(reason, Exclusion::Incomplete { .. }));
                reasons.shrink_to_fit();
            }
            self.examined += 1;
            self.matched += 1;
            self.nodes.push(node);
        } else {
            let code = node.excluded.first().map_or("other", Exclusion::code);
            self.record_excluded(code, || node);
        }
    }

    fn remove_unusable_names(&mut self, node: &mut Node) {
        let is_unusable = |address: &Address| !address.host.is_printable();
        let Some(unusable) = node.addresses.iter().find(|address| is_unusable(address)) else {
            return;
        };
        let name: String = unusable.host.to_string().chars().take(60).collect();
        let reason = format!("its address `{name}` is not a host name");
        node.addresses.retain(|address| !is_unusable(address));
        if node.addresses.is_empty() {
            node.excluded.push(Exclusion::Other(reason.into()));
        } else {
            self.add_finding(Finding::new(format!("`{}`: {reason}", node.name)));
        }
    }

    /// Adds an examined node that is excluded for a reason with this [`code`](Exclusion::code). It
    /// calls `make` only if the [`Detail`] keeps the node, so that long lists of excluded nodes are
    /// cheap.
    pub fn record_excluded(&mut self, code: &'static str, node: impl FnOnce() -> Node) {
        self.examined += 1;
        let count = self.excluded.entry(code).or_default();
        *count += 1;
        if self.detail == Detail::Everything || *count <= EXAMPLES {
            self.nodes.push(node());
        }
    }

    /// Adds the nodes and findings of another result.
    pub fn merge(&mut self, other: Self) {
        self.examined += other.examined;
        self.matched += other.matched;
        for (code, count) in other.excluded {
            *self.excluded.entry(code).or_default() += count;
        }
        self.nodes.extend(other.nodes);
        self.findings.extend(other.findings);
        if let Some(identity) = other.identity {
            let before = self.identity.take().filter(|before| *before != identity);
            self.identity = Some(before.map_or_else(
                || identity.clone(),
                |before| format!("{before}, {identity}"),
            ));
        }
    }

    /// Adds a finding, in order of relevance.
    pub fn add_finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Explains that nothing was examined, and what to check, if that is so.
    pub fn explain_nothing(&mut self, meaning: &str, hint: &str) {
        if self.examined == 0 {
            self.add_finding(Finding::new(meaning).with_hint(hint));
        }
    }

    /// Sets the identity that sent the requests, as `managed identity` (never a secret).
    pub fn set_identity(&mut self, identity: impl Into<String>) {
        self.identity = Some(identity.into());
    }

    /// The provider.
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// What was searched for, in words.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The identity that sent the requests.
    pub fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// The number of examined nodes.
    pub fn examined(&self) -> usize {
        self.examined
    }

    /// The number of nodes with a matching address.
    pub fn matched(&self) -> usize {
        self.matched
    }

    /// The number of excluded nodes by the code of their first reason.
    pub fn excluded(&self) -> &BTreeMap<&'static str, usize> {
        &self.excluded
    }

    /// The kept nodes in the cloud's order: all matching ones, and all or a few of the excluded
    /// ones, depending on the [`Detail`] of the call.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The observations about the result as a whole.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The addresses found: sorted (IPv4, IPv6, names; each by value), without duplicates.
    pub fn addresses(&self) -> Vec<Address> {
        let nodes = self.nodes.iter();
        let addresses = nodes.flat_map(|node| node.addresses.iter().cloned());
        in_order(self.matched, addresses)
    }

    /// The addresses found, at least one.
    ///
    /// # Errors
    ///
    /// [`Error::NothingMatched`](crate::Error::NothingMatched) with this result when there is none.
    pub fn require_addresses(self) -> Result<Vec<Address>> {
        if !self.nodes.iter().any(Node::is_match) {
            return Err(NothingMatched::new(self).into());
        }
        let (matched, nodes) = (self.matched, self.nodes.into_iter());
        Ok(in_order(matched, nodes.flat_map(|node| node.addresses)))
    }

    /// The hint of the first finding that has one.
    pub fn hint(&self) -> Option<&str> {
        self.findings
            .iter()
            .find_map(|finding| finding.hint.as_deref())
    }

    /// A summary in one line: the findings, or the counts of excluded nodes by reason.
    pub fn summary(&self) -> String {
        let mut parts: Vec<String> = self
            .findings
            .iter()
            .map(|finding| finding.message.clone())
            .collect();
        if self.examined == 0 {
            if parts.is_empty() {
                parts.push("no resources".to_owned());
            }
        } else if self.matched == 0 {
            let other = self.other_reasons().join("; ");
            let reasons: Vec<String> = self
                .excluded
                .iter()
                .map(|(code, count)| match *code {
                    "other" if !other.is_empty() => format!("{count} other ({other})"),
                    code => format!("{count} {}", code.replace('_', " ")),
                })
                .collect();
            parts.push(format!(
                "examined {}: {}",
                count_of(
                    self.examined,
                    self.nodes.first().map_or("node", |node| node.kind)
                ),
                reasons.join(", ")
            ));
        }
        parts.join("; ")
    }

    /// The reasons of the first nodes that no code describes, without repetition.
    fn other_reasons(&self) -> Vec<&str> {
        let mut reasons = Vec::new();
        for node in &self.nodes {
            if let Some(Exclusion::Other(reason)) = node.excluded.first()
                && !reasons.contains(&reason.as_ref())
                && reasons.len() < EXAMPLES
            {
                reasons.push(reason);
            }
        }
        reasons
    }
}

fn count_of(count: usize, kind: &str) -> String {
    if count == 1 {
        format!("1 {kind}")
    } else {
        format!("{count} {kind}s")
    }
}

/// Sorted, without duplicates. Most often there are as many as nodes that `matched`.
fn in_order(matched: usize, found: impl Iterator<Item = Address>) -> Vec<Address> {
    let mut addresses = Vec::with_capacity(matched);
    addresses.extend(found);
    addresses.sort();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::error::Error;

    fn interface(name: &str, addresses: &[&str], excluded: &[Exclusion]) -> Node {
        let mut node = Node::new("network interface", format!("/{name}"), name);
        node.addresses = addresses
            .iter()
            .map(|text| Address::ip(text.parse().unwrap()))
            .collect();
        node.excluded = excluded.to_vec();
        node
    }

    #[test]
    fn a_name_that_is_not_a_host_name_is_never_returned() {
        let mut discovery = Discovery::new("consul", "service", Detail::Addresses);
        let mut node = interface("a", &[], &[]);
        node.addresses = vec![Address::name("evil\n10.6.6.6").with_port(1)];
        discovery.record(node.clone());
        let reason = discovery.nodes()[0].excluded[0].to_string();
        assert_eq!(reason, "its address `evil\n10.6.6.6` is not a host name");
        node.addresses.push(Address::name("good.example"));
        discovery.record(node);
        assert_eq!(discovery.addresses(), [Address::name("good.example")]);
        assert_eq!(discovery.findings().len(), 1);
    }

    #[test]
    fn addresses_come_sorted_and_once_whatever_order_the_nodes_had() {
        let mut discovery = Discovery::new("azure", "tag", Detail::Addresses);
        discovery.record(interface("b", &["10.0.0.10", "2001:db8::1"], &[]));
        discovery.record(interface("a", &["10.0.0.9", "10.0.0.10"], &[]));
        let printed: Vec<_> = discovery
            .addresses()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(printed, ["10.0.0.9", "10.0.0.10", "2001:db8::1"]);
    }

    #[test]
    fn merged_results_count_and_keep_what_both_have() {
        let mut both = Discovery::new("a", "both", Detail::Addresses);
        for (name, identity) in [("a", "x"), ("b", "y")] {
            let mut one = Discovery::new("a", name, Detail::Addresses);
            one.set_identity(identity);
            one.record(interface(name, &["10.0.0.9"], &[]));
            one.record(interface("out", &[], &[Exclusion::NotPrimary]));
            one.add_finding(Finding::new(name));
            both.merge(one);
        }
        assert_eq!(
            (
                both.examined(),
                both.matched(),
                both.excluded()["not_primary"],
                both.nodes().len(),
                both.findings().len()
            ),
            (4, 2, 2, 4, 2)
        );
        assert_eq!((both.addresses().len(), both.identity()), (1, Some("x, y")));
    }

    #[test]
    fn ten_thousand_left_out_nodes_are_counted_and_only_examples_kept() {
        let mut discovery = Discovery::new("azure", "tag", Detail::Addresses);
        for index in 0..10_000 {
            discovery.record(interface(
                &index.to_string(),
                &[],
                &[Exclusion::TagMissing {
                    tag: "consul".to_owned(),
                }],
            ));
        }
        assert_eq!(
            (
                discovery.examined(),
                discovery.excluded()["tag_missing"],
                discovery.nodes().len()
            ),
            (10_000, 10_000, EXAMPLES)
        );
    }

    #[test]
    fn every_reason_serialises_as_its_code_and_its_words() {
        let reasons = [
            Exclusion::Other("a reason of its own".into()),
            Exclusion::NotRunning {
                state: "stopped".to_owned(),
            },
        ];
        let text = serde_json::to_string(&reasons).unwrap();
        assert_eq!(
            text,
            r#"[{"reason":"other","message":"a reason of its own"},{"reason":"not_running","message":"its instance is stopped"}]"#
        );
    }

    #[test]
    fn reasons_that_have_no_code_are_in_the_summary() {
        let mut discovery = Discovery::new("k8s", "pods", Detail::Addresses);
        for reason in ["no container is ready", "it is on the host network"] {
            let reason = [Exclusion::Other(reason.into())];
            discovery.record(interface("a", &[], &reason));
            discovery.record(interface("b", &[], &reason));
        }
        discovery.record(interface("c", &[], &[Exclusion::NoAddress]));
        assert_eq!(
            discovery.summary(),
            "examined 5 network interfaces: 1 no address, 4 other (no container is ready; it is on the host network)"
        );
    }

    #[test]
    fn everything_is_kept_if_requested() {
        let mut discovery = Discovery::new("azure", "tag", Detail::Everything);
        for index in 0..10 {
            discovery.record(interface(&index.to_string(), &[], &[Exclusion::NoAddress]));
        }
        assert_eq!(discovery.nodes().len(), 10);
    }

    #[test]
    fn a_match_is_its_name_and_addresses_where_no_more_is_used() {
        let mut discovery = Discovery::new("azure", "tag", Detail::Minimal);
        let mut node = interface("a", &["10.0.0.1"], &[]);
        node.tags.push(("role".to_owned(), "server".to_owned()));
        node.add_attribute("zone", Some("1".to_owned()));
        let what = "no properties".into();
        let incomplete = Exclusion::Incomplete { what };
        node.excluded = vec![Exclusion::NotPrimary, incomplete.clone()];
        discovery.record(node);
        for id in ["b", "c", "d", "e"] {
            discovery.record(interface(id, &[], &[Exclusion::NoAddress]));
        }
        let node = &discovery.nodes()[0];
        assert!(
            node.name == "a"
                && node.id.is_empty()
                && node.tags.is_empty()
                && node.excluded == [incomplete]
                && node.attributes.is_empty()
        );
        assert_eq!(discovery.nodes().len(), 1 + EXAMPLES);
        let addresses = discovery.require_addresses().unwrap();
        assert_eq!(addresses, [Address::ip("10.0.0.1".parse().unwrap())]);
    }

    #[test]
    fn no_address_is_an_error_with_what_was_examined_and_a_hint() {
        let mut discovery = Discovery::new("azure", "tag `consul` = `server`", Detail::Addresses);
        discovery.record(interface("a", &[], &[Exclusion::NoAddress]));
        discovery.record(interface(
            "b",
            &[],
            &[Exclusion::TagMissing {
                tag: "consul".to_owned(),
            }],
        ));
        discovery.add_finding(
            Finding::new("the tag is set on the scale set `consul`")
                .with_hint("add `tag_on=scale_set`"),
        );
        let error = discovery.require_addresses().unwrap_err();
        assert!(matches!(error, Error::NothingMatched(_)));
        assert_eq!(
            error.to_string(),
            "no address found for tag `consul` = `server`: the tag is set on the scale set `consul`; examined 2 network interfaces: 1 no address, 1 tag missing"
        );
        assert_eq!(error.hint().as_deref(), Some("add `tag_on=scale_set`"));
    }
}
