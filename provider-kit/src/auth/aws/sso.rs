//! IAM Identity Center (SSO): the key of a role, for the token that `aws sso login` left behind.
//!
//! Facts: docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html and
//! docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html.

use std::time::{Duration, UNIX_EPOCH};

use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Result, file};
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::container::secret_header;
use super::profile::{SharedFiles, filled};
use super::{AwsConfig, Service};
use crate::auth::access_key::time;
use crate::auth::sign::sha1_hex;
use crate::auth::{AccessKey, KeyResponse};
use crate::ini::Section;

const TOKEN: HeaderName = HeaderName::from_static("x-amz-sso_bearer_token");

impl AwsConfig {
    /// The key of the role that `profile` names; `None` when it names none.
    pub(super) async fn sso_key(
        &self,
        profile: &Section,
        files: &SharedFiles,
        call: &Call,
    ) -> Result<Option<AccessKey>, SourceOutcome> {
        let names = ["sso_account_id", "sso_role_name"].map(|name| filled(profile, name));
        let [Some(account), Some(role)] = names else {
            return Ok(None);
        };
        let session = filled(profile, "sso_session");
        let settings = match session {
            Some(name) => files.sso_session(name).ok_or_else(|| {
                SourceOutcome::failed(format!("no `sso-session {name}` in the shared files"))
            })?,
            None => profile,
        };
        let setting = |name| {
            filled(settings, name).ok_or_else(|| {
                SourceOutcome::failed(format!("`{name}` is missing beside `sso_account_id`"))
            })
        };
        let (start_url, region) = (setting("sso_start_url")?, setting("sso_region")?);
        let token = self.login(session.unwrap_or(start_url), call).await?;
        let client = self.client(Service::Sso, region, None, call).await?;
        let operation = format!("get the keys of the role `{role}`");
        let path = ["federation", "credentials"];
        let query = [("account_id", account), ("role_name", role)];
        let request = client.get(&operation, &path, &query).header(TOKEN, token);
        let response: Response = client.json(request, call).await?;
        let end = Duration::from_millis(response.credentials.expiration);
        Ok(Some(AccessKey {
            expires_at: UNIX_EPOCH.checked_add(end),
            ..response.credentials.key.into_key()?
        }))
    }

    /// The token that is kept for `name`. It isn't renewed: the login belongs to a person.
    async fn login(&self, name: &str, call: &Call) -> Result<HeaderValue, SourceOutcome> {
        let login = "the login of IAM Identity Center is missing or over: run `aws sso login`";
        let over = || SourceOutcome::failed(login);
        let home = self.context.env().home().ok_or_else(over)?;
        let path = format!("{home}/.aws/sso/cache/{}.json", sha1_hex(name.as_bytes()));
        let text = file::read_text(&path, file::MAX_SECRET_FILE).await;
        let text = text.map_err(|_| over())?;
        let login: Login = serde_json::from_str(&text).map_err(|_| {
            SourceOutcome::failed(format!("`{path}` isn't a token of `aws sso login`"))
        })?;
        if time(&login.expires_at)? <= call.clock().wall() {
            return Err(over());
        }
        secret_header(&login.access_token)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    access_token: String,
    expires_at: String,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "roleCredentials")]
    credentials: Credentials,
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(flatten)]
    key: KeyResponse,
    /// In milliseconds of Unix time.
    expiration: u64,
}
