//! The least custom role for a join string: which actions it may come to need, where, and why.

use cloud_autojoin_core::{ConfigString, Context, Result, RoleDocument, RoleFormat};
use serde_json::json;

use crate::arm::{
    Kind, NETWORK_INTERFACES, PUBLIC_ADDRESSES, SCALE_SETS, UNIFORM_ADDRESSES, UNIFORM_INSTANCES,
    UNIFORM_INTERFACES, VIRTUAL_MACHINES,
};
use crate::builder::AzureBuilder;
use crate::keys::SELF;
use crate::select::{AzureConfig, OrchestrationMode, PowerState, Selection, TagPlace};

/// The placeholder for a subscription or a group that only the machine it runs on knows.
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
    let (groups, either_mode) = match &config.selection {
        Selection::Tag {
            resource_groups, ..
        } => (resource_groups.as_slice(), false),
        Selection::ScaleSet {
            resource_group,
            orchestration_mode,
            ..
        } => (
            std::slice::from_ref(resource_group),
            orchestration_mode.is_none(),
        ),
    };
    let (permissions, scopes) = (permissions(config), scopes(config, groups));
    let mut document = RoleDocument::new(match format {
        RoleFormat::Terraform => terraform(&name, &permissions, &scopes),
        _ => json(&name, &permissions, &scopes),
    });
    for (word, what) in [
        (OWN_SUBSCRIPTION, "subscription"),
        (OWN_GROUP, "resource group"),
    ] {
        let mut parts = scopes.iter().flat_map(|scope| scope.split('/'));
        if parts.any(|part| part == word) {
            document = document.with_note(format!("put the {what} in place of {word}: the join string leaves it to the machine it runs on"));
        }
    }
    Ok(if either_mode {
        document.with_note("the role is for either orchestration mode; with `orchestration_mode` in the string it is smaller")
    } else {
        document
    })
}

/// Where the role is assignable: the groups, or the subscription.
fn scopes(config: &AzureConfig, groups: &[String]) -> Vec<String> {
    let own = |name: &str, word: &str| if name == SELF { word } else { name }.to_owned();
    let subscription = own(&config.subscription_id, OWN_SUBSCRIPTION);
    let subscription = format!("/subscriptions/{subscription}");
    if groups.is_empty() {
        return vec![subscription];
    }
    let groups = groups.iter().map(|group| own(group, OWN_GROUP));
    groups
        .map(|group| format!("{subscription}/resourceGroups/{group}"))
        .collect()
}

/// What `az role definition create --role-definition @FILE` takes.
fn json(name: &str, permissions: &Permissions, scopes: &[String]) -> String {
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
    let scopes: Vec<String> = scopes.iter().map(|scope| quoted(scope)).collect();
    let action = |(action, reason): &(String, &str)| {
        format!("      # {reason}\n      {},\n", quoted(action))
    };
    let actions: String = permissions.iter().map(action).collect();
    format!(
        "resource \"azurerm_role_definition\" \"discover\" {{\n  name        = {}\n  description = {}\n  scope       = {}\n\n  permissions {{\n    actions = [\n{actions}    ]\n  }}\n\n  \
         assignable_scopes = [{}]\n}}\n",
        quoted(name),
        quoted(DESCRIPTION),
        scopes[0],
        scopes.join(", ")
    )
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
fn permissions(config: &AzureConfig) -> Permissions {
    let is_public = config.address_type.is_public();
    let mut permissions = Permissions::new();
    let wanted = &mut permissions;
    match &config.selection {
        Selection::ScaleSet {
            orchestration_mode,
            tags,
            ..
        } => {
            if *orchestration_mode != Some(OrchestrationMode::Uniform) {
                flexible(wanted, is_public);
            }
            if *orchestration_mode != Some(OrchestrationMode::Flexible) {
                uniform(wanted, is_public);
            }
            let tags = tags.as_ref();
            let reason = if tags.is_some_and(|tags| tags.may_be_on(TagPlace::ScaleSet)) {
                "the tags of the scale set"
            } else {
                "to tell a scale set without instances from one that is not there"
            };
            add(wanted, SCALE_SETS, reason);
        }
        Selection::Tag { tags, .. } => {
            if tags.may_be_on(TagPlace::ScaleSet) {
                add(wanted, SCALE_SETS, "the scale sets and their tags");
                flexible(wanted, is_public);
                uniform(wanted, is_public);
            }
            if tags.may_be_on(TagPlace::Instance) {
                add(
                    wanted,
                    VIRTUAL_MACHINES,
                    "the virtual machines and their tags",
                );
            }
            add(
                wanted,
                NETWORK_INTERFACES,
                "the network interfaces and their addresses",
            );
            if config.power_state == PowerState::Running {
                add(
                    wanted,
                    VIRTUAL_MACHINES,
                    "whether a virtual machine is running",
                );
            }
            if is_public {
                add(wanted, PUBLIC_ADDRESSES, "the public addresses");
            }
        }
    }
    permissions
}

fn flexible(wanted: &mut Permissions, is_public: bool) {
    add(
        wanted,
        VIRTUAL_MACHINES,
        "the virtual machines of a Flexible scale set",
    );
    add(wanted, NETWORK_INTERFACES, "their network interfaces");
    if is_public {
        add(wanted, PUBLIC_ADDRESSES, "the public addresses");
    }
}

fn uniform(wanted: &mut Permissions, is_public: bool) {
    add(
        wanted,
        UNIFORM_INTERFACES,
        "the network interfaces of a Uniform scale set",
    );
    add(
        wanted,
        UNIFORM_INSTANCES,
        "its instances, to leave out those that are gone",
    );
    if is_public {
        add(wanted, UNIFORM_ADDRESSES, "their public addresses");
    }
}

fn add(wanted: &mut Permissions, kind: Kind, reason: &'static str) {
    let action = format!("{}/read", kind.name);
    if wanted.iter().all(|(known, _)| *known != action) {
        wanted.push((action, reason));
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
