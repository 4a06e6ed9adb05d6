//! The shared profile: keys, a role of another profile, a web identity, a login, a program.

use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::credential::Source;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Context, Result, Secret};
use cloud_autojoin_provider_kit::auth::sigv4::AccessKey;

use super::container::Container;
use super::instance::InstanceProfile;
use super::shape::CredentialJson;
use super::sts::{Role, Sts};
use super::{Credential, Environment, sso};
use crate::profile::{Section, SharedFiles};

/// How long a program may take for its keys.
const PROCESS_LIMIT: Duration = Duration::from_secs(30);

/// The source `shared profile`.
#[derive(Debug)]
pub(super) struct SharedProfile {
    sts: Sts,
}

#[async_trait]
impl Source<Credential> for SharedProfile {
    fn name(&self) -> &'static str {
        "shared profile"
    }

    async fn token(&self, region: &str, call: &Call) -> Result<Credential, SourceOutcome> {
        let files = SharedFiles::read(self.context())
            .await
            .map_err(SourceOutcome::failed)?;
        let (mut name, is_named) = SharedFiles::chosen(self.context());
        if files.profile(&name).is_none() {
            let missing = files.missing(&name);
            return Err(if is_named {
                SourceOutcome::failed(missing)
            } else {
                SourceOutcome::NotConfigured(missing)
            });
        }
        // The roles from the chosen profile to the one that has keys of its own.
        let mut roles = Vec::new();
        let mut seen = Vec::new();
        let mut credential = loop {
            let profile = files
                .profile(&name)
                .ok_or_else(|| SourceOutcome::failed(files.missing(&name)))?;
            // A profile may name itself: its own keys then assume its role.
            let names_itself = seen.last() == Some(&name);
            if seen.contains(&name) && !names_itself {
                return Err(SourceOutcome::failed(format!(
                    "the profiles `{}` lead in a circle",
                    seen.join("`, `")
                )));
            }
            let source = profile
                .get("source_profile")
                .or_else(|| profile.get("credential_source"));
            match (profile.get("role_arn"), source) {
                (Some(arn), Some(_)) if !names_itself => {
                    if profile.contains_key("mfa_serial") {
                        return Err(SourceOutcome::failed(format!(
                            "the profile `{name}` needs a code (`mfa_serial`), which a program can't type"
                        )));
                    }
                    roles.push(role(arn, profile));
                    if let Some(source) = profile.get("credential_source") {
                        break self.named_source(source, region, call).await?;
                    }
                    seen.push(name);
                    name = profile["source_profile"].clone();
                }
                _ => match self.own(profile, &files, region, call).await? {
                    Some(credential) => break credential,
                    None if roles.is_empty() => {
                        return Err(SourceOutcome::NotConfigured(format!(
                            "the profile `{name}` has no credentials"
                        )));
                    }
                    None => {
                        return Err(SourceOutcome::failed(format!(
                            "the profile `{name}` has no credentials"
                        )));
                    }
                },
            }
        };
        for role in roles.iter().rev() {
            credential = self.sts.assume(role, credential, region, call).await?;
        }
        Ok(credential)
    }
}

impl SharedProfile {
    pub(super) fn new(sts: Sts) -> Self {
        Self { sts }
    }

    fn context(&self) -> &Context {
        &self.sts.context
    }

    /// What the profile itself has, in the order of AWS's tools.
    async fn own(
        &self,
        profile: &Section,
        files: &SharedFiles,
        region: &str,
        call: &Call,
    ) -> Result<Option<Credential>, SourceOutcome> {
        let get = |name: &str| profile.get(name).filter(|value| !value.is_empty());
        if let (Some(id), Some(secret)) = (get("aws_access_key_id"), get("aws_secret_access_key")) {
            let session_token = get("aws_session_token").map(|token| Secret::new(token.as_str()));
            let key = AccessKey {
                id: id.clone(),
                secret: Secret::new(secret.as_str()),
                session_token,
            };
            return Ok(Some(Credential::new(key, None, call)));
        }
        if let (Some(path), Some(arn)) = (get("web_identity_token_file"), get("role_arn")) {
            return self
                .sts
                .assume_by_web_identity(&role(arn, profile), path, region, call)
                .await
                .map(Some);
        }
        if let Some(credential) =
            sso::keys(profile, files, &self.sts.endpoints, self.context(), call).await?
        {
            return Ok(Some(credential));
        }
        match get("credential_process") {
            Some(command) => self.process(command, call).await.map(Some),
            None => Ok(None),
        }
    }

    async fn named_source(
        &self,
        source: &str,
        region: &str,
        call: &Call,
    ) -> Result<Credential, SourceOutcome> {
        let context = self.context();
        let source: Box<dyn Source<Credential>> = match source {
            "Environment" => Box::new(Environment(context.clone())),
            "Ec2InstanceMetadata" => Box::new(InstanceProfile::new(context)),
            "EcsContainer" => Box::new(Container(context.clone())),
            other => {
                return Err(SourceOutcome::failed(format!(
                    "`credential_source` can't be `{other}`"
                )));
            }
        };
        source
            .token(region, call)
            .await
            .map_err(|outcome| match outcome {
                SourceOutcome::NotConfigured(reason) => {
                    SourceOutcome::failed(format!("{}: {reason}", source.name()))
                }
                other => other,
            })
    }

    /// Runs a program by the shell, as AWS's tools do.
    async fn process(&self, command: &str, call: &Call) -> Result<Credential, SourceOutcome> {
        let limit = PROCESS_LIMIT.min(call.remaining());
        let output = self
            .context()
            .commands()
            .run("sh", &["-c", command], limit)
            .await;
        let output = output.map_err(|error| {
            SourceOutcome::failed(format!("`credential_process` can't run: {error}"))
        })?;
        if output.status != Some(0) {
            return Err(SourceOutcome::failed(format!(
                "`credential_process` failed: {}",
                output.stderr.trim()
            )));
        }
        let json: CredentialJson = serde_json::from_slice(&output.stdout).map_err(|_| {
            SourceOutcome::failed("`credential_process` doesn't print the JSON of credentials")
        })?;
        json.into_credential(call)
    }
}

fn role(arn: &str, profile: &Section) -> Role {
    Role {
        arn: arn.to_owned(),
        session_name: profile.get("role_session_name").cloned(),
        external_id: profile.get("external_id").cloned(),
        duration: profile.get("duration_seconds").cloned(),
    }
}
