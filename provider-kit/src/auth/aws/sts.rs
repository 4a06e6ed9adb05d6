//! The token service (STS): the temporary key of a role.
//!
//! Facts: docs.aws.amazon.com/STS/latest/APIReference, `AssumeRole` and
//! `AssumeRoleWithWebIdentity`.

use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Error, Secret};
use serde::Deserialize;

use super::api::{STS_VERSION, query};
use super::container::read;
use super::profile::filled;
use super::{AwsConfig, Service, sigv4};
use crate::auth::{AccessKey, KeyResponse};
use crate::ini::Section;

/// What a profile says of a role, and the parameters of the API.
const PARAMETERS: &[(&str, &str)] = &[
    ("role_arn", "RoleArn"),
    ("external_id", "ExternalId"),
    ("duration_seconds", "DurationSeconds"),
];

/// How a role is assumed.
pub(super) enum Proof<'a> {
    /// By the owner of this key.
    Key(AccessKey),
    /// By the token in this file, which is read each time: it is replaced before it ends.
    WebIdentity(&'a str),
}

impl AwsConfig {
    /// The key of the role that the environment names (IAM roles for service accounts).
    pub(super) async fn web_identity(
        &self,
        region: &str,
        call: &Call,
    ) -> Result<AccessKey, SourceOutcome> {
        let path = self.variable(&["AWS_WEB_IDENTITY_TOKEN_FILE"])?;
        let arn = self.variable(&["AWS_ROLE_ARN"]).map_err(|_| {
            SourceOutcome::failed("`AWS_WEB_IDENTITY_TOKEN_FILE` is set and `AWS_ROLE_ARN` is not")
        })?;
        let mut role = Section::from([("role_arn".to_owned(), arn)]);
        if let Some(name) = self.context.env().filled("AWS_ROLE_SESSION_NAME") {
            role.insert("role_session_name".to_owned(), name);
        }
        let proof = Proof::WebIdentity(&path);
        self.assume(&role, proof, region, call).await
    }

    /// The key of `role`, a section of the shared files.
    pub(super) async fn assume(
        &self,
        role: &Section,
        proof: Proof<'_>,
        region: &str,
        call: &Call,
    ) -> Result<AccessKey, SourceOutcome> {
        let (action, token) = match &proof {
            Proof::Key(_) => ("AssumeRole", None),
            Proof::WebIdentity(path) => {
                let token = read(path, "the web identity token").await?;
                let token = Secret::new(token.trim());
                ("AssumeRoleWithWebIdentity", Some(token))
            }
        };
        let session = filled(role, "role_session_name").unwrap_or("cloud-autojoin");
        let mut fields = vec![
            ("Action", action),
            ("Version", STS_VERSION),
            ("RoleSessionName", session),
        ];
        fields.extend(
            PARAMETERS
                .iter()
                .filter_map(|(name, parameter)| Some((*parameter, filled(role, name)?))),
        );
        let token = token.as_ref().map(Secret::expose);
        fields.extend(token.map(|token| ("WebIdentityToken", token)));
        let arn = filled(role, "role_arn").unwrap_or_default();
        let client = self.client(Service::Sts, region, None, call).await?;
        let mut request = query(&client, &format!("assume the role `{arn}`"), fields);
        if let Some(token) = token {
            request.add_secret(token);
        }
        if let Proof::Key(key) = proof {
            let now = call.clock().wall();
            sigv4::sign(&mut request, &key, region, Service::Sts.name(), now).map_err(|_| {
                SourceOutcome::failed("its key holds characters that an access key can't have")
            })?;
        }
        let response: Response = client.xml(request, call).await.map_err(|error| match error {
            Error::Api(error) if error.missing_permission().is_some() => {
                let hint = format!("let this identity assume the role: `sts:AssumeRole` in its policy, and the trust policy of `{arn}`");
                Error::from(error.with_hint(hint))
            }
            other => other,
        })?;
        response.result.key.into_key()
    }
}

/// `AssumeRoleResponse` and `AssumeRoleWithWebIdentityResponse`.
#[derive(Deserialize)]
struct Response {
    #[serde(rename = "AssumeRoleResult", alias = "AssumeRoleWithWebIdentityResult")]
    result: AssumedRole,
}

#[derive(Deserialize)]
struct AssumedRole {
    #[serde(rename = "Credentials")]
    key: KeyResponse,
}
