//! Who may ask: applications and managed identities, each with the actions it may do and where.

use std::fmt;

use serde::Deserialize;

/// Who a token is for. TOML: `[[principal]]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// What the world calls it, and `[machine]` names it by.
    pub name: String,
    /// The tenant; the world's own unless told.
    #[serde(default)]
    pub tenant_id: String,
    /// The application (client) id.
    pub client_id: String,
    /// The id of the service principal, which authorization errors name.
    pub object_id: String,
    /// What it is.
    #[serde(default)]
    pub kind: PrincipalKind,
    /// The secret of an application.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// The certificate, in PEM, that an application signs with. Its key must be RSA, as Entra ID
    /// wants it.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The subject (`sub`) of tokens that an application or identity takes from another issuer:
    /// workload identity.
    #[serde(default)]
    pub federated_subject: Option<String>,
    /// The ARM resource id of a user-assigned identity.
    #[serde(default)]
    pub resource_id: Option<String>,
    /// The actions it may do, `*` for anything between (also slashes), compared without case; all
    /// reads unless told.
    #[serde(default = "all_reads")]
    pub actions: Vec<String>,
    /// Actions taken away from those.
    #[serde(default)]
    pub not_actions: Vec<String>,
    /// Where it may: `/`, a subscription's, a group's or a resource's id; everywhere unless told.
    #[serde(default = "everywhere")]
    pub scope: String,
}

fn all_reads() -> Vec<String> {
    vec!["*/read".to_owned()]
}

fn everywhere() -> String {
    "/".to_owned()
}

// A world's secrets are pretend ones, but the tests that look for a leaked secret look at
// everything that is printed.
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
    /// The identity that a machine was born with.
    SystemIdentity,
    /// An identity that is a resource, lent to machines.
    UserAssignedIdentity,
}

/// Whose token came with a request, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The application (client) id, which stands for the client in authorization errors.
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
    /// A caller with what the principal may do now. Roles that change later do not reach it, so
    /// make a new one for every request.
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

    /// Whether the caller's own scope lies in or above `scope`: it can see that there is such a
    /// thing.
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

/// Whether `action` fits `pattern`, in which each `*` stands for any run of characters.
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
    fn a_star_stands_for_any_run_of_characters() {
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
