//! Principals: applications and managed identities, with their permissions.

use std::fmt;

use serde::Deserialize;

/// A principal. TOML: `[[principal]]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Its name in the world file, to which `[machine]` refers.
    pub name: String,
    /// The tenant; by default the world's own.
    #[serde(default)]
    pub tenant_id: String,
    /// The application (client) id.
    pub client_id: String,
    /// The id of the service principal, which authorization errors contain.
    pub object_id: String,
    /// Its kind.
    #[serde(default)]
    pub kind: PrincipalKind,
    /// The secret of an application.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// The certificate, in PEM, that an application signs with. Its key must be RSA, as Entra ID
    /// requires.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The subject (`sub`) of accepted tokens of another issuer: workload identity.
    #[serde(default)]
    pub federated_subject: Option<String>,
    /// The ARM resource id of a user-assigned identity.
    #[serde(default)]
    pub resource_id: Option<String>,
    /// The permitted actions, with `*` for any text (including slashes), compared
    /// case-insensitively; by default all reads.
    #[serde(default = "all_reads")]
    pub actions: Vec<String>,
    /// Actions that are excluded from those.
    #[serde(default)]
    pub not_actions: Vec<String>,
    /// Where it may: `/`, a subscription's, a group's or a resource's id; by default everywhere.
    #[serde(default = "everywhere")]
    pub scope: String,
}

fn all_reads() -> Vec<String> {
    vec!["*/read".to_owned()]
}

fn everywhere() -> String {
    "/".to_owned()
}

// A world's secrets are fake, but tests search all output for them.
impl fmt::Debug for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Principal")
            .field("name", &self.name)
            .field("tenant_id", &self.tenant_id)
            .field("client_id", &self.client_id)
            .field("object_id", &self.object_id)
            .field("kind", &self.kind)
            .field("resource_id", &self.resource_id)
            .field("actions", &self.actions)
            .field("not_actions", &self.not_actions)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrincipalKind {
    /// An application's service principal: client secret, certificate or federated token.
    #[default]
    Application,
    /// The system-assigned identity of a machine.
    SystemIdentity,
    /// A user-assigned identity.
    UserAssignedIdentity,
}

/// The principal of a request's token, with its permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The application (client) id, which authorization errors contain.
    pub client_id: String,
    /// The object id.
    pub object_id: String,
    /// The tenant.
    pub tenant_id: String,
    actions: Vec<String>,
    not_actions: Vec<String>,
    scope: String,
}

impl Caller {
    /// A caller with the principal's current permissions. Later changes don't apply to it, so
    /// create one for every request.
    pub fn of(principal: &Principal) -> Self {
        Self {
            client_id: principal.client_id.clone(),
            object_id: principal.object_id.clone(),
            tenant_id: principal.tenant_id.clone(),
            actions: principal.actions.clone(),
            not_actions: principal.not_actions.clone(),
            scope: principal.scope.clone(),
        }
    }

    /// Whether `action` (`Microsoft.Network/networkInterfaces/read`) is allowed on the ARM id
    /// `scope`.
    pub fn may(&self, action: &str, scope: &str) -> bool {
        self.covers(scope)
            && self.actions.iter().any(|pattern| matches(pattern, action))
            && !self
                .not_actions
                .iter()
                .any(|pattern| matches(pattern, action))
    }

    /// Whether the caller's scope is in or above `scope`, so that it may see that `scope` exists.
    pub(crate) fn touches(&self, scope: &str) -> bool {
        self.covers(scope) || lies_within(&self.scope, scope)
    }

    fn covers(&self, scope: &str) -> bool {
        lies_within(scope, &self.scope)
    }
}

/// Whether the ARM id `inner` is `outer` or below it.
fn lies_within(inner: &str, outer: &str) -> bool {
    let outer = outer.trim_end_matches('/');
    match inner.get(..outer.len()) {
        Some(start) if start.eq_ignore_ascii_case(outer) => {
            matches!(inner.as_bytes().get(outer.len()), None | Some(b'/'))
        }
        _ => false,
    }
}

/// Whether `action` matches `pattern`, in which each `*` matches any text.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = action.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_run_of_characters() {
        for (pattern, action, fits) in [
            ("*/read", "Microsoft.Network/networkInterfaces/read", true),
            ("*", "Microsoft.Network/networkInterfaces/read", true),
            (
                "Microsoft.Compute/virtualMachineScaleSets/*/read",
                "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read",
                true,
            ),
            (
                "Microsoft.Compute/virtualMachineScaleSets/*/read",
                "Microsoft.Compute/virtualMachineScaleSets/read",
                false,
            ),
            (
                "microsoft.network/NETWORKINTERFACES/*",
                "Microsoft.Network/networkInterfaces/read",
                true,
            ),
            (
                "Microsoft.Network/networkInterfaces/read",
                "Microsoft.Network/networkInterfaces/read",
                true,
            ),
            (
                "Microsoft.Network/networkInterfaces/read",
                "Microsoft.Network/networkInterfaces/readX",
                false,
            ),
            (
                "Microsoft.Network/networkInterfaces/write",
                "Microsoft.Network/networkInterfaces/read",
                false,
            ),
            ("a*b*c", "aXbYc", true),
            ("a*bb*b", "abb", false),
            ("a*/read", "a/readers", false),
        ] {
            assert_eq!(matches(pattern, action), fits, "{pattern} on {action}");
        }
    }

    #[test]
    fn a_scope_ends_at_a_slash() {
        assert!(lies_within(
            "/subscriptions/1/resourceGroups/nomad",
            "/SUBSCRIPTIONS/1/resourcegroups/Nomad"
        ));
        assert!(lies_within("/subscriptions/1/resourceGroups/nomad", "/"));
        assert!(lies_within(
            "/subscriptions/1/resourceGroups/nomad/x",
            "/subscriptions/1/"
        ));
        assert!(!lies_within(
            "/subscriptions/1/resourceGroups/nomad-2",
            "/subscriptions/1/resourceGroups/nomad"
        ));
        assert!(!lies_within(
            "/subscriptions/1",
            "/subscriptions/1/resourceGroups/nomad"
        ));
    }
}
