//! The Role that a join string needs, and its binding.

use cloud_autojoin_core::{ConfigString, Context, Result, RoleDocument, RoleFormat};
use cloud_autojoin_provider_kit::role::hcl_string;

use crate::keys::{NAMESPACE, SELF, SERVICE};

/// A Role with the one verb that is used, bound to a service account.
pub(crate) fn role(config: &ConfigString, _: &Context, format: RoleFormat) -> Result<RoleDocument> {
    let filled = |key: &str| config.get(key).filter(|value| !value.is_empty());
    let (group, resource) = if filled(SERVICE.name).is_some() {
        ("discovery.k8s.io", "endpointslices")
    } else {
        ("", "pods")
    };
    let namespace = filled(NAMESPACE.name).filter(|name| *name != SELF);
    let namespace = hcl_string(namespace.unwrap_or("default"));
    let template = if format == RoleFormat::Terraform {
        include_str!("role.tf")
    } else {
        include_str!("role.yaml")
    };
    let text = template
        .replace("GROUP", group)
        .replace("RESOURCE", resource)
        .replace("NAMESPACE", &namespace);
    let note = if filled(NAMESPACE.name) == Some(SELF) {
        "put in the namespace of the pods, and the service account that they run as"
    } else {
        "the subject is the service account `default`: put in the one that the pods run as"
    };
    Ok(RoleDocument::new(text).with_note(note))
}
