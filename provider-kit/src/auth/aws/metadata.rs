//! What the machine this runs on knows of itself: its region, its tags.
//!
//! Facts: docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html.

use cloud_autojoin_core::error::{SourceOutcome, SourceReport};
use cloud_autojoin_core::{Call, ConfigError, ConfigProblem, CredentialError, Error, Result};
use serde::Deserialize;
use url::Url;

use super::profile::SharedFiles;
use super::{AwsConfig, NAME};
use crate::auth::InstanceMetadata;

impl AwsConfig {
    /// The region of the shared profile, else that of the machine.
    ///
    /// # Errors
    ///
    /// As [`AwsConfig::own_region`].
    pub async fn region(&self, call: &Call) -> Result<String> {
        // What is wrong with the files is the credentials' matter.
        let files = SharedFiles::read(&self.context).await.unwrap_or_default();
        let (profile, _) = SharedFiles::chosen(&self.context);
        match files
            .profile(&profile)
            .and_then(|profile| profile.get("region"))
        {
            Some(region) if !region.is_empty() => Ok(region.clone()),
            _ => self.own_region(call).await,
        }
    }

    /// The region of the ECS task or the instance this runs on.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] where this is neither; [`Error::Credential`] where that can't be known.
    pub async fn own_region(&self, call: &Call) -> Result<String> {
        #[derive(Deserialize)]
        struct Document {
            region: String,
        }
        if let Some(task) = self.task(call).await? {
            return Ok(task.region().to_owned());
        }
        let operation = "read the region of this instance";
        let read = async || {
            let metadata = self.instance_metadata()?;
            let reader = metadata.open(operation, call).await?;
            let path = "/latest/dynamic/instance-identity/document";
            reader.json::<Document>(operation, path, call).await
        };
        let document = read().await;
        let document = document.map_err(|outcome| no_metadata("region", outcome))?;
        Ok(document.region)
    }

    /// The value of the tag `name` of the instance this runs on.
    ///
    /// # Errors
    ///
    /// As [`AwsConfig::own_region`]; the tag isn't there, or the instance's metadata hold no tags.
    pub async fn own_tag(&self, name: &str, call: &Call) -> Result<String> {
        let operation = format!("read the tag `{name}` of this instance");
        let read = async || {
            let metadata = self.instance_metadata()?;
            let reader = metadata.open(&operation, call).await?;
            let path = format!("/latest/meta-data/tags/instance/{name}");
            reader.text(&operation, &path, call).await?.ok_or_else(|| {
                SourceOutcome::NotConfigured(format!(
                    "its metadata hold no tag `{name}`; \
                     `aws ec2 modify-instance-metadata-options --instance-metadata-tags enabled` \
                     puts tags there"
                ))
            })
        };
        read().await.map_err(|outcome| no_metadata("tag", outcome))
    }

    /// The instance metadata service (IMDS), version 2 only.
    pub(super) fn instance_metadata(&self) -> Result<InstanceMetadata, SourceOutcome> {
        const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        let env = self.context.env();
        let disabled = env.filled("AWS_EC2_METADATA_DISABLED");
        let url = match env.filled(ENDPOINT) {
            Some(text) => Url::parse(&text).ok(),
            None => self.metadata.clone(),
        };
        let without = match &url {
            _ if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) => {
                Some("turned off by `AWS_EC2_METADATA_DISABLED`")
            }
            None if env.filled(ENDPOINT).is_none() => Some("no instance metadata service is named"),
            _ => None,
        };
        if let Some(reason) = without {
            return Err(SourceOutcome::NotConfigured(reason.to_owned()));
        }
        let url = url.filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| {
            SourceOutcome::failed(format!("`{ENDPOINT}` must be a URL of http or https"))
        })?;
        Ok(InstanceMetadata::new(NAME, self.context.http().clone(), url)
            .with_session(
                "x-aws-ec2-metadata-token",
                "x-aws-ec2-metadata-token-ttl-seconds",
            )
            .with_required_session(
                "; in a container on EC2 the hop limit of the instance's metadata options has to \
                 be 2 or more",
            ))
    }
}

/// The error for what the metadata of this machine don't tell.
pub(super) fn no_metadata(what: &str, outcome: SourceOutcome) -> Error {
    let hint = if what == "region" {
        "add `region=...`, or set AWS_REGION"
    } else {
        "write the value in place of `self`"
    };
    match outcome {
        SourceOutcome::NotConfigured(reason) => {
            let problem = ConfigProblem::new(format!("this machine has no {what}: {reason}"));
            ConfigError::new(Some(NAME), problem.with_hint(hint)).into()
        }
        outcome => {
            let mut report = SourceReport::not_configured("instance metadata", "");
            report.outcome = outcome;
            CredentialError::new(NAME, vec![report])
                .with_hint(hint)
                .into()
        }
    }
}
