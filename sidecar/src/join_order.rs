//! The order of the addresses in a join file: those of machines that are gone last.
//!
//! An agent goes through its join list one by one, before any join through its API, and spends
//! 10 s (Consul) or 30 s (Nomad) on each address that swallows packets. So before the first write
//! of a run, while the agent may be about to start, a connection to each gossip port is tried. A
//! machine that refuses it is there, and its agent may be next. Later writes keep what was found,
//! so that the order doesn't change by itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin::{Address, Clock};

use super::agent::{Dialer, silent};
use super::output::Output;

/// How long an address has to respond.
const LIMIT: Duration = Duration::from_secs(1);

/// Orders the addresses of one file.
#[derive(Debug)]
pub(crate) struct JoinOrder {
    dialer: Arc<dyn Dialer>,
    clock: Clock,
    /// The addresses that didn't respond; `None` before the first write.
    silent: Option<BTreeSet<Address>>,
}

impl JoinOrder {
    pub(crate) fn new(dialer: Arc<dyn Dialer>, clock: &Clock) -> Self {
        Self {
            dialer,
            clock: clock.clone(),
            silent: None,
        }
    }

    /// The addresses as they are written to `output`: agents try them in this order, so those of
    /// the newest result come before those that only a guard keeps in use.
    pub(crate) async fn arrange(
        &mut self,
        output: &Output,
        current: &[Address],
        retained: &[Address],
    ) -> Vec<Address> {
        let mut addresses = [current, retained].concat();
        let Some(port) = output.gossip_port() else {
            return addresses;
        };
        let silent = match &mut self.silent {
            Some(silent) => silent,
            unknown => {
                let targets = addresses
                    .iter()
                    .map(|address| (address.host.clone(), address.port.unwrap_or(port)))
                    .collect();
                let found = silent(self.dialer.as_ref(), targets, LIMIT, &self.clock).await;
                unknown.insert(found.into_iter().map(|at| addresses[at].clone()).collect())
            }
        };
        // A stable sort.
        addresses.sort_by_key(|address| silent.contains(address));
        addresses
    }
}

#[cfg(test)]
mod tests;
