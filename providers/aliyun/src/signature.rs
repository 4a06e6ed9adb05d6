//! The signature of the RPC style (version 1.0): HMAC-SHA1 over the sorted query.
//!
//! alibabacloud.com/help/en/sdk/product-overview/rpc-mechanism

use std::collections::BTreeMap;
use std::time::SystemTime;

use cloud_autojoin_core::Secret;
use cloud_autojoin_core::http::Request;
use cloud_autojoin_provider_kit::auth::AccessKey;
use cloud_autojoin_provider_kit::auth::sign::hmac_sha1_base64;
use http::header::InvalidHeaderValue;
use url::form_urlencoded::byte_serialize;

/// Signs a `GET`. The service refuses a nonce that it has seen, so every attempt has its own.
pub(crate) fn sign(
    request: &mut Request,
    key: &AccessKey,
    now: SystemTime,
) -> Result<(), InvalidHeaderValue> {
    sign_with_nonce(request, key, now, format!("{:032x}", fastrand::u128(..)));
    Ok(())
}

fn sign_with_nonce(request: &mut Request, key: &AccessKey, now: SystemTime, nonce: String) {
    let mut url = request.url().clone();
    let mut parameters: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let mut add = |name: &str, value: String| _ = parameters.insert(name.to_owned(), value);
    add("AccessKeyId", key.id.clone());
    add("SignatureMethod", "HMAC-SHA1".to_owned());
    add("SignatureNonce", nonce);
    add("SignatureVersion", "1.0".to_owned());
    add(
        "Timestamp",
        humantime::format_rfc3339_seconds(now).to_string(),
    );
    if let Some(token) = &key.session_token {
        add("SecurityToken", token.expose().to_owned());
    }
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    let text = format!("GET&%2F&{}", encode(&pairs.join("&")));
    let signing_key = Secret::new(format!("{}&", key.secret.expose()));
    parameters.insert(
        "Signature".to_owned(),
        hmac_sha1_base64(signing_key.expose().as_bytes(), text.as_bytes()),
    );
    url.query_pairs_mut().clear().extend_pairs(&parameters);
    request.set_url(url);
    if let Some(token) = &key.session_token {
        request.add_secret(token.expose());
    }
}

/// Percent-encodes as RFC 3986 does, which differs from HTML forms in three characters.
fn encode(text: &str) -> String {
    byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
        .replace('*', "%2A")
        .replace("%7E", "~")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;

    /// Two requests of go-discover's client, which the vendor's `aliyun-python-sdk-core` signs
    /// alike.
    #[test]
    fn signatures_are_those_of_the_vendors_sdk() {
        for (tag, value, nonce, expected) in [
            (
                "consul",
                "server.test",
                "fhWFrF39YPMK4b5MXdcqThDkMWO0BOLx",
                "IdDcpg93zw5DILzZtHKLC8pHR9k=",
            ),
            (
                "k e~y",
                "v*l+ü=&",
                "k7Qym27rlKnQjfe55Rk1_d2N0gLqrdjC",
                "6rbQaRG1J9OYSyuw6nfzHU+9YLU=",
            ),
        ] {
            let mut url = url::Url::parse("https://ecs-cn-hangzhou.aliyuncs.com").unwrap();
            url.query_pairs_mut().extend_pairs([
                ("Version", "2014-05-26"),
                ("Action", "DescribeInstances"),
                ("Format", "JSON"),
                ("RegionId", "cn-beijing"),
                ("Status", "Running"),
                ("Tag.1.Key", tag),
                ("Tag.1.Value", value),
            ]);
            let mut request = Request::get("list", url);
            let key = AccessKey::new("AKIDEXAMPLE", Secret::new("SECRETEXAMPLE"), None);
            let now = humantime::parse_rfc3339("2026-11-22T23:02:20Z").unwrap();
            sign_with_nonce(&mut request, &key, now, nonce.to_owned());
            let signature = request
                .url()
                .query_pairs()
                .find(|(name, _)| name == "Signature")
                .unwrap()
                .1
                .into_owned();
            assert_eq!(signature, expected, "{tag}");
        }
    }

    #[test]
    fn every_attempt_has_another_nonce() {
        let key = AccessKey::new("A", Secret::new("S"), Some(Secret::new("T")));
        let signed = || {
            let mut request = Request::get("list", "https://api.example/?A=b".parse().unwrap());
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
            sign(&mut request, &key, now).unwrap();
            request.url().to_string()
        };
        assert_ne!(signed(), signed());
        assert!(
            signed().contains("SecurityToken=T&")
                && signed().contains("Timestamp=1970-01-01T00%3A00%3A01Z")
        );
    }
}
