//! JSON web tokens (RFC 7519), which the services that issue them alone verify.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// When `token` expires (`exp`); `None` if it isn't a token or has no expiry.
pub fn expiry(token: &str) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(exp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_expires_at_the_time_in_its_claims() {
        let token = |claims: &str| format!("e30.{}.s", URL_SAFE_NO_PAD.encode(claims));
        let end = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(expiry(&token(r#"{"sub":"a","exp":1800000000}"#)), Some(end));
        for other in [token("{}"), token("x"), "opaque".into(), "a.b.c".into()] {
            assert_eq!(expiry(&other), None, "{other}");
        }
    }
}
