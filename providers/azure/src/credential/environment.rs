//! An application whose secret or certificate the Azure SDKs' variables give: `AZURE_TENANT_ID`,
//! `AZURE_CLIENT_ID`, and `AZURE_CLIENT_SECRET` or `AZURE_CLIENT_CERTIFICATE_PATH`.
//!
//! The secret goes before the certificate. User name and password (`AZURE_USERNAME`) are not taken:
//! Entra retires that flow, and it does not work with a second factor.

use async_trait::async_trait;
use cloud_autojoin_core::credential::{AccessToken, Source};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Context, Secret};

use super::certificate::Certificate;
use super::entra::{ClientAuth, Entra};
use crate::cloud::Cloud;

/// The source `environment`.
#[derive(Debug)]
pub(super) struct Environment {
    chosen_client_id: Option<String>,
    cloud: Cloud,
    context: Context,
}

impl Environment {
    pub(super) const NAME: &'static str = "environment";

    /// `chosen_client_id` is the identity that the join string names; an application of the
    /// environment counts only when it is that one.
    pub(super) fn new(chosen_client_id: Option<String>, cloud: &Cloud, context: &Context) -> Self {
        Self {
            chosen_client_id,
            cloud: cloud.clone(),
            context: context.clone(),
        }
    }
}

#[async_trait]
impl Source for Environment {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn token(&self, scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let env = self.context.env();
        let secret = env.filled("AZURE_CLIENT_SECRET").map(Secret::new);
        let certificate = env.filled("AZURE_CLIENT_CERTIFICATE_PATH");
        let mut missing: Vec<&str> = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"]
            .into_iter()
            .filter(|name| env.filled(name).is_none())
            .collect();
        if secret.is_none() && certificate.is_none() {
            missing.push("AZURE_CLIENT_SECRET");
        }
        let (Some(tenant_id), Some(client_id), []) = (
            env.filled("AZURE_TENANT_ID"),
            env.filled("AZURE_CLIENT_ID"),
            missing.as_slice(),
        ) else {
            return Err(SourceOutcome::NotConfigured(not_set(&missing)));
        };
        if let Some(chosen) = self
            .chosen_client_id
            .as_deref()
            .filter(|chosen| !chosen.eq_ignore_ascii_case(&client_id))
        {
            return Err(SourceOutcome::NotConfigured(format!(
                "`AZURE_CLIENT_ID` is not the `client_id` asked for (`{chosen}`)"
            )));
        }
        let entra = Entra {
            http: self.context.http().clone(),
            authority: self.cloud.authority.clone(),
            tenant_id,
            client_id,
        };
        match (&secret, &certificate) {
            (Some(secret), _) => entra.token(ClientAuth::Secret(secret), scope, call).await,
            (None, Some(path)) => {
                let certificate = Certificate::read(
                    path,
                    env.filled("AZURE_CLIENT_CERTIFICATE_PASSWORD")
                        .map(Secret::new),
                )
                .await?;
                let assertion = certificate.assertion(&entra, call)?;
                entra
                    .token(ClientAuth::Assertion(assertion), scope, call)
                    .await
            }
            (None, None) => Err(SourceOutcome::NotConfigured(not_set(&missing))),
        }
    }
}

/// The reason that variables are not set: `A and B are not set`.
pub(super) fn not_set(variables: &[&str]) -> String {
    let names: Vec<_> = variables.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [one] => format!("{one} is not set"),
        several => format!("{} are not set", several.join(", ")),
    }
}
