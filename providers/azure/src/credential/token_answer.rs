//! The answer of the token endpoints that are not Entra's own: instance metadata, App Service,
//! Azure Arc.
//!
//! They write numbers as text: `"expires_in": "86329"`. Shapes: recorded answers of the instance
//! metadata service (system, client id, resource id), 2021; App Service and Azure Arc from
//! learn.microsoft.com, which leave `expires_in` out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{Response, decode_json};
use cloud_autojoin_core::{ApiError, Call, Secret};
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::Url;

use super::identity::ManagedIdentityId;
use crate::keys::PROVIDER_NAME;

/// The longest life of a token that is believed: Entra's own end after 28 hours. One that claims
/// more is renewed at this age, and a number too large for a point in time reaches no arithmetic.
const MAX_LIFETIME: Duration = Duration::from_secs(48 * 3600);

/// A URL out of a variable that names a token service: https, or http to this machine or its link.
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
pub(super) struct TokenAnswer {
    #[serde(deserialize_with = "secret")]
    access_token: Secret,
    /// Seconds from now.
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<Duration>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<Duration>,
    /// Whose the token is, where the service says so.
    client_id: Option<Value>,
    object_id: Option<Value>,
    mi_res_id: Option<Value>,
    msi_res_id: Option<Value>,
}

impl TokenAnswer {
    /// Whether the answer says that the token is of this identity.
    pub(super) fn is_of(&self, id: &ManagedIdentityId) -> bool {
        let (asked, fields) = match id {
            ManagedIdentityId::ClientId(id) => (id, [&self.client_id, &None]),
            ManagedIdentityId::ObjectId(id) => (id, [&self.object_id, &None]),
            ManagedIdentityId::ResourceId(id) => (id, [&self.mi_res_id, &self.msi_res_id]),
        };
        fields.into_iter().flatten().any(|named| {
            named
                .as_str()
                .is_some_and(|named| named.eq_ignore_ascii_case(asked))
        })
    }

    /// The token; `None` when the answer holds none, or not how long it lives.
    pub(super) fn into_token(self, call: &Call) -> Option<AccessToken> {
        let now = call.clock().wall();
        let lifetime = lifetime(self.expires_in, self.expires_on, now)?;
        (!self.access_token.is_empty()).then(|| AccessToken::new(self.access_token, now + lifetime))
    }
}

/// How long a token lives from `now`, by its `expires_in` or else its `expires_on`; `None` when the
/// answer has neither. At most [`MAX_LIFETIME`], and nothing for one that has ended.
pub(super) fn lifetime(
    expires_in: Option<Duration>,
    expires_on: Option<Duration>,
    now: SystemTime,
) -> Option<Duration> {
    // The span first: it does not depend on this machine's clock.
    let lifetime = match (expires_in, expires_on) {
        (Some(span), _) => span,
        (None, Some(end)) => end.saturating_sub(now.duration_since(UNIX_EPOCH).unwrap_or_default()),
        (None, None) => return None,
    };
    Some(lifetime.min(MAX_LIFETIME))
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// Seconds, as [`seconds_of`] reads them.
pub(super) fn seconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    Value::deserialize(deserializer).map(|value| seconds_of(&value))
}

/// Seconds as a number or as text, whole or not; a negative number is none at all, one that is too
/// large the longest span. Other text (old App Service versions write dates) counts as absent.
pub(super) fn seconds_of(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        _ => None,
    };
    let seconds = seconds.filter(|seconds| !seconds.is_nan())?;
    Some(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

/// A refusal: `{"error": ..., "error_description": ...}` of the instance metadata service; App
/// Service writes `message` or nests it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: Option<Value>,
    error_description: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
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

/// The error for a response that is no token, in the service's own words.
pub(crate) fn refused(operation: &str, response: &Response) -> ApiError {
    let Refusal {
        error,
        error_description,
        message,
    } = decode_json(&response.body).unwrap_or_default();
    let text =
        |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let (code, nested) = match &error {
        Some(Value::String(code)) => (Some(code.clone()), None),
        Some(nested) => (text(nested, "code"), text(nested, "message")),
        None => (None, None),
    };
    token_error(operation, response)
        .with_code(code)
        .with_message(error_description.or(message).or(nested))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloud_autojoin_core::Clock;

    use super::*;

    fn token(json: &str) -> Option<AccessToken> {
        let call = Call::new(&Clock::system(), Duration::from_secs(1));
        serde_json::from_str::<TokenAnswer>(json)
            .unwrap()
            .into_token(&call)
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
