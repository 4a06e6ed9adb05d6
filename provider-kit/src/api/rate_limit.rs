//! The wait for a service that sends the time when its rate limit resets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloud_autojoin_core::http::{RawResponse, ResponseClass, retry_after};

/// The wait that a response requests: `Retry-After`, or for status 429 the time in the header
/// `reset`, in seconds of Unix time.
pub fn retry_after_or_reset(
    response: &RawResponse,
    reset: &str,
    now: SystemTime,
) -> Option<Duration> {
    retry_after(&response.headers, now).or_else(|| {
        if ResponseClass::of_status(response.status) != ResponseClass::Throttled {
            return None;
        }
        let reset = response
            .headers
            .get(reset)?
            .to_str()
            .ok()?
            .trim()
            .parse()
            .ok()?;
        UNIX_EPOCH
            .checked_add(Duration::from_secs(reset))?
            .duration_since(now)
            .ok()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use http::{HeaderName, HeaderValue, StatusCode};

    use super::*;

    fn wait(status: u16, headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let mut response = RawResponse::new(StatusCode::from_u16(status).unwrap(), "");
        for (name, value) in headers {
            response = response.with_header(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        retry_after_or_reset(
            &response,
            "ratelimit-reset",
            UNIX_EPOCH + Duration::from_secs(100),
        )
        .map(|wait| wait.as_secs())
    }

    #[test]
    fn the_reset_counts_for_throttling_without_retry_after() {
        assert_eq!(wait(429, &[("ratelimit-reset", "107")]), Some(7));
        assert_eq!(
            wait(429, &[("ratelimit-reset", "107"), ("retry-after", "2")]),
            Some(2)
        );
        assert_eq!(wait(200, &[("ratelimit-reset", "107")]), None);
        for past_or_senseless in ["99", "-1", "soon", "18446744073709551615"] {
            assert_eq!(
                wait(429, &[("ratelimit-reset", past_or_senseless)]),
                None,
                "{past_or_senseless}"
            );
        }
    }
}
