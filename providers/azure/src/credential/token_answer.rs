//! The answer of the token endpoints that are not Entra's own: instance metadata, App Service, Azure Arc.
//!
//! They write numbers as text: `"expires_in": "86329"`. Shapes: recorded answers of the instance metadata service (system, client id, resource id), 2021; App Service and Azure Arc from
//! learn.microsoft.com, which leave `expires_in` out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::http::Response;
use cloud_autojoin_core::{ApiError, Call, Secret};
use serde::{Deserialize, Deserializer};

use crate::azure::PROVIDER_NAME;

/// A token as it came.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    #[serde(deserialize_with = "secret")]
    access_token: Secret,
    /// Seconds from now.
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<u64>,
}

impl TokenAnswer {
    /// The token; `None` when the answer holds none, or not how long it lives.
    pub(super) fn into_token(self, call: &Call) -> Option<AccessToken> {
        // The span first: it does not depend on this machine's clock.
        let expires_at: SystemTime = match (self.expires_in, self.expires_on) {
            (Some(seconds), _) => call.clock().wall().checked_add(Duration::from_secs(seconds))?,
            (None, Some(seconds)) => UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?,
            (None, None) => return None,
        };
        (!self.access_token.is_empty()).then(|| AccessToken::new(self.access_token, expires_at))
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// Seconds as a number or as text; other text (old App Service versions write dates) counts as absent.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Seconds::deserialize(deserializer)? {
        Seconds::Number(seconds) => Some(seconds),
        Seconds::Text(text) => text.parse().ok(),
        Seconds::Other(_) => None,
    })
}

/// A refusal: `{"error": ..., "error_description": ...}` of the instance metadata service; App Service writes `message` or nests it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: Option<serde_json::Value>,
    error_description: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

/// The error for an answer that is no token, in the service's own words.
pub(crate) fn refused(operation: &str, response: &Response) -> ApiError {
    let Refusal { error, error_description, message } = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |value: &serde_json::Value, field: &str| value.get(field).and_then(serde_json::Value::as_str).map(str::to_owned);
    let (code, nested) = match &error {
        Some(serde_json::Value::String(code)) => (Some(code.clone()), None),
        Some(nested) => (text(nested, "code"), text(nested, "message")),
        None => (None, None),
    };
    ApiError::new(PROVIDER_NAME, operation, response.status.as_u16())
        .with_code(code)
        .with_message(error_description.or(message).or(nested))
        .with_retry_after(response.retry_after)
        .after(response.attempts, response.elapsed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloud_autojoin_core::Clock;

    use super::*;

    fn token(json: &str) -> Option<AccessToken> {
        let call = Call::new(&Clock::system(), Duration::from_secs(1));
        serde_json::from_str::<TokenAnswer>(json).unwrap().into_token(&call)
    }

    #[tokio::test(start_paused = true)]
    async fn numbers_may_be_text() {
        // shape: recorded instance metadata token, 2021
        let answer = r#"{"access_token":"t","client_id":"c","expires_in":"86329","expires_on":"1637170604","not_before":"1637083904","resource":"r","token_type":"Bearer"}"#;
        let lifetime = token(answer).unwrap().expires_at().duration_since(SystemTime::now()).unwrap();
        assert!((86_300..=86_330).contains(&lifetime.as_secs()), "{lifetime:?}");
        assert_eq!(token(r#"{"access_token":"t","expires_on":4102444800}"#).unwrap().expires_at(), UNIX_EPOCH + Duration::from_secs(4_102_444_800));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_token_or_lifetime_is_none() {
        for json in [r#"{"access_token":"t"}"#, r#"{"access_token":"","expires_in":"60"}"#, r#"{"access_token":"t","expires_on":"01/01/2030 00:00:00 +00:00"}"#]
        {
            assert!(token(json).is_none(), "{json}");
        }
    }
}
