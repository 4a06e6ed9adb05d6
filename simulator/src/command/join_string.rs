//! A join string for the world at hand, ready to be pasted.

use cloud_autojoin_simulator::azure::Simulator;

use super::environment::application;

/// `provider=azure ...` for the first scale set of the world, else for the first tagged interface.
pub(crate) fn join_string(simulator: &Simulator) -> String {
    let mut pairs = vec![("provider", "azure".to_owned())];
    if let Some(principal) = application(simulator) {
        pairs.push(("tenant_id", principal.tenant_id));
        pairs.push(("client_id", principal.client_id));
        pairs.push((
            "secret_access_key",
            principal.client_secret.unwrap_or_default(),
        ));
    }
    simulator.with_world(|world| {
        for subscription in world.subscriptions() {
            if let Some((group, set)) = subscription
                .resource_groups
                .iter()
                .find_map(|group| Some((group, group.scale_sets.first()?)))
            {
                pairs.push(("subscription_id", subscription.id.clone()));
                pairs.push(("resource_group", group.name.clone()));
                pairs.push(("vm_scale_set", set.name.clone()));
                return;
            }
            let mut interfaces = subscription
                .resource_groups
                .iter()
                .flat_map(|group| &group.network_interfaces);
            if let Some((name, value)) =
                interfaces.find_map(|interface| interface.tags.first_key_value())
            {
                pairs.push(("subscription_id", subscription.id.clone()));
                pairs.push(("tag_name", name.clone()));
                pairs.push(("tag_value", value.clone()));
                return;
            }
        }
    });
    let written: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key}={}", quoted(value)))
        .collect();
    format!("{} {}", written.join(" "), simulator.join_settings())
}

/// A value as the join string's grammar wants it: in double quotes unless it is plain.
fn quoted(value: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:/+~".contains(letter);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_when_it_needs_to_be() {
        assert_eq!(quoted("plain-value_1"), "plain-value_1");
        assert_eq!(quoted("two words"), "\"two words\"");
        assert_eq!(quoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
        assert_eq!(quoted(""), "\"\"");
    }
}
