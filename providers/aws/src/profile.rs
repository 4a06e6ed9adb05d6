//! The shared files of AWS's tools: `~/.aws/config` and `~/.aws/credentials`.
//!
//! Facts: docs.aws.amazon.com/sdkref/latest/guide/file-format.html.

use std::collections::BTreeMap;
use std::io;

use cloud_autojoin_core::{Context, file};

/// More than this is no such file.
const MAX_FILE: u64 = 1 << 20;

/// The sections of both files; `Debug` shows none of their values.
#[derive(Default)]
pub(crate) struct SharedFiles {
    profiles: BTreeMap<String, Section>,
    sso_sessions: BTreeMap<String, Section>,
    /// Why a file at its usual place can't be read: a service manager may hide home directories.
    unreadable: Option<String>,
}

/// One section: its names, in lower case, and values.
pub(crate) type Section = BTreeMap<String, String>;

impl SharedFiles {
    /// Reads both files; one that isn't there, or can't be read at its usual place, is empty.
    ///
    /// # Errors
    ///
    /// A file that the environment names and that can't be read, with its path.
    pub(crate) async fn read(context: &Context) -> Result<Self, String> {
        let mut files = Self::default();
        for (variable, name) in [
            ("AWS_CONFIG_FILE", "config"),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ] {
            let named = context.env().filled(variable);
            let is_named = named.is_some();
            let Some(path) =
                named.or_else(|| Some(format!("{}/.aws/{name}", Self::home(context)?)))
            else {
                continue;
            };
            match file::read_text(&path, MAX_FILE).await {
                Ok(text) => files.add(&text, name == "config"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if is_named => return Err(format!("cannot read `{path}`: {error}")),
                Err(error) => files.unreadable = Some(format!("cannot read `{path}`: {error}")),
            }
        }
        Ok(files)
    }

    /// The name of the profile that is used, and whether the environment names it.
    pub(crate) fn chosen(context: &Context) -> (String, bool) {
        let named = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]
            .iter()
            .find_map(|name| context.env().filled(name));
        let is_named = named.is_some();
        (named.unwrap_or_else(|| "default".to_owned()), is_named)
    }

    /// What to say of a profile that isn't there.
    pub(crate) fn missing(&self, name: &str) -> String {
        let because = self
            .unreadable
            .as_ref()
            .map_or_else(String::new, |reason| format!(" ({reason})"));
        format!("no profile `{name}` in the shared files{because}")
    }

    pub(crate) fn profile(&self, name: &str) -> Option<&Section> {
        self.profiles.get(name)
    }

    pub(crate) fn sso_session(&self, name: &str) -> Option<&Section> {
        self.sso_sessions.get(name)
    }

    /// The home directory.
    pub(crate) fn home(context: &Context) -> Option<String> {
        ["HOME", "USERPROFILE"]
            .iter()
            .find_map(|name| context.env().filled(name))
    }

    /// Adds the sections of one file; its values replace those there are.
    fn add(&mut self, text: &str, is_config: bool) {
        let mut section = None;
        for line in text.trim_start_matches('\u{feff}').lines() {
            // Indented lines belong to the value before, a group of settings for one service.
            let is_nested = line.starts_with([' ', '\t']);
            let line = line.trim_end();
            if is_nested || line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(header) = line.strip_prefix('[') {
                section = self.section(
                    header.split(']').next().unwrap_or_default().trim(),
                    is_config,
                );
            } else if let (Some(section), Some((name, value))) =
                (&mut section, line.split_once('='))
            {
                let value = [" #", " ;", "\t#", "\t;"]
                    .iter()
                    .filter_map(|mark| value.find(mark))
                    .min()
                    .map_or(value, |end| &value[..end]);
                section.insert(name.trim().to_lowercase(), value.trim().to_owned());
            }
        }
    }

    /// In `config` profiles but `default` have the word `profile` before their name.
    fn section(&mut self, header: &str, is_config: bool) -> Option<&mut Section> {
        let (kind, name) = header
            .split_once([' ', '\t'])
            .map_or(("", header), |(kind, name)| (kind, name.trim()));
        let sections = match kind {
            "sso-session" if is_config => &mut self.sso_sessions,
            "profile" if is_config => &mut self.profiles,
            "" if !is_config || name == "default" => &mut self.profiles,
            _ => return None,
        };
        Some(sections.entry(name.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn both_files_are_read_as_the_tools_of_aws_read_them() {
        let mut files = SharedFiles::default();
        files.add(
            "\u{feff}; a comment\r\n[default]\nregion = eu-west-1 # here\nAws_Access_Key_Id=old\ns3 =\n  max_concurrent_requests = 20\n\
             [profile dev]\nrole_arn = arn:aws:iam::1:role/a\n[dev]\nrole_arn = ignored\n[sso-session corp]\nsso_region=us-east-1\n",
            true,
        );
        files.add(
            "[default]\naws_access_key_id = AKID\naws_secret_access_key = a=b#c\n",
            false,
        );
        let default = files.profile("default").unwrap();
        assert_eq!(
            (
                default["region"].as_str(),
                default["aws_access_key_id"].as_str()
            ),
            ("eu-west-1", "AKID")
        );
        assert_eq!(default["aws_secret_access_key"], "a=b#c");
        assert!(!default.contains_key("max_concurrent_requests"));
        assert_eq!(
            files.profile("dev").unwrap()["role_arn"],
            "arn:aws:iam::1:role/a"
        );
        assert!(files.profile("corp").is_none());
        assert_eq!(
            files.sso_session("corp").unwrap()["sso_region"],
            "us-east-1"
        );
    }
}
