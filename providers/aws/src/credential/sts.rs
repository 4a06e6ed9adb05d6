//! The token service (STS): temporary keys for a role.
//!
//! Facts: docs.aws.amazon.com/STS/latest/APIReference, `AssumeRole` and
//! `AssumeRoleWithWebIdentity`.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::credential::Source;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, Context, Error, Result, Secret, file};
use cloud_autojoin_provider_kit::ApiClient;
use cloud_autojoin_provider_kit::auth::sigv4::AccessKey;
use serde::Deserialize;

use super::{Credential, shape, sign};
use crate::api::AwsApi;
use crate::ec2::query;
use crate::endpoint::{Endpoints, Service};

const VERSION: &str = "2011-06-15";

/// A role to assume.
#[derive(Clone, Default)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session_name: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) duration: Option<String>,
}

/// The token service.
#[derive(Debug, Clone)]
pub(super) struct Sts {
    pub(super) endpoints: Endpoints,
    pub(super) context: Context,
}

impl Sts {
    pub(super) fn new(endpoints: &Endpoints, context: &Context) -> Self {
        Self {
            endpoints: endpoints.clone(),
            context: context.clone(),
        }
    }

    /// Assumes `role` as the owner of `source`.
    pub(super) async fn assume(
        &self,
        role: &Role,
        source: Credential,
        region: &str,
        call: &Call,
    ) -> Result<Credential, SourceOutcome> {
        let signer = SourceSigner {
            source,
            region: region.to_owned(),
        };
        self.send(
            "AssumeRole",
            role,
            &[],
            Some(Arc::new(signer)),
            region,
            call,
        )
        .await
    }

    /// Assumes `role` by the web identity token in the file at `path`. The file is read each time:
    /// its token is replaced before it ends.
    pub(super) async fn assume_by_web_identity(
        &self,
        role: &Role,
        path: &str,
        region: &str,
        call: &Call,
    ) -> Result<Credential, SourceOutcome> {
        let token = file::read_text(path, file::MAX_SECRET_FILE).await;
        let token = Secret::new(token.map_err(|error| {
            SourceOutcome::failed(format!(
                "cannot read the web identity token `{path}`: {error}"
            ))
        })?);
        self.send(
            "AssumeRoleWithWebIdentity",
            role,
            &[("WebIdentityToken", token.expose().trim())],
            None,
            region,
            call,
        )
        .await
    }

    async fn send(
        &self,
        action: &str,
        role: &Role,
        more: &[(&str, &str)],
        signer: Option<Arc<dyn Authorizer>>,
        region: &str,
        call: &Call,
    ) -> Result<Credential, SourceOutcome> {
        let endpoint = self
            .endpoints
            .of(Service::Sts, region, self.context.env())?;
        let client = ApiClient::new(&self.context, &AwsApi, endpoint);
        let client = match signer {
            Some(signer) => client.with_authorizer(signer),
            None => client,
        };
        let session_name = role
            .session_name
            .clone()
            .unwrap_or_else(|| "cloud-autojoin".to_owned());
        let mut fields = vec![
            ("Action", action),
            ("Version", VERSION),
            ("RoleArn", &role.arn),
            ("RoleSessionName", &session_name),
        ];
        let optional = [
            ("ExternalId", &role.external_id),
            ("DurationSeconds", &role.duration),
        ];
        fields.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.as_deref()?))),
        );
        fields.extend(more);
        let request = query(&client, format!("assume the role `{}`", role.arn), &fields);
        let answer: Answer = client
            .xml(request, call)
            .await
            .map_err(|error| explain(error, &role.arn))?;
        let Keys {
            id,
            secret,
            token,
            expiration,
        } = answer.result.keys;
        let key = AccessKey {
            id,
            secret: secret.into(),
            session_token: Some(token.into()),
        };
        Ok(Credential::new(key, Some(shape::time(&expiration)?), call))
    }
}

fn explain(error: Error, role: &str) -> SourceOutcome {
    match error {
        Error::Api(error) if error.missing_permission().is_some() => {
            Error::from(error.with_hint(format!("let this identity assume the role: `sts:AssumeRole` in its policy, and the trust policy of `{role}`"))).into()
        }
        other => other.into(),
    }
}

/// `AssumeRoleResponse` and `AssumeRoleWithWebIdentityResponse`.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "AssumeRoleResult", alias = "AssumeRoleWithWebIdentityResult")]
    result: AssumedRole,
}

#[derive(Deserialize)]
struct AssumedRole {
    #[serde(rename = "Credentials")]
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    #[serde(rename = "AccessKeyId")]
    id: String,
    #[serde(rename = "SecretAccessKey")]
    secret: String,
    #[serde(rename = "SessionToken")]
    token: String,
    #[serde(rename = "Expiration")]
    expiration: String,
}

/// Signs with the credential that assumes a role.
#[derive(Debug)]
struct SourceSigner {
    source: Credential,
    region: String,
}

#[async_trait]
impl Authorizer for SourceSigner {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        Ok(sign(
            request,
            &self.source,
            &self.region,
            Service::Sts,
            call,
        )?)
    }
}

/// The web identity of a pod (IAM roles for service accounts) or another workload.
#[derive(Debug)]
pub(super) struct WebIdentity(pub(super) Sts);

#[async_trait]
impl Source<Credential> for WebIdentity {
    fn name(&self) -> &'static str {
        "web identity"
    }

    async fn token(&self, region: &str, call: &Call) -> Result<Credential, SourceOutcome> {
        let env = self.0.context.env();
        let variable = |name| {
            env.filled(name)
                .ok_or_else(|| SourceOutcome::NotConfigured(format!("`{name}` is not set")))
        };
        let path = variable("AWS_WEB_IDENTITY_TOKEN_FILE")?;
        let arn = variable("AWS_ROLE_ARN").map_err(|_| {
            SourceOutcome::failed("`AWS_WEB_IDENTITY_TOKEN_FILE` is set and `AWS_ROLE_ARN` is not")
        })?;
        let role = Role {
            arn,
            session_name: env.filled("AWS_ROLE_SESSION_NAME"),
            ..Role::default()
        };
        self.0
            .assume_by_web_identity(&role, &path, region, call)
            .await
    }
}
