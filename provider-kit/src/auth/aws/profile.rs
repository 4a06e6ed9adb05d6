//! The shared files of AWS's tools, `~/.aws/config` and `~/.aws/credentials`, and the key of a
//! profile in them.
//!
//! Facts: docs.aws.amazon.com/sdkref/latest/guide/file-format.html.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Context, Secret, file};
use futures::future::BoxFuture;

use super::sts::Proof;
use super::{AwsConfig, SOURCES};
use crate::auth::{AccessKey, CredentialProgram, KeyResponse};
use crate::ini::{self, Section};

/// More than this is no such file.
const MAX_FILE: u64 = 1 << 20;

/// How long a program may take for its keys.
const PROCESS_LIMIT: Duration = Duration::from_secs(30);

/// The sections of both files; `Debug` shows none of their values.
#[derive(Default)]
pub(super) struct SharedFiles {
    profiles: BTreeMap<String, Section>,
    sso_sessions: BTreeMap<String, Section>,
    /// Why a file at its usual place can't be read: a service manager may hide home directories.
    unreadable: Option<String>,
}

impl SharedFiles {
    /// Reads both files; one that isn't there, or can't be read at its usual place, is empty.
    ///
    /// # Errors
    ///
    /// A file that the environment names and that can't be read, with its path.
    pub(super) async fn read(context: &Context) -> Result<Self, String> {
        let mut files = Self::default();
        for (variable, name) in [
            ("AWS_CONFIG_FILE", "config"),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ] {
            let named = context.env().filled(variable);
            let is_named = named.is_some();
            let Some(path) =
                named.or_else(|| Some(format!("{}/.aws/{name}", context.env().home()?)))
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
    pub(super) fn chosen(context: &Context) -> (String, bool) {
        let variables = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];
        let named = context.env().first_filled(&variables);
        let is_named = named.is_some();
        (named.unwrap_or_else(|| "default".to_owned()), is_named)
    }

    /// What to say of a profile that isn't there.
    pub(super) fn missing(&self, name: &str) -> String {
        let because = self
            .unreadable
            .as_ref()
            .map_or_else(String::new, |reason| format!(" ({reason})"));
        format!("no profile `{name}` in the shared files{because}")
    }

    pub(super) fn profile(&self, name: &str) -> Option<&Section> {
        self.profiles.get(name)
    }

    pub(super) fn sso_session(&self, name: &str) -> Option<&Section> {
        self.sso_sessions.get(name)
    }

    /// Adds the sections of one file; its values replace those there are. In `config` profiles but
    /// `default` have the word `profile` before their name.
    fn add(&mut self, text: &str, is_config: bool) {
        for (header, values) in ini::parse(text) {
            let (kind, name) = header
                .split_once([' ', '\t'])
                .map_or(("", header.as_str()), |(kind, name)| (kind, name.trim()));
            let sections = match kind {
                "sso-session" if is_config => &mut self.sso_sessions,
                "profile" if is_config => &mut self.profiles,
                "" if !is_config || name == "default" => &mut self.profiles,
                _ => continue,
            };
            let section = sections.entry(name.to_owned()).or_default();
            section.extend(values.iter().map(|(name, value)| {
                let comments = [" #", " ;", "\t#", "\t;"];
                let end = comments.iter().filter_map(|mark| value.find(mark)).min();
                let value = value[..end.unwrap_or(value.len())].trim();
                (name.clone(), value.to_owned())
            }));
        }
    }
}

/// A value of a section, unless it is empty.
pub(super) fn filled<'a>(section: &'a Section, name: &str) -> Option<&'a str> {
    let value = section.get(name).map(String::as_str);
    value.filter(|value| !value.is_empty())
}

impl AwsConfig {
    /// The key of the profile that is used.
    pub(super) async fn shared_profile(
        &self,
        region: &str,
        call: &Call,
    ) -> Result<AccessKey, SourceOutcome> {
        let files = SharedFiles::read(&self.context).await;
        let files = files.map_err(SourceOutcome::failed)?;
        let (name, is_named) = SharedFiles::chosen(&self.context);
        if files.profile(&name).is_none() && !is_named {
            return Err(SourceOutcome::NotConfigured(files.missing(&name)));
        }
        self.profile_key(&files, vec![&name], region, call).await
    }

    /// The key of the last profile of `path`, each of which refers to the next one.
    fn profile_key<'a>(
        &'a self,
        files: &'a SharedFiles,
        mut path: Vec<&'a str>,
        region: &'a str,
        call: &'a Call,
    ) -> BoxFuture<'a, Result<AccessKey, SourceOutcome>> {
        Box::pin(async move {
            let name = path.last().copied().unwrap_or_default();
            let profile = files
                .profile(name)
                .ok_or_else(|| SourceOutcome::failed(files.missing(name)))?;
            let get = |name| filled(profile, name);
            let own = self.own_key(name, profile, files, region, call);
            let (Some(_), Some(source)) = (
                get("role_arn"),
                get("source_profile").or_else(|| get("credential_source")),
            ) else {
                return own.await;
            };
            if get("mfa_serial").is_some() {
                return Err(SourceOutcome::failed(format!(
                    "the profile `{name}` needs a code (`mfa_serial`), which a program can't type"
                )));
            }
            let key = if get("source_profile").is_none() {
                let known = SOURCES.iter().find(|(.., name)| *name == source);
                let (origin, ..) = known.ok_or_else(|| {
                    SourceOutcome::failed(format!("`credential_source` can't be `{source}`"))
                })?;
                self.key_of(*origin, region, call).await
            } else if source == name {
                // Its own key assumes its role.
                own.await
            } else if path.contains(&source) {
                let path = path.join("`, `");
                let reason = format!("the profiles `{path}` lead in a circle");
                return Err(SourceOutcome::failed(reason));
            } else {
                path.push(source);
                self.profile_key(files, path, region, call).await
            };
            let key = key.map_err(|outcome| match outcome {
                SourceOutcome::NotConfigured(reason) => SourceOutcome::failed(format!(
                    "the profile `{name}` has no key to assume its role with: {reason}"
                )),
                other => other,
            })?;
            self.assume(profile, Proof::Key(key), region, call).await
        })
    }

    /// What the profile itself has, in the order of AWS's tools.
    async fn own_key(
        &self,
        name: &str,
        profile: &Section,
        files: &SharedFiles,
        region: &str,
        call: &Call,
    ) -> Result<AccessKey, SourceOutcome> {
        let get = |name| filled(profile, name);
        if let (Some(id), Some(secret)) = (get("aws_access_key_id"), get("aws_secret_access_key")) {
            let token = get("aws_session_token").map(Secret::new);
            return Ok(AccessKey::new(id, Secret::new(secret), token));
        }
        if let (Some(path), Some(_)) = (get("web_identity_token_file"), get("role_arn")) {
            let proof = Proof::WebIdentity(path);
            return self.assume(profile, proof, region, call).await;
        }
        if let Some(key) = self.sso_key(profile, files, call).await? {
            return Ok(key);
        }
        match get("credential_process") {
            Some(command) => self.process_key(command, call).await,
            None => Err(SourceOutcome::NotConfigured(format!(
                "the profile `{name}` has no credentials"
            ))),
        }
    }

    /// Runs a program by the shell, as AWS's tools do.
    async fn process_key(&self, command: &str, call: &Call) -> Result<AccessKey, SourceOutcome> {
        let arguments = ["-c", command];
        let program = CredentialProgram::new("sh", &arguments)
            .with_name("credential_process")
            .with_timeout(PROCESS_LIMIT);
        let response: KeyResponse = program
            .json(&self.context, call)
            .await
            .map_err(SourceOutcome::failed)?;
        response.into_key()
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
