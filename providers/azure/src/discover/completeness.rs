//! Answers with a hole: what is needed to tell an address, or to tell that there is none, is
//! missing.
//!
//! Leaving such a resource out would make a short list, so it is an error where it belongs to what
//! was asked for. Where it gives an address all the same it is a finding.

use cloud_autojoin_core::{DecodeError, Error, Finding};

use crate::arm::{IndexedResource, NetworkInterface, ScaleSet, VirtualMachine};
use crate::keys::PROVIDER_NAME;

const HINT: &str =
    "it may be changing just now: try again; if it stays like this, repair or delete it";

/// An interface that gives no address because of a hole.
pub(super) fn of_interface(interface: &NetworkInterface, what: &str) -> Error {
    let group = interface.id.resource_group().unwrap_or_default();
    error(
        format!(
            "find the addresses of network interface `{}` in resource group `{group}`",
            interface.name()
        ),
        what,
    )
}

/// A virtual machine of which it is unknown what interfaces it has.
pub(super) fn of_machine(machine: &VirtualMachine) -> Error {
    error(
        format!(
            "find the network interfaces of virtual machine `{}`",
            machine.name()
        ),
        "the virtual machine names none",
    )
}

/// A virtual machine of which it is unknown what set it belongs to.
pub(super) fn of_membership(machine: &VirtualMachine, set: &str) -> Error {
    error(
        format!(
            "tell whether virtual machine `{}` belongs to scale set `{set}`",
            machine.name()
        ),
        "the virtual machine has no properties",
    )
}

/// A virtual machine of which it is unknown whether it runs.
pub(super) fn of_power_state(machine: &VirtualMachine) -> Error {
    error(
        format!(
            "find the power state of virtual machine `{}`",
            machine.name()
        ),
        "its instance view has none",
    )
}

/// A scale set of which it is unknown where it is.
pub(super) fn of_scale_set(set: &ScaleSet) -> Error {
    error(
        format!("find the instances of scale set `{}`", set.name()),
        "its id names no resource group",
    )
}

/// A resource of the index of which it is unknown where it is.
pub(super) fn of_indexed(resource: &IndexedResource) -> Error {
    error(
        format!(
            "look up a resource of type `{}` that the resource index names",
            resource.kind()
        ),
        "it has no id",
    )
}

/// Interfaces with holes that give an address all the same.
#[derive(Debug, Default)]
pub(super) struct Holes {
    first: Option<(String, String)>,
    others: usize,
}

impl Holes {
    /// Takes in an interface, and what is missing of it.
    pub(super) fn note(&mut self, interface: &str, what: &str) {
        match self.first {
            None => self.first = Some((interface.to_owned(), what.to_owned())),
            Some(_) => self.others += 1,
        }
    }

    /// What to say of them.
    pub(super) fn finding(&self) -> Option<Finding> {
        let (interface, what) = self.first.as_ref()?;
        let others = match self.others {
            0 => String::new(),
            count => format!("; it is the same with {count} more"),
        };
        let message = format!(
            "the answer for network interface `{interface}` is incomplete, and an address of it may be missing: {what}{others}"
        );
        Some(Finding::new(message).with_hint(HINT))
    }
}

fn error(operation: String, what: &str) -> Error {
    DecodeError::new(PROVIDER_NAME, operation, what)
        .with_hint(HINT)
        .into()
}
