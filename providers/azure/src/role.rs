//! The least custom role for a join string: which actions it may come to need, where, and why.
//!
//! The actions are those that `arm/requests.rs` has of the requests; which ones a selection may
//! send is decided here.

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{ConfigString, Context, Result, RoleDocument, RoleFormat};
use serde_json::json;

use crate::arm::{ArmRequests, action};
use crate::builder::AzureBuilder;
use crate::keys::SELF;
use crate::select::{AzureConfig, OrchestrationMode, PowerState, Selection, TagPlace};

/// The placeholder for a subscription or a group that only the machine it runs on knows.
const OWN_SUBSCRIPTION: &str = "SUBSCRIPTION_ID";
const OWN_GROUP: &str = "RESOURCE_GROUP";

/// One action, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Permission {
    action: String,
    reason: &'static str,
}

/// Writes the role.
///
/// # Errors
///
/// As [`AzureBuilder::from_config`].
pub(crate) fn write(
    config: &ConfigString,
    context: &Context,
    format: RoleFormat,
) -> Result<RoleDocument> {
    let azure = AzureBuilder::from_config(config, context)?.build()?;
    let role = Role::of(azure.config());
    let mut document = RoleDocument::new(match format {
        RoleFormat::Terraform => role.terraform(),
        _ => role.json(),
    });
    for (word, what) in [
        (OWN_SUBSCRIPTION, "subscription"),
        (OWN_GROUP, "resource group"),
    ] {
        if role
            .scopes
            .iter()
            .any(|scope| scope.split('/').any(|part| part == word))
        {
            document = document.with_note(format!("put the {what} in place of {word}: the join string leaves it to the machine it runs on"));
        }
    }
    Ok(if role.either_mode {
        document.with_note("the role is for either orchestration mode; with `orchestration_mode` in the string it is smaller")
    } else {
        document
    })
}

struct Role {
    name: String,
    permissions: Vec<Permission>,
    scopes: Vec<String>,
    either_mode: bool,
}

impl Role {
    fn of(config: &AzureConfig) -> Self {
        let subject: String = config.selection.to_string().replace('`', "");
        let (groups, either_mode) = match &config.selection {
            Selection::Tag {
                resource_groups, ..
            } => (resource_groups.clone(), false),
            Selection::ScaleSet {
                resource_group,
                orchestration_mode,
                ..
            } => (vec![resource_group.clone()], orchestration_mode.is_none()),
        };
        let own = |name: &str, word: &str| {
            if name == SELF {
                word.to_owned()
            } else {
                name.to_owned()
            }
        };
        let subscription = format!(
            "/subscriptions/{}",
            own(&config.subscription_id, OWN_SUBSCRIPTION)
        );
        let mut scopes: Vec<String> = groups
            .iter()
            .map(|group| format!("{subscription}/resourceGroups/{}", own(group, OWN_GROUP)))
            .collect();
        if scopes.is_empty() {
            scopes.push(subscription);
        }
        // Azure takes up to 512 characters.
        Self {
            name: format!("discover {subject}").chars().take(256).collect(),
            permissions: permissions(config),
            scopes,
            either_mode,
        }
    }

    fn description(&self) -> &'static str {
        "Reads what `discover` needs to resolve one join string, and nothing else"
    }

    /// What `az role definition create --role-definition @FILE` takes.
    fn json(&self) -> String {
        let actions: Vec<&str> = self
            .permissions
            .iter()
            .map(|permission| permission.action.as_str())
            .collect();
        let document = json!({
            "Name": self.name,
            "IsCustom": true,
            "Description": self.description(),
            "Actions": actions,
            "NotActions": [],
            "DataActions": [],
            "NotDataActions": [],
            "AssignableScopes": self.scopes,
        });
        format!("{document:#}\n")
    }

    /// A resource of the provider `hashicorp/azurerm`.
    fn terraform(&self) -> String {
        let scopes: Vec<String> = self.scopes.iter().map(|scope| quoted(scope)).collect();
        let actions: String = self
            .permissions
            .iter()
            .map(|permission| {
                format!(
                    "      # {}\n      {},\n",
                    permission.reason,
                    quoted(&permission.action)
                )
            })
            .collect();
        format!(
            "resource \"azurerm_role_definition\" \"discover\" {{\n  name        = {}\n  description = {}\n  scope       = {}\n\n  permissions {{\n    actions = [\n{actions}    ]\n  }}\n\n  \
             assignable_scopes = [{}]\n}}\n",
            quoted(&self.name),
            quoted(self.description()),
            scopes[0],
            scopes.join(", ")
        )
    }
}

/// A string of HCL, in which `${` and `%{` begin a template.
fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "$${")
        .replace("%{", "%%{");
    format!(
        "\"{}\"",
        escaped
            .replace('\n', "\\n")
            .replace('\r', "\\r")
            .replace('\t', "\\t")
    )
}

/// The actions, each once, the most needed first.
fn permissions(config: &AzureConfig) -> Vec<Permission> {
    let mut wanted = Wanted {
        requests: ArmRequests::new(&crate::Cloud::default().resource_manager, ""),
        permissions: Vec::new(),
    };
    match &config.selection {
        Selection::ScaleSet {
            orchestration_mode,
            tags,
            ..
        } => {
            let tag_on_set = tags
                .as_ref()
                .is_some_and(|tags| tags.may_be_on(TagPlace::ScaleSet));
            if *orchestration_mode != Some(OrchestrationMode::Uniform) {
                wanted.flexible(config);
            }
            if *orchestration_mode != Some(OrchestrationMode::Flexible) {
                wanted.uniform(config);
            }
            wanted.scale_set(if tag_on_set {
                "the tags of the scale set"
            } else {
                "to tell a scale set without instances from one that is not there"
            });
        }
        Selection::Tag { tags, .. } => {
            if tags.may_be_on(TagPlace::ScaleSet) {
                wanted.scale_set("the scale sets and their tags");
                wanted.flexible(config);
                wanted.uniform(config);
            }
            if tags.may_be_on(TagPlace::Instance) {
                wanted.virtual_machines("the virtual machines and their tags");
            }
            wanted.network_interfaces("the network interfaces and their addresses");
            if config.power_state == PowerState::Running {
                wanted.virtual_machines("whether a virtual machine is running");
            }
            wanted.public_addresses(config);
        }
    }
    wanted.permissions
}

struct Wanted {
    requests: ArmRequests,
    permissions: Vec<Permission>,
}

impl Wanted {
    fn add(&mut self, request: &Request, reason: &'static str) {
        let action = action(request);
        if self
            .permissions
            .iter()
            .all(|permission| permission.action != action)
        {
            self.permissions.push(Permission { action, reason });
        }
    }

    fn flexible(&mut self, config: &AzureConfig) {
        self.virtual_machines("the virtual machines of a Flexible scale set");
        self.network_interfaces("their network interfaces");
        self.public_addresses(config);
    }

    fn uniform(&mut self, config: &AzureConfig) {
        let (interfaces, instances) = (
            self.requests.scale_set_network_interfaces("", ""),
            self.requests.scale_set_instances("", "", false),
        );
        self.add(&interfaces, "the network interfaces of a Uniform scale set");
        self.add(
            &instances,
            "its instances, to leave out those that are gone",
        );
        if config.address_type.is_public() {
            let public = self.requests.scale_set_public_addresses("", "");
            self.add(&public, "their public addresses");
        }
    }

    fn scale_set(&mut self, reason: &'static str) {
        let request = self.requests.scale_set("", "");
        self.add(&request, reason);
    }

    fn virtual_machines(&mut self, reason: &'static str) {
        let request = self.requests.virtual_machines(None);
        self.add(&request, reason);
    }

    fn network_interfaces(&mut self, reason: &'static str) {
        let request = self.requests.network_interfaces(None);
        self.add(&request, reason);
    }

    fn public_addresses(&mut self, config: &AzureConfig) {
        if config.address_type.is_public() {
            let request = self.requests.public_addresses(None);
            self.add(&request, "the public addresses");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloud_autojoin_core::Env;

    use super::*;

    fn role(string: &str, format: RoleFormat) -> RoleDocument {
        let context = Context::builder().env(Env::empty()).build().unwrap();
        write(
            &ConfigString::parse(&format!("provider=azure {string}")).unwrap(),
            &context,
            format,
        )
        .unwrap()
    }

    fn actions(string: &str) -> Vec<String> {
        let document: serde_json::Value =
            serde_json::from_str(&role(string, RoleFormat::Native).text).unwrap();
        document["Actions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|action| action.as_str().unwrap().replace("Microsoft.", ""))
            .collect()
    }

    const SUBSCRIPTION: &str = "subscription_id=00000000-0000-0000-0000-000000000001";

    #[test]
    fn each_selection_has_its_own_actions() {
        for (string, expected) in [
            (
                "tag_name=a tag_value=b",
                &["Network/networkInterfaces/read"][..],
            ),
            (
                "tag_name=a tag_value=b tag_on=vm",
                &[
                    "Compute/virtualMachines/read",
                    "Network/networkInterfaces/read",
                ],
            ),
            (
                "tag_name=a tag_value=b power_state=running",
                &[
                    "Network/networkInterfaces/read",
                    "Compute/virtualMachines/read",
                ],
            ),
            (
                "tag_name=a tag_value=b address_type=public_v4",
                &[
                    "Network/networkInterfaces/read",
                    "Network/publicIPAddresses/read",
                ],
            ),
            (
                "resource_group=g vm_scale_set=s orchestration_mode=flexible",
                &[
                    "Compute/virtualMachines/read",
                    "Network/networkInterfaces/read",
                    "Compute/virtualMachineScaleSets/read",
                ],
            ),
            (
                "resource_group=g vm_scale_set=s orchestration_mode=uniform address_type=public_v4",
                &[
                    "Compute/virtualMachineScaleSets/networkInterfaces/read",
                    "Compute/virtualMachineScaleSets/virtualMachines/read",
                    "Compute/virtualMachineScaleSets/publicIPAddresses/read",
                    "Compute/virtualMachineScaleSets/read",
                ],
            ),
        ] {
            assert_eq!(
                actions(&format!("{SUBSCRIPTION} {string}")),
                expected,
                "{string}"
            );
        }
    }

    #[test]
    fn the_role_is_assignable_where_the_string_looks_and_nowhere_else() {
        let scopes = |string: &str| {
            let role = role(string, RoleFormat::Native);
            let document: serde_json::Value = serde_json::from_str(&role.text).unwrap();
            (document["AssignableScopes"].clone(), role.notes.len())
        };
        let subscription = "/subscriptions/00000000-0000-0000-0000-000000000001";
        assert_eq!(
            scopes(&format!("{SUBSCRIPTION} tag_name=a tag_value=b")),
            (json!([subscription]), 0)
        );
        let groups = json!([
            format!("{subscription}/resourceGroups/g"),
            format!("{subscription}/resourceGroups/h")
        ]);
        assert_eq!(
            scopes(&format!(
                "{SUBSCRIPTION} tag_name=a tag_value=b resource_group=g,h"
            )),
            (groups, 0)
        );
        let own = json!(["/subscriptions/SUBSCRIPTION_ID/resourceGroups/RESOURCE_GROUP"]);
        assert_eq!(
            scopes("resource_group=self vm_scale_set=self orchestration_mode=flexible"),
            (own, 2)
        );
    }

    #[test]
    fn terraform_has_the_same_role_with_the_reasons_and_no_templates() {
        let text = role(
            &format!(r#"{SUBSCRIPTION} tag_name=a tag_value="${{x}}\"%{{y}}""#),
            RoleFormat::Terraform,
        )
        .text;
        assert_eq!(
            text,
            "resource \"azurerm_role_definition\" \"discover\" {\n  name        = \"discover tag a = $${x}\\\"%%{y} on the network interface\"\n  \
             description = \"Reads what `discover` needs to resolve one join string, and nothing else\"\n  scope       = \"/subscriptions/00000000-0000-0000-0000-000000000001\"\n\n  \
             permissions {\n    actions = [\n      # the network interfaces and their addresses\n      \"Microsoft.Network/networkInterfaces/read\",\n    ]\n  }\n\n  \
             assignable_scopes = [\"/subscriptions/00000000-0000-0000-0000-000000000001\"]\n}\n"
        );
    }
}
