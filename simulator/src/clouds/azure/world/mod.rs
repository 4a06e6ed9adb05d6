//! A simulated cloud held in memory: subscriptions, principals, behaviours.
//!
//! A world is created from TOML ([`World::from_toml`]), from a plan in code ([`World::build`]) or
//! from those that ship ([`World::shipped`]). [`crate::clouds::azure::arm`] serves it; `mutate` has
//! the changes of a running world.

mod expected;
mod fingerprint;
mod generate;
mod interface;
mod machine;
mod mutate;
mod pages;
mod plan;
mod principal;
mod resource;
mod settings;
mod shipped;
mod subnet;

pub(crate) use fingerprint::{fingerprint, guid, is_guid, mac_address};
pub use machine::{InterfaceFacts, MachineFacts};
pub use mutate::Named;
pub(crate) use pages::Page;
pub use plan::{
    AddressPlan, InstancePlan, InterfaceKind, IpConfigurationPlan, Ipv6, Machine,
    NetworkInterfacePlan, ResourceGroupPlan, ScaleSetPlan, SubscriptionPlan, VirtualMachinePlan,
    WorldPlan,
};
pub use principal::{Caller, Principal, PrincipalKind};
pub use resource::{
    AddressVersion, Attachment, Instance, InterfaceReference, IpConfiguration, NetworkInterface,
    OrchestrationMode, PowerState, PublicAddress, PublicAddressUse, ResourceGroup, ScaleSet,
    Subscription, Tags, VirtualMachine,
};
pub use settings::{
    EmptyPages, EmptyTags, ExpandedList, LastNextLink, Listing, PageSizes, Settings, UniformListing,
};
pub use subnet::Subnet;

use pages::Pages;

use crate::clouds::azure::Fault;

/// Why a world can't be created or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The text isn't a world file: invalid TOML, or an unknown field.
    #[error("the world file cannot be read: {0}")]
    Toml(#[from] Box<toml::de::Error>),
    /// No world of that name is shipped.
    #[error("no world `{name}` is shipped: there are {}", shipped::names().collect::<Vec<_>>().join(", "))]
    NotShipped {
        /// The requested name.
        name: String,
    },
    /// An id isn't a GUID.
    #[error("{field} `{value}` is no GUID")]
    Guid {
        /// The kind of id.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// An address range is invalid.
    #[error("resource group `{resource_group}`: {problem}")]
    Subnet {
        /// The group.
        resource_group: String,
        /// The problem.
        problem: String,
    },
    /// An address range is exhausted.
    #[error(
        "resource group `{resource_group}`: {subnet} has no address left, give the group a wider range"
    )]
    SubnetFull {
        /// The group.
        resource_group: String,
        /// The range.
        subnet: String,
    },
    /// A name is used twice.
    #[error("{kind} `{name}` is there twice")]
    Twice {
        /// The kind of resource.
        kind: &'static str,
        /// The name in lower case.
        name: String,
    },
    /// A resource doesn't exist.
    #[error("there is no {kind} `{name}`")]
    Missing {
        /// The kind of resource.
        kind: &'static str,
        /// The name.
        name: String,
    },
}

/// A simulated cloud.
///
/// Changes drop the serialised pages.
#[derive(Debug, Clone)]
pub struct World {
    tenant_id: String,
    settings: Settings,
    principals: Vec<Principal>,
    subscriptions: Vec<Subscription>,
    machine: Option<Machine>,
    faults: Vec<Fault>,
    pages: Pages,
}

impl World {
    /// Reads a world file and builds it.
    ///
    /// # Errors
    ///
    /// [`WorldError::Toml`] names an unknown field and its line; the others report inconsistencies.
    pub fn from_toml(text: &str) -> Result<Self, WorldError> {
        Self::build(&toml::from_str(text).map_err(Box::new)?)
    }

    /// The world of that name that comes with the simulator.
    ///
    /// # Errors
    ///
    /// [`WorldError::NotShipped`] lists the names that there are.
    pub fn shipped(name: &str) -> Result<Self, WorldError> {
        Self::from_toml(Self::shipped_text(name)?)
    }

    /// The names of the worlds that come with the simulator.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        shipped::names()
    }

    /// The file of the shipped world of that name.
    ///
    /// # Errors
    ///
    /// [`WorldError::NotShipped`] lists the names that there are.
    pub fn shipped_text(name: &str) -> Result<&'static str, WorldError> {
        shipped::text(name).ok_or_else(|| WorldError::NotShipped {
            name: name.to_owned(),
        })
    }

    /// Builds the world of a plan.
    ///
    /// # Errors
    ///
    /// The plan is inconsistent: an id that isn't a GUID, a duplicate or unknown name, an address
    /// range that is too small.
    pub fn build(plan: &WorldPlan) -> Result<Self, WorldError> {
        let own = plan.subscription_id.iter().map(|id| SubscriptionPlan {
            id: id.clone(),
            display_name: None,
            resource_group: plan.resource_group.clone(),
        });
        if plan.subscription_id.is_none() && !plan.resource_group.is_empty() {
            return Err(WorldError::Missing {
                kind: "top-level field",
                name: "subscription_id".to_owned(),
            });
        }
        check_guid("tenant_id", &plan.tenant_id)?;
        let location = plan.location.as_deref().unwrap_or("westeurope");
        let mut subscriptions: Vec<Subscription> = Vec::new();
        let mut groups = 0;
        for planned in own.chain(plan.subscription.iter().cloned()) {
            check_guid("subscription id", &planned.id)?;
            if subscriptions
                .iter()
                .any(|subscription| subscription.id.eq_ignore_ascii_case(&planned.id))
            {
                return Err(WorldError::Twice {
                    kind: "subscription",
                    name: planned.id,
                });
            }
            let display_name = planned
                .display_name
                .clone()
                .unwrap_or_else(|| format!("Example {}", planned.id.get(..8).unwrap_or_default()));
            let mut subscription = Subscription {
                id: planned.id.clone(),
                display_name,
                resource_groups: Vec::new(),
            };
            for group in &planned.resource_group {
                subscription.add_resource_group(group, location, groups)?;
                groups += 1;
            }
            for group in &planned.resource_group {
                subscription.fill_resource_group(group)?;
            }
            subscriptions.push(subscription);
        }
        let world = Self {
            tenant_id: plan.tenant_id.clone(),
            settings: plan.settings.clone(),
            principals: named_principals(plan)?,
            subscriptions,
            machine: plan.machine.clone(),
            faults: plan.fault.clone(),
            pages: Pages::default(),
        };
        world.check_machine()?;
        Ok(world)
    }

    /// The tenant.
    pub fn tenant_id(&self) -> &str {
        &self.tenant_id
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings, mutable.
    pub fn settings_mut(&mut self) -> &mut Settings {
        self.pages.clear();
        &mut self.settings
    }

    /// The principals.
    pub fn principals(&self) -> &[Principal] {
        &self.principals
    }

    /// The principals, mutable.
    pub fn principals_mut(&mut self) -> &mut Vec<Principal> {
        self.pages.clear();
        &mut self.principals
    }

    /// All subscriptions.
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// All subscriptions, mutable; `mutate` has the common changes.
    pub fn subscriptions_mut(&mut self) -> &mut Vec<Subscription> {
        self.pages.clear();
        &mut self.subscriptions
    }

    /// The subscription with this id, compared case-insensitively.
    pub fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.subscriptions
            .iter()
            .find(|subscription| subscription.id.eq_ignore_ascii_case(id))
    }

    /// The machine whose instance metadata is served, as in the plan; [`World::machine_facts`] has
    /// its data.
    pub fn machine(&self) -> Option<&Machine> {
        self.machine.as_ref()
    }

    /// Moves instance metadata to another machine, or to none.
    ///
    /// # Errors
    ///
    /// The world has no such machine or identity; nothing is changed.
    pub fn set_machine(&mut self, machine: Option<Machine>) -> Result<(), WorldError> {
        let before = std::mem::replace(&mut self.machine, machine);
        self.check_machine().inspect_err(|_| self.machine = before)
    }

    /// The faults that are active when a simulator starts.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub(crate) fn pages(&self) -> &Pages {
        &self.pages
    }
}

fn check_guid(field: &'static str, value: &str) -> Result<(), WorldError> {
    if is_guid(value) {
        Ok(())
    } else {
        Err(WorldError::Guid {
            field,
            value: value.to_owned(),
        })
    }
}

fn named_principals(plan: &WorldPlan) -> Result<Vec<Principal>, WorldError> {
    let mut principals: Vec<Principal> = Vec::new();
    for planned in &plan.principal {
        let mut principal = planned.clone();
        if principal.tenant_id.is_empty() {
            principal.tenant_id.clone_from(&plan.tenant_id);
        }
        check_guid("client_id", &principal.client_id)?;
        check_guid("object_id", &principal.object_id)?;
        if principals.iter().any(|other| other.name == principal.name) {
            return Err(WorldError::Twice {
                kind: "principal",
                name: principal.name,
            });
        }
        principals.push(principal);
    }
    Ok(principals)
}

#[cfg(test)]
mod tests;
