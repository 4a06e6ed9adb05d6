//! The keys of the instance's role, from the instance metadata service.

use async_trait::async_trait;
use cloud_autojoin_core::credential::Source;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Context, Result};

use super::Credential;
use super::shape::CredentialJson;
use crate::metadata::InstanceMetadata;

const PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// The source `instance profile`.
#[derive(Debug)]
pub(super) struct InstanceProfile(InstanceMetadata);

impl InstanceProfile {
    pub(super) fn new(context: &Context) -> Self {
        Self(InstanceMetadata::new(context))
    }
}

#[async_trait]
impl Source<Credential> for InstanceProfile {
    fn name(&self) -> &'static str {
        "instance profile"
    }

    async fn token(&self, _: &str, call: &Call) -> Result<Credential, SourceOutcome> {
        let session = self.0.session(call).await?;
        let role = session.text(PATH, call).await?.unwrap_or_default();
        let Some(role) = role.lines().next().filter(|role| !role.is_empty()) else {
            return Err(SourceOutcome::NotConfigured(
                "this instance has no instance profile".to_owned(),
            ));
        };
        session
            .json::<CredentialJson>(&format!("{PATH}{role}"), call)
            .await?
            .into_credential(call)
    }
}
