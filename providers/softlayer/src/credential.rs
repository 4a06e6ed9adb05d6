//! What `~/.softlayer` says, the configuration file of IBM's own tools.

use std::path::Path;

use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::{Context, Secret};
use cloud_autojoin_provider_kit::ini;

/// The section `[softlayer]` of the file.
#[derive(Debug, Default)]
pub(crate) struct ConfigFile {
    pub(crate) username: Option<String>,
    pub(crate) api_key: Option<Secret>,
    pub(crate) endpoint: Option<String>,
    /// Why there is nothing of it, for people.
    pub(crate) problem: Option<String>,
}

impl ConfigFile {
    /// Reads the file of the user. One that isn't there is an empty one with the reason.
    pub(crate) async fn read(context: &Context) -> Self {
        let Some(home) = context.env().filled("HOME") else {
            return Self::without("`HOME` isn't set".to_owned());
        };
        match read_text(Path::new(&home).join(".softlayer"), MAX_SECRET_FILE).await {
            Ok(text) => Self::parse(&text),
            Err(error) => Self::without(error.to_string()),
        }
    }

    fn without(problem: String) -> Self {
        Self {
            problem: Some(problem),
            ..Self::default()
        }
    }

    fn parse(text: &str) -> Self {
        let mut section = ini::parse(text).remove("softlayer").unwrap_or_default();
        let mut take = |name| section.remove(name);
        let (username, api_key) = (take("username"), take("api_key"));
        let missing = "its section `[softlayer]` has no `username` and `api_key`";
        let is_complete = username.is_some() && api_key.is_some();
        Self {
            username,
            api_key: api_key.map(Secret::new),
            endpoint: take("endpoint_url"),
            problem: (!is_complete).then(|| missing.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_softlayer_is_read_and_no_other() {
        let file = ConfigFile::parse(
            "[a]\nusername = no\n\n[softlayer]\n# api_key = no\nusername = me\napi_key=k\nendpoint_url = https://a.example/xmlrpc/v3.1/\ntimeout = 0\n",
        );
        assert_eq!(
            (
                file.username.as_deref(),
                file.api_key.as_ref().map(Secret::expose)
            ),
            (Some("me"), Some("k"))
        );
        assert_eq!(
            (file.endpoint.as_deref(), file.problem),
            (Some("https://a.example/xmlrpc/v3.1/"), None)
        );
        assert!(
            ConfigFile::parse("[softlayer]\nusername = me\napi_key =\n")
                .problem
                .is_some()
        );
    }
}
