//! Access tokens as services and command lines return them, and the API of the services.
//!
//! They write numbers as text: `"expires_in": "86329"`. Shapes: recorded responses of the instance
//! metadata service (system, client id, resource id), 2021; App Service and Azure Arc from
//! learn.microsoft.com, which leave `expires_in` out; `az account get-access-token`, whose
//! `expires_on` came with version 2.54; `azd auth token`.

use std::time::{Duration, UNIX_EPOCH};

use azure_core::time::parse_rfc3339;
use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{Request, Response, ResponseClassifier};
use cloud_autojoin_core::{ApiError, Call, DecodeError, Error, Result, Secret};
use cloud_autojoin_provider_kit::{Api, ApiClient, ErrorBody};
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Setup;
use super::identity::ManagedIdentityId;
use crate::arm::SHOWN_PARAMETERS;
use crate::keys::PROVIDER_NAME;

/// The longest lifetime of a token that is accepted: Entra's own end after 28 hours. A token with a
/// longer one is renewed at this age, and a number too large for a point in time reaches no
/// arithmetic.
const MAX_LIFETIME: Duration = Duration::from_secs(48 * 3600);

/// The names of the ids of a managed identity in requests to the metadata service and Azure Arc,
/// and in responses.
pub(super) const ID_NAMES: [&str; 3] = ["client_id", "object_id", "msi_res_id"];

/// The API of the services that issue tokens: Microsoft Entra ID, App Service, the agent of Azure
/// Arc, and in most things the instance metadata service.
pub(super) struct TokenApi;

impl ResponseClassifier for TokenApi {}

impl Api for TokenApi {
    fn provider(&self) -> &'static str {
        PROVIDER_NAME
    }

    fn shown_parameters(&self) -> &'static [&'static str] {
        SHOWN_PARAMETERS
    }

    /// `{"error": ..., "error_description": ...}`; App Service writes `message` or nests it.
    /// Entra's own code (`AADSTS7000215`) is in the description, whose further lines are ids and
    /// the time.
    fn error_body(&self, response: &Response) -> ErrorBody {
        const CODE: &[&str] = &["/error", "/error/code"];
        const MESSAGE: &[&str] = &[
            "/error_description",
            "/message",
            "/Message",
            "/error/message",
        ];
        let body = ErrorBody::from_json(&response.body, CODE, MESSAGE, &["/trace_id"]);
        let line = body.message.as_deref().and_then(|text| text.lines().next());
        let (code, message) = match line.and_then(|line| line.split_once(": ")) {
            Some((code, message)) if code.starts_with("AADSTS") => {
                (Some(code.to_owned()), Some(message))
            }
            _ => (body.code, line),
        };
        ErrorBody {
            code,
            message: message.map(str::to_owned),
            request_id: body.request_id,
        }
    }

    fn explain(&self, error: ApiError, _: &Request, response: &Response) -> ApiError {
        let error = match response.status {
            // A new role assignment or identity arrives within minutes.
            StatusCode::FORBIDDEN => error.transient(),
            _ => error,
        };
        match error.code().and_then(hint) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// What to do about the codes that a wrong configuration gives.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "AADSTS7000215" => {
            "give the value of a client secret (`secret_access_key`, `ARM_CLIENT_SECRET`), not its id; a value is shown only once, when the secret is made"
        }
        "AADSTS7000222" => "the client secret has expired: make a new one for the application",
        "AADSTS7000216" => "the application was given neither a secret nor an assertion",
        "AADSTS700016" => {
            "check `client_id`, and that `tenant_id` is the tenant the application is in"
        }
        "AADSTS90002" | "AADSTS900023" => {
            "check `tenant_id`, and `environment` if the tenant is not in public Azure"
        }
        "AADSTS7000112" => "the application is disabled in this tenant: enable it, or use another",
        "AADSTS700027" => "add this certificate to the application, or use one that is there",
        "AADSTS70021" | "AADSTS700211" | "AADSTS700212" | "AADSTS700213" => {
            "add a federated credential to the identity with exactly the issuer, subject and audience of the token in `AZURE_FEDERATED_TOKEN_FILE`"
        }
        "AADSTS700024" => "the assertion's time does not count: check this machine's clock",
        "AADSTS500011" => {
            "check `audience` and `environment`: this tenant does not know the audience"
        }
        "AADSTS53003" | "AADSTS53000" => {
            "a conditional access policy of the tenant refuses this sign-in"
        }
        _ => return None,
    })
}

/// A token of a source, or why there is none.
pub(super) type TokenResult = Result<AccessToken, SourceOutcome>;

/// Requests a token.
///
/// # Errors
///
/// As [`ApiClient::json`], without a part of the response.
pub(super) async fn request(
    setup: &Setup,
    request: &Request,
    call: &Call,
) -> Result<TokenResponse> {
    let api = ApiClient::new(&setup.context, &TokenApi, request.url().clone());
    match api.json(request.clone(), call).await {
        Err(Error::Decode(_)) => Err(no_token(request.operation())),
        response => response,
    }
}

/// The error for a response without a token. It doesn't quote the response, which may hold one.
fn no_token(operation: &str) -> Error {
    let detail = "no access token with its lifetime";
    DecodeError::new(PROVIDER_NAME, operation, detail).into()
}

/// A token as it was returned.
#[derive(Deserialize)]
pub(super) struct TokenResponse {
    #[serde(alias = "accessToken", alias = "token")]
    access_token: Secret,
    /// Seconds from now.
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<Duration>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<Duration>,
    /// The ids of the identity, and `expiresOn`.
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl TokenResponse {
    /// Whether the response confirms that the token is of this identity.
    pub(super) fn is_of(&self, id: &ManagedIdentityId) -> bool {
        let (name, id) = id.parameter(ID_NAMES);
        // A resource id is in either of two fields.
        let fields = [name, "mi_res_id"].map(|name| self.other.get(name));
        let mut found = fields.into_iter().flatten().filter_map(Value::as_str);
        found.any(|found| found.eq_ignore_ascii_case(id))
    }

    /// Sets the lifetime where the response has no expiry.
    pub(super) fn set_default_lifetime(&mut self, lifetime: Duration) {
        if self.expires_on.is_none() {
            self.expires_in.get_or_insert(lifetime);
        }
    }

    /// The token, for at most [`MAX_LIFETIME`].
    ///
    /// # Errors
    ///
    /// The response has no token, or no lifetime.
    pub(super) fn into_token(self, operation: &str, call: &Call) -> Result<AccessToken> {
        let now = call.clock().wall();
        let end = || {
            let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            let end = self.expires_on.or_else(|| self.end_date())?;
            Some(end.saturating_sub(since_1970))
        };
        // The span first: it doesn't depend on this machine's clock.
        match self.expires_in.or_else(end) {
            Some(lifetime) if !self.access_token.is_empty() => {
                let end = now + lifetime.min(MAX_LIFETIME);
                Ok(AccessToken::new(self.access_token, end))
            }
            _ => Err(no_token(operation)),
        }
    }

    /// The date of `azd`, in seconds since 1970. `az` writes local time without a zone in the same
    /// field, which can't be read reliably.
    fn end_date(&self) -> Option<Duration> {
        let date = parse_rfc3339(self.other.get("expiresOn")?.as_str()?).ok()?;
        let seconds = date.unix_timestamp().try_into().unwrap_or_default();
        Some(Duration::from_secs(seconds))
    }
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
            .into_token("test", &call)
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
    async fn a_response_without_token_or_lifetime_is_none() {
        for json in [
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"","expires_in":"60"}"#,
            r#"{"access_token":"t","expires_on":"01/01/2030 00:00:00 +00:00"}"#,
        ] {
            assert!(token(json).is_none(), "{json}");
        }
    }

    #[test]
    fn codes_without_advice_have_none() {
        assert!(hint("AADSTS7000215").is_some());
        assert_eq!(hint("AADSTS1"), None);
    }
}
