//! What token services and Azure's command lines answer, and the requests that all token services
//! beside a machine take.
//!
//! They write numbers as text: `"expires_in": "86329"`. Shapes: recorded answers of the instance
//! metadata service (system, client id, resource id), 2021; App Service and Azure Arc from
//! learn.microsoft.com, which leave `expires_in` out; `az account get-access-token`, whose
//! `expires_on` came with version 2.54; `azd auth token`.

use std::time::{Duration, UNIX_EPOCH};

use azure_core::time::parse_rfc3339;
use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{Request, Response};
use cloud_autojoin_core::{ApiError, Call, DecodeError, Result, Secret};
use cloud_autojoin_provider_kit::ErrorBody;
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::Url;

use super::identity::ManagedIdentityId;
use crate::arm::SHOWN_PARAMETERS;
use crate::keys::PROVIDER_NAME;

/// The longest life of a token that is believed: Entra's own end after 28 hours. One that claims
/// more is renewed at this age, and a number too large for a point in time reaches no arithmetic.
const MAX_LIFETIME: Duration = Duration::from_secs(48 * 3600);

/// A request for a token for `audience`, in the form of the metadata service, App Service and Azure
/// Arc.
pub(super) fn token_request(
    operation: &str,
    mut url: Url,
    api_version: &str,
    audience: &str,
    identity: Option<(&str, &str)>,
) -> Request {
    url.query_pairs_mut()
        .append_pair("api-version", api_version)
        .append_pair("resource", audience)
        .extend_pairs(identity);
    Request::get(operation, url).showing(SHOWN_PARAMETERS)
}

/// The URL of a token service out of a variable: https, or http to this machine or its link.
pub(super) fn near_endpoint(variable: &str, text: &str) -> Result<Url, SourceOutcome> {
    let url = Url::parse(text).ok().filter(|url| {
        url.scheme() == "https" || (url.scheme() == "http" && crate::cloud::is_near(url))
    });
    url.ok_or_else(|| {
        SourceOutcome::failed(format!(
            "`{variable}` must be an https URL, or an http URL of a loopback or link-local address"
        ))
    })
}

/// A token as it came.
#[derive(Deserialize)]
pub(super) struct TokenResponse {
    #[serde(alias = "accessToken", alias = "token", deserialize_with = "secret")]
    access_token: Secret,
    /// Seconds from now.
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<Duration>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<Duration>,
    /// `azd`: a point in time. What `az` writes here is local time without a zone, which can't be
    /// read reliably.
    #[serde(rename = "expiresOn")]
    expires_on_date: Option<Value>,
    /// Whose the token is, where the service says so.
    client_id: Option<Value>,
    object_id: Option<Value>,
    mi_res_id: Option<Value>,
    msi_res_id: Option<Value>,
}

impl TokenResponse {
    /// Whether the answer says that the token is of this identity.
    pub(super) fn is_of(&self, id: &ManagedIdentityId) -> bool {
        let (wanted, fields) = match id {
            ManagedIdentityId::ClientId(id) => (id, [&self.client_id, &None]),
            ManagedIdentityId::ObjectId(id) => (id, [&self.object_id, &None]),
            ManagedIdentityId::ResourceId(id) => (id, [&self.mi_res_id, &self.msi_res_id]),
        };
        let mut found = fields.into_iter().flatten().filter_map(Value::as_str);
        found.any(|found| found.eq_ignore_ascii_case(wanted))
    }

    /// The same answer, whose token counts as good for `lifetime` where no end is given.
    pub(super) fn with_default_lifetime(mut self, lifetime: Duration) -> Self {
        if self.expires_on.is_none() {
            self.expires_in.get_or_insert(lifetime);
        }
        self
    }

    /// The token, for at most [`MAX_LIFETIME`].
    ///
    /// # Errors
    ///
    /// `missing`, when the answer holds no token, or not how long it lives.
    pub(super) fn into_token(
        self,
        operation: &str,
        missing: &str,
        call: &Call,
    ) -> Result<AccessToken> {
        let now = call.clock().wall();
        let end = self.expires_on.or_else(|| {
            let time = parse_rfc3339(self.expires_on_date?.as_str()?).ok()?;
            Some(Duration::from_secs(
                time.unix_timestamp().try_into().unwrap_or_default(),
            ))
        });
        // The span first: it does not depend on this machine's clock.
        let lifetime = self.expires_in.or_else(|| {
            Some(end?.saturating_sub(now.duration_since(UNIX_EPOCH).unwrap_or_default()))
        });
        match lifetime {
            Some(lifetime) if !self.access_token.is_empty() => Ok(AccessToken::new(
                self.access_token,
                now + lifetime.min(MAX_LIFETIME),
            )),
            _ => Err(DecodeError::new(PROVIDER_NAME, operation, missing).into()),
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// Seconds as a number or as text, whole or not; a negative number is none at all, one that is too
/// large the longest span. Other text (old App Service versions write dates) counts as absent.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        _ => None,
    };
    Ok(seconds
        .filter(|seconds| !seconds.is_nan())
        .map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)))
}

/// The error for a response that is no token, without the words of its body.
pub(super) fn token_error(operation: &str, response: &Response) -> ApiError {
    let error = ApiError::of_response(PROVIDER_NAME, operation, response);
    // A new role assignment or identity arrives within minutes.
    if response.status == StatusCode::FORBIDDEN {
        error.transient()
    } else {
        error
    }
}

/// The error for a response that is no token, in the service's own words: `{"error": ...,
/// "error_description": ...}` of the instance metadata service; App Service writes `message` or
/// nests it.
pub(super) fn refused(operation: &str, response: &Response) -> ApiError {
    let code = ["/error", "/error/code"];
    let message = [
        "/error_description",
        "/message",
        "/Message",
        "/error/message",
    ];
    let body = ErrorBody::from_json(&response.body, &code, &message, &[]);
    token_error(operation, response)
        .with_code(body.code)
        .with_message(body.message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::SystemTime;

    use cloud_autojoin_core::Clock;

    use super::*;

    fn token(json: &str) -> Option<AccessToken> {
        let call = Call::new(&Clock::system(), Duration::from_secs(1));
        serde_json::from_str::<TokenResponse>(json)
            .unwrap()
            .into_token("test", "no token", &call)
            .ok()
    }

    #[tokio::test(start_paused = true)]
    async fn numbers_may_be_text() {
        // shape: recorded instance metadata token, 2021
        let answer = r#"{"access_token":"t","client_id":"c","expires_in":"86329","expires_on":"1637170604","not_before":"1637083904","resource":"r","token_type":"Bearer"}"#;
        let lifetime = token(answer)
            .unwrap()
            .expires_at()
            .duration_since(SystemTime::now())
            .unwrap();
        assert!(
            (86_300..=86_330).contains(&lifetime.as_secs()),
            "{lifetime:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn every_number_for_a_lifetime_gives_one_that_time_can_hold() {
        let day = Duration::from_secs(86_400);
        let in_a_day = (SystemTime::now() + day)
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let table = [
            (r#""expires_in":300000000000"#.to_owned(), 2 * day),
            (r#""expires_in":18446744073709551615"#.to_owned(), 2 * day),
            (r#""expires_in":1e300"#.to_owned(), 2 * day),
            (r#""expires_in":"inf""#.to_owned(), 2 * day),
            (r#""expires_in":86400.9"#.to_owned(), day),
            (r#""expires_in":"86400""#.to_owned(), day),
            (r#""expires_in":-86400"#.to_owned(), Duration::ZERO),
            (r#""expires_in":"-1""#.to_owned(), Duration::ZERO),
            (
                r#""expires_in":null,"expires_on":4102444800"#.to_owned(),
                2 * day,
            ),
            (r#""expires_on":18446744073709551615"#.to_owned(), 2 * day),
            (r#""expires_on":-1"#.to_owned(), Duration::ZERO),
            (
                format!(r#""expires_in":"soon","expires_on":"{in_a_day}""#),
                day,
            ),
        ];
        for (field, expected) in table {
            let before = SystemTime::now();
            let lifetime = token(&format!(r#"{{"access_token":"t",{field}}}"#))
                .unwrap()
                .expires_at()
                .duration_since(before)
                .unwrap();
            assert!(
                lifetime.abs_diff(expected) < Duration::from_secs(60),
                "{field}: {lifetime:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_token_or_lifetime_is_none() {
        for json in [
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"","expires_in":"60"}"#,
            r#"{"access_token":"t","expires_on":"01/01/2030 00:00:00 +00:00"}"#,
        ] {
            assert!(token(json).is_none(), "{json}");
        }
    }
}
