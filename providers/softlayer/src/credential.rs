//! What `~/.softlayer` says, the configuration file of IBM's own tools.

use std::path::Path;

use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::{Context, Secret};

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
            return Self {
                problem: Some("`HOME` isn't set".to_owned()),
                ..Self::default()
            };
        };
        match read_text(Path::new(&home).join(".softlayer"), MAX_SECRET_FILE).await {
            Ok(text) => Self::parse(&text),
            Err(error) => Self {
                problem: Some(error.to_string()),
                ..Self::default()
            },
        }
    }

    fn parse(text: &str) -> Self {
        let mut file = Self::default();
        let mut is_ours = false;
        for line in text.lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('[') {
                is_ours = section.trim_end_matches(']').trim() == "softlayer";
                continue;
            }
            let Some((key, value)) = line
                .split_once(['=', ':'])
                .filter(|_| is_ours && !line.starts_with(['#', ';']))
            else {
                continue;
            };
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            match key.trim() {
                "username" => file.username = value,
                "api_key" => file.api_key = value.map(Secret::new),
                "endpoint_url" => file.endpoint = value,
                _ => {}
            }
        }
        if file.username.is_none() || file.api_key.is_none() {
            file.problem =
                Some("its section `[softlayer]` has no `username` and `api_key`".to_owned());
        }
        file
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
