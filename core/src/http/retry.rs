//! The retry policy, and the wait that a server requests.

use std::time::{Duration, SystemTime};

use http::header::{DATE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use super::{Backoff, ResponseClass};
use crate::error::TransportFailure;

/// The longest `Retry-After` that is honoured without throttling. An outage may end earlier: one
/// 503 with a `Retry-After` of a day must not stop a caller for that long.
pub const MAX_OUTAGE_WAIT: Duration = Duration::from_secs(5 * 60);

/// What is retried, and when. The default: at most 4 retries with [`Backoff::default`].
///
/// Retried are connection failures, stalled and truncated responses, and the statuses 408, 429 and
/// 5xx except 501 and 505. The method doesn't matter: every `POST` here (token requests, queries)
/// can be repeated. Waits end at the call's deadline.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    max_retries: u32,
    backoff: Backoff,
    more_statuses: Vec<StatusCode>,
    retries_connect: bool,
}

impl RetryPolicy {
    /// No retries.
    pub fn none() -> Self {
        Self {
            max_retries: 0,
            ..Self::default()
        }
    }

    /// The same policy with this maximum number of retries.
    #[must_use]
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// The same policy with other waits.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The same policy, which also retries these statuses: an instance metadata service returns 404
    /// and 410 while it is being updated.
    #[must_use]
    pub fn also(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.more_statuses.extend(statuses);
        self
    }

    /// The same policy, which doesn't retry connection failures: for a service on this machine or
    /// its link, whose caller has another source or polls.
    #[must_use]
    pub fn without_connect_retries(mut self) -> Self {
        self.retries_connect = false;
        self
    }

    /// The maximum number of retries.
    pub fn max_retries(&self) -> u32 {
        self.max_retries
    }

    /// The waits between attempts.
    pub fn backoff(&self) -> &Backoff {
        &self.backoff
    }

    /// Whether a response with this status is retried.
    pub fn retries_status(&self, status: StatusCode) -> bool {
        ResponseClass::of_status(status).is_transient() || self.also_retries(status)
    }

    /// Whether the policy retries this status whatever its class.
    pub fn also_retries(&self, status: StatusCode) -> bool {
        self.more_statuses.contains(&status)
    }

    /// Whether such a failure is retried.
    pub fn retries_failure(&self, failure: TransportFailure) -> bool {
        match failure {
            TransportFailure::Connect => self.retries_connect,
            TransportFailure::IdleTimeout
            | TransportFailure::Truncated
            | TransportFailure::NotHttp => true,
            TransportFailure::ProxyStatus(status) => {
                StatusCode::from_u16(status).is_ok_and(|status| self.retries_status(status))
            }
            _ => false,
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 4,
            backoff: Backoff::default(),
            more_statuses: Vec::new(),
            retries_connect: true,
        }
    }
}

/// The wait that the server requests: `retry-after-ms` or `x-ms-retry-after-ms` in milliseconds,
/// otherwise `Retry-After` in seconds or as an HTTP date (RFC 9110, section 10.2.3).
///
/// A date is compared with the response's own `Date`, so a wrong clock on this machine doesn't
/// matter, or with `now` without one; a date in the past is a wait of zero. Invalid values count as
/// absent.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    const MILLISECONDS: [HeaderName; 2] = [
        HeaderName::from_static("retry-after-ms"),
        HeaderName::from_static("x-ms-retry-after-ms"),
    ];
    if let Some(milliseconds) = MILLISECONDS
        .iter()
        .find_map(|name| whole_number(text(headers, name)?))
    {
        return Some(Duration::from_millis(milliseconds));
    }
    let value = text(headers, &RETRY_AFTER)?;
    if let Some(seconds) = whole_number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let now = text(headers, &DATE)
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .unwrap_or(now);
    Some(date.duration_since(now).unwrap_or_default())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Digits only: `parse` would accept a sign too.
fn whole_number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    fn delay_of(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        // 1994-11-15T08:12:31Z
        retry_after(
            &headers(pairs),
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_887_151),
        )
    }

    #[test]
    fn the_requested_wait_is_read_in_every_form_servers_use() {
        let seconds = |number| Some(Duration::from_secs(number));
        assert_eq!(delay_of(&[]), None);
        assert_eq!(delay_of(&[("retry-after", "17")]), seconds(17));
        assert_eq!(delay_of(&[("retry-after", " 0 ")]), seconds(0));
        assert_eq!(
            delay_of(&[("retry-after", "Tue, 15 Nov 1994 08:12:41 GMT")]),
            seconds(10)
        );
        assert_eq!(
            delay_of(&[("retry-after", "Tue, 15 Nov 1994 08:12:11 GMT")]),
            seconds(0)
        );
        assert_eq!(
            delay_of(&[("retry-after-ms", "1500"), ("retry-after", "9")]),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(
            delay_of(&[("x-ms-retry-after-ms", "250")]),
            Some(Duration::from_millis(250))
        );
        assert_eq!(
            delay_of(&[("retry-after-ms", "soon"), ("retry-after", "9")]),
            seconds(9)
        );
    }

    #[test]
    fn nonsense_counts_as_absent() {
        for value in [
            "-1",
            "+5",
            "1.5",
            "",
            "soon",
            "1e3",
            "99999999999999999999999",
        ] {
            assert_eq!(delay_of(&[("retry-after", value)]), None, "{value}");
        }
    }

    #[test]
    fn a_date_is_measured_by_the_servers_clock_if_it_sends_its_time() {
        let ahead = [
            ("date", "Fri, 01 Jan 2010 00:00:00 GMT"),
            ("retry-after", "Fri, 01 Jan 2010 00:00:30 GMT"),
        ];
        let behind = [
            ("date", "Mon, 01 Jan 1990 00:00:00 GMT"),
            ("retry-after", "Mon, 01 Jan 1990 00:00:30 GMT"),
        ];
        assert_eq!(
            (delay_of(&ahead), delay_of(&behind)),
            (Some(Duration::from_secs(30)), Some(Duration::from_secs(30)))
        );
    }

    #[test]
    fn failures_that_waiting_can_mend_are_tried_again_and_no_others() {
        let policy = RetryPolicy::default();
        let tried_again: Vec<u16> = (100..=599)
            .filter(|status| policy.retries_status(StatusCode::from_u16(*status).unwrap()))
            .collect();
        let expected: Vec<u16> = [408, 429]
            .into_iter()
            .chain((500..=599).filter(|status| ![501, 505].contains(status)))
            .collect();
        assert_eq!(tried_again, expected);
        assert!(
            policy
                .also([StatusCode::NOT_FOUND, StatusCode::GONE])
                .retries_status(StatusCode::GONE)
        );
    }

    #[test]
    fn a_policy_may_leave_connections_that_do_not_open_to_the_caller() {
        let policy = RetryPolicy::default();
        assert!(policy.retries_failure(TransportFailure::Connect));
        let policy = policy.without_connect_retries();
        assert!(
            !policy.retries_failure(TransportFailure::Connect)
                && policy.retries_failure(TransportFailure::IdleTimeout)
        );
    }
}
