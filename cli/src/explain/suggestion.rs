//! The join string that would work.

use cloud_autojoin::{ConfigString, Discovery, Registry, join_string};

/// The string with the changes of the most relevant finding that has any, secrets masked; `None` if
/// no finding has changes.
pub(super) fn of(discovery: &Discovery, config: &ConfigString) -> Option<String> {
    let finding = discovery
        .findings()
        .iter()
        .find(|finding| !finding.changes.is_empty())?;
    let mut config = config.clone();
    for (key, value) in &finding.changes {
        match value {
            Some(value) => config.insert(key, value),
            None => config.remove(key),
        };
    }
    let registry = Registry::compiled_in();
    let spec = registry.provider(discovery.provider())?;
    for unknown in registry.unknown_keys(&config).ok()? {
        config.remove(&unknown.key);
    }
    Some(join_string::masked(&config, spec, &registry))
}

#[cfg(test)]
mod tests {
    use cloud_autojoin::{Detail, Finding};

    use super::*;

    fn suggested(findings: impl IntoIterator<Item = Finding>) -> Option<String> {
        let config = ConfigString::parse(
            "provider=azure tag_on=nic tag_name=a tag_value=b client_secret=canary regoin=canary",
        )
        .unwrap();
        let mut discovery = Discovery::new("azure", "tag", Detail::Everything);
        findings
            .into_iter()
            .for_each(|finding| discovery.add_finding(finding));
        of(&discovery, &config)
    }

    #[test]
    fn the_first_finding_that_knows_what_to_change_is_applied() {
        let findings = [
            Finding::new("nothing to change"),
            Finding::new("elsewhere").with_change("tag_on", Some("scale_set")),
            Finding::new("last").with_change("tag_on", None),
        ];
        assert_eq!(
            suggested(findings).as_deref(),
            Some("provider=azure client_secret=*** tag_name=a tag_on=scale_set tag_value=b")
        );
        assert_eq!(
            suggested([Finding::new("too much").with_change("tag_on", None)]).as_deref(),
            Some("provider=azure client_secret=*** tag_name=a tag_value=b")
        );
        assert_eq!(suggested([Finding::new("nothing to change")]), None);
    }
}
