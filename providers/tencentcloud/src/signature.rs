//! The signature TC3-HMAC-SHA256 over the body, the host and the content type.
//!
//! cloud.tencent.com/document/api/213/30654

use std::time::{SystemTime, UNIX_EPOCH};

use cloud_autojoin_core::Secret;
use cloud_autojoin_core::http::Request;
use cloud_autojoin_provider_kit::auth::AccessKey;
use cloud_autojoin_provider_kit::auth::sign::{hex, hmac_sha256, sha256_hex};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, InvalidHeaderValue};
use url::Position;

const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// The content type that is signed, and has to be sent.
pub(crate) const CONTENT_TYPE: &str = "application/json";

/// Signs a `POST` to the service `cvm`.
pub(crate) fn sign(
    request: &mut Request,
    key: &AccessKey,
    now: SystemTime,
) -> Result<(), InvalidHeaderValue> {
    let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = humantime::format_rfc3339_seconds(now).to_string();
    let date = time.get(..10).unwrap_or_default();
    let url = request.url();
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let body = sha256_hex(request.body().map_or(&[][..], |body| body));
    let canonical = format!(
        "POST\n{}\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\n\ncontent-type;host\n{body}",
        url.path()
    );
    let scope = format!("{date}/cvm/tc3_request");
    let text = format!(
        "{ALGORITHM}\n{timestamp}\n{scope}\n{}",
        sha256_hex(canonical.as_bytes())
    );

    let secret = Secret::new(format!("TC3{}", key.secret.expose()));
    let signing_key = ["cvm", "tc3_request"].iter().fold(
        hmac_sha256(secret.expose().as_bytes(), date.as_bytes()),
        |key, part| hmac_sha256(&key, part.as_bytes()),
    );
    let signature = hex(&hmac_sha256(&signing_key, text.as_bytes()));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders=content-type;host, Signature={signature}",
        key.id
    );

    request.set_header(
        HeaderName::from_static("x-tc-timestamp"),
        HeaderValue::from(timestamp),
    );
    let token = key.session_token.as_ref().map(Secret::expose);
    for (name, text) in [
        (AUTHORIZATION, Some(authorization.as_str())),
        (HeaderName::from_static("x-tc-token"), token),
    ] {
        if let Some(text) = text {
            let mut value = HeaderValue::from_str(text)?;
            value.set_sensitive(true);
            request.set_header(name, value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn signed(body: &'static str, session_token: Option<&str>) -> Request {
        let mut request = Request::post(
            "list",
            "https://cvm.tencentcloudapi.com/".parse().unwrap(),
            body,
        );
        let key = AccessKey::new(
            "AKIDEXAMPLE",
            Secret::new("SECRETEXAMPLE"),
            session_token.map(Secret::new),
        );
        let now = humantime::parse_rfc3339("2026-11-22T23:02:20Z").unwrap();
        sign(&mut request, &key, now).unwrap();
        request
    }

    /// Two requests of go-discover's client, which the vendor's `tencentcloud-sdk-python-common`
    /// signs alike.
    #[test]
    fn signatures_are_those_of_the_vendors_sdk() {
        for (body, signature) in [
            (
                r#"{"Filters":[{"Name":"instance-state","Values":["RUNNING"]},{"Name":"tag:consul","Values":["test"]}]}"#,
                "f6cd486683ecea11d8fa70f32dca5bc611fdfb5c8ee81174b975f8fbb7504ea7",
            ),
            (
                r#"{"Filters":[{"Name":"instance-state","Values":["RUNNING"]},{"Name":"tag:k\u003cy\u003e","Values":["v\u0026\"ü"]}]}"#,
                "a7525bf32fcbe220b8aad80680d9ea344b4a55bf62a04b37953cbfe51a4e6291",
            ),
        ] {
            let request = signed(body, None);
            assert_eq!(request.headers()["x-tc-timestamp"], "1795388540");
            assert!(
                request.headers()[AUTHORIZATION]
                    .to_str()
                    .unwrap()
                    .ends_with(signature),
                "{body}"
            );
        }
    }

    #[test]
    fn a_temporary_key_sends_its_token() {
        assert!(!signed("{}", None).headers().contains_key("x-tc-token"));
        assert_eq!(signed("{}", Some("t")).headers()["x-tc-token"], "t");
    }
}
