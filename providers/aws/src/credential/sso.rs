//! IAM Identity Center (SSO): the keys of a role, for the token that `aws sso login` left behind.
//!
//! Facts: docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html and
//! docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html.

use std::time::{Duration, UNIX_EPOCH};

use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Context, Result, Secret, file};
use cloud_autojoin_provider_kit::ApiClient;
use cloud_autojoin_provider_kit::auth::sigv4::AccessKey;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::{Credential, shape};
use crate::api::AwsApi;
use crate::endpoint::{Endpoints, Service};
use crate::profile::{Section, SharedFiles};

const TOKEN: HeaderName = HeaderName::from_static("x-amz-sso_bearer_token");

/// The keys of the role that `profile` names; `None` when it names none.
pub(super) async fn keys(
    profile: &Section,
    files: &SharedFiles,
    endpoints: &Endpoints,
    context: &Context,
    call: &Call,
) -> Result<Option<Credential>, SourceOutcome> {
    let (Some(account), Some(role)) = (profile.get("sso_account_id"), profile.get("sso_role_name"))
    else {
        return Ok(None);
    };
    let session = profile.get("sso_session");
    let settings = match session {
        Some(name) => files.sso_session(name).ok_or_else(|| {
            SourceOutcome::failed(format!("no `sso-session {name}` in the shared files"))
        })?,
        None => profile,
    };
    let setting = |name: &str| {
        settings.get(name).ok_or_else(|| {
            SourceOutcome::failed(format!("`{name}` is missing beside `sso_account_id`"))
        })
    };
    let (start_url, region) = (setting("sso_start_url")?, setting("sso_region")?);
    let token = token(session.unwrap_or(start_url), context, call).await?;
    let client = ApiClient::new(
        context,
        &AwsApi,
        endpoints.of(Service::Sso, region, context.env())?,
    );
    let query = [
        ("account_id", account.as_str()),
        ("role_name", role.as_str()),
    ];
    let mut request = client.get(
        &format!("get the keys of the role `{role}`"),
        &["federation", "credentials"],
        &query,
    );
    let value = HeaderValue::from_str(token.expose());
    let mut value = value.map_err(|_| {
        SourceOutcome::failed(
            "the token of `aws sso login` holds characters that a token can't have",
        )
    })?;
    value.set_sensitive(true);
    request.set_header(TOKEN, value);
    let Answer { keys } = client.json(request, call).await?;
    let expires_at = UNIX_EPOCH.checked_add(Duration::from_millis(keys.expiration));
    let key = AccessKey {
        id: keys.access_key_id,
        secret: keys.secret_access_key.into(),
        session_token: Some(keys.session_token.into()),
    };
    Ok(Some(Credential::new(key, expires_at, call)))
}

/// The token that is kept for `name`. It isn't renewed: the login belongs to a person.
async fn token(name: &str, context: &Context, call: &Call) -> Result<Secret, SourceOutcome> {
    let login = || {
        SourceOutcome::failed(
            "the login of IAM Identity Center is missing or over: run `aws sso login`",
        )
    };
    let home = SharedFiles::home(context).ok_or_else(login)?;
    let path = format!(
        "{home}/.aws/sso/cache/{}.json",
        cloud_autojoin_provider_kit::auth::sign::sha1_hex(name.as_bytes())
    );
    let text = file::read_text(&path, file::MAX_SECRET_FILE)
        .await
        .map_err(|_| login())?;
    let kept: Kept = serde_json::from_str(&text)
        .map_err(|_| SourceOutcome::failed(format!("`{path}` isn't a token of `aws sso login`")))?;
    let ends_at = shape::time(&kept.expires_at.replace("UTC", "Z"))?;
    if ends_at <= call.clock().wall() {
        Err(login())
    } else {
        Ok(Secret::new(kept.access_token))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    access_token: String,
    expires_at: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "roleCredentials")]
    keys: Keys,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// In milliseconds of Unix time.
    expiration: u64,
}
