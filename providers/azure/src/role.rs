//! The least custom role for a join string: which actions it may need, where, and why.

use cloud_autojoin_core::{ConfigString, Context, Result, RoleDocument, RoleFormat};
use cloud_autojoin_provider_kit::role::hcl_string;
use serde_json::json;

use crate::arm::{
    NETWORK_INTERFACES, PUBLIC_ADDRESSES, SCALE_SETS, UNIFORM_ADDRESSES, UNIFORM_INSTANCES,
    UNIFORM_INTERFACES, VIRTUAL_MACHINES,
};
use crate::builder::AzureBuilder;
use crate::keys::SELF;
use crate::select::{AzureConfig, OrchestrationMode, PowerState, TagPlace};

/// The placeholders for a subscription and a group that only the machine it runs on knows.
const OWN_SUBSCRIPTION: &str = "SUBSCRIPTION_ID";
const OWN_GROUP: &str = "RESOURCE_GROUP";

const DESCRIPTION: &str =
    "Reads what `discover` needs to resolve one join string, and nothing else";

/// Actions, each with what it is for.
type Permissions = Vec<(String, &'static str)>;

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
    let config = azure.config();
    // Azure takes up to 512 characters.
    let name = format!("discover {}", config.selection).replace('`', "");
    let name: String = name.chars().take(256).collect();
    let (permissions, scopes) = (permissions(config), scopes(config));
    let mut document = RoleDocument::new(match format {
        RoleFormat::Terraform => terraform(&name, &permissions, &scopes),
        _ => native(&name, &permissions, &scopes),
    });
    let own_group = config
        .selection
        .resource_groups()
        .contains(&SELF.to_owned());
    for (is_own, word, what) in [
        (
            config.subscription_id == SELF,
            OWN_SUBSCRIPTION,
            "subscription",
        ),
        (own_group, OWN_GROUP, "resource group"),
    ] {
        if is_own {
            document = document.with_note(format!(
                "put the {what} in place of {word}: the join string leaves it to the machine it runs on"
            ));
        }
    }
    if config.selection.orchestration_mode() == Some(None) {
        document = document.with_note("the role is for either orchestration mode; with `orchestration_mode` in the string it is smaller");
    }
    Ok(document)
}

/// Where the role is assignable: the groups, or the subscription.
fn scopes(config: &AzureConfig) -> Vec<String> {
    let own = |name: &str, word: &str| if name == SELF { word } else { name }.to_owned();
    let subscription = own(&config.subscription_id, OWN_SUBSCRIPTION);
    let subscription = format!("/subscriptions/{subscription}");
    let groups = config.selection.resource_groups();
    if groups.is_empty() {
        return vec![subscription];
    }
    let groups = groups.iter().map(|group| own(group, OWN_GROUP));
    groups
        .map(|group| format!("{subscription}/resourceGroups/{group}"))
        .collect()
}

/// What `az role definition create --role-definition @FILE` takes.
fn native(name: &str, permissions: &Permissions, scopes: &[String]) -> String {
    let actions: Vec<&String> = permissions.iter().map(|(action, _)| action).collect();
    let document = json!({
        "Name": name,
        "IsCustom": true,
        "Description": DESCRIPTION,
        "Actions": actions,
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": scopes,
    });
    format!("{document:#}\n")
}

/// A resource of the provider `hashicorp/azurerm`.
fn terraform(name: &str, permissions: &Permissions, scopes: &[String]) -> String {
    let action = |(action, reason): &(String, &str)| {
        format!("      # {reason}\n      {},\n", hcl_string(action))
    };
    let actions: String = permissions.iter().map(action).collect();
    let scopes: Vec<String> = scopes.iter().map(|scope| hcl_string(scope)).collect();
    let (name, description, scope) = (hcl_string(name), hcl_string(DESCRIPTION), &scopes[0]);
    let scopes = scopes.join(", ");
    format!(
        r#"resource "azurerm_role_definition" "discover" {{
  name        = {name}
  description = {description}
  scope       = {scope}

  permissions {{
    actions = [
{actions}    ]
  }}

  assignable_scopes = [{scopes}]
}}
"#
    )
}

/// The actions, each once with its first reason, the most needed first.
fn permissions(config: &AzureConfig) -> Permissions {
    let tags = config.selection.tag_filter();
    let (on_set, on_vm) = (TagPlace::ScaleSet, TagPlace::Instance);
    let (on_set, on_vm) = (tags.may_be_on(on_set), tags.may_be_on(on_vm));
    let mode = config.selection.orchestration_mode();
    let (is_set, by_tag) = (mode.is_some(), mode.is_none());
    let mode = mode.flatten();
    let uniform = (is_set || on_set) && mode != Some(OrchestrationMode::Flexible);
    let flexible = (is_set || on_set) && mode != Some(OrchestrationMode::Uniform);
    let public = config.address_type.is_public();
    let running = config.power_state == PowerState::Running;
    let rows = [
        (by_tag && on_set, SCALE_SETS, "scale sets and their tags"),
        (flexible, VIRTUAL_MACHINES, "machines of a Flexible set"),
        (flexible, NETWORK_INTERFACES, "their network interfaces"),
        (flexible && public, PUBLIC_ADDRESSES, "public addresses"),
        (uniform, UNIFORM_INTERFACES, "interfaces of a Uniform set"),
        (uniform, UNIFORM_INSTANCES, "to exclude deleted instances"),
        (uniform && public, UNIFORM_ADDRESSES, "public addresses"),
        (is_set && on_set, SCALE_SETS, "the tags of the scale set"),
        (
            is_set,
            SCALE_SETS,
            "to distinguish an empty set from no set",
        ),
        (by_tag && on_vm, VIRTUAL_MACHINES, "machines with tags"),
        (by_tag, NETWORK_INTERFACES, "interfaces and addresses"),
        (by_tag && running, VIRTUAL_MACHINES, "power states"),
        (by_tag && public, PUBLIC_ADDRESSES, "public addresses"),
    ];
    let mut permissions = Permissions::new();
    for (_, kind, reason) in rows.into_iter().filter(|(is_needed, ..)| *is_needed) {
        let action = format!("{}/read", kind.name);
        if permissions.iter().all(|(known, _)| *known != action) {
            permissions.push((action, reason));
        }
    }
    permissions
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
             permissions {\n    actions = [\n      # interfaces and addresses\n      \"Microsoft.Network/networkInterfaces/read\",\n    ]\n  }\n\n  \
             assignable_scopes = [\"/subscriptions/00000000-0000-0000-0000-000000000001\"]\n}\n"
        );
    }
}
