//! The client over a fake transport, under tokio's paused clock: every wait is measured exactly.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use http::header::{DATE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use serde::de::IgnoredAny;

use super::*;
use crate::clock::Clock;
use crate::http::{Backoff, RetryPolicy};
use crate::secret::Secret;

const SECOND: Duration = Duration::from_secs(1);

/// What the transport does with one attempt.
pub(super) enum Step {
    Response(RawResponse),
    Fail(TransportFailure),
    /// Nothing, ever.
    Silence,
}

/// A request as it reached the transport: when, and with what body.
struct Sent(Instant, Option<Vec<u8>>);

/// Takes its steps one after the other, `lag` after each request; an attempt too many fails the
/// test.
#[derive(Clone)]
pub(super) struct FakeTransport {
    steps: Arc<Mutex<VecDeque<Step>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
    lag: Duration,
    start: Instant,
}

impl fmt::Debug for FakeTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeTransport")
    }
}

#[async_trait]
impl Transport for FakeTransport {
    async fn send(&self, request: &Request, _: Instant) -> Result<RawResponse, TransportCause> {
        self.sent.lock().unwrap().push(Sent(
            Instant::now(),
            request.body().map(|body| body.to_vec()),
        ));
        let step = self
            .steps
            .lock()
            .unwrap()
            .pop_front()
            .expect("a try too many");
        Clock::system().sleep(self.lag).await;
        match step {
            Step::Response(raw) => Ok(raw),
            Step::Fail(failure) => {
                Err(TransportCause::new(failure).with_cause(format!("fake {failure:?}")))
            }
            Step::Silence => std::future::pending().await,
        }
    }
}

impl FakeTransport {
    pub(super) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: Arc::new(Mutex::new(steps.into_iter().collect())),
            sent: Arc::default(),
            lag: Duration::ZERO,
            start: Instant::now(),
        }
    }

    fn lagging(self, lag: Duration) -> Self {
        Self { lag, ..self }
    }

    /// A client whose every wait is half its bound: 125, 250, 500, 1000 ms.
    pub(super) fn client(&self) -> HttpClient {
        let backoff = Backoff::default().with_random(|| 0.5);
        let settings = HttpSettings {
            retry: RetryPolicy::default().with_backoff(backoff),
            ..HttpSettings::default()
        };
        HttpClient::with_transport(Arc::new(self.clone()), settings)
    }

    /// When each attempt was sent, in milliseconds from the start.
    pub(super) fn sent_ms(&self) -> Vec<u128> {
        self.sent
            .lock()
            .unwrap()
            .iter()
            .map(|Sent(moment, _)| (*moment - self.start).as_millis())
            .collect()
    }

    /// The body of each attempt, as text.
    pub(super) fn bodies(&self) -> Vec<String> {
        self.sent
            .lock()
            .unwrap()
            .iter()
            .map(|Sent(_, body)| String::from_utf8(body.clone().unwrap_or_default()).unwrap())
            .collect()
    }

    pub(super) fn left(&self) -> usize {
        self.steps.lock().unwrap().len()
    }
}

pub(super) fn status(status: u16) -> Step {
    body(status, "{}")
}

pub(super) fn body(status: u16, body: &str) -> Step {
    Step::Response(RawResponse::new(
        StatusCode::from_u16(status).unwrap(),
        body.to_owned(),
    ))
}

fn with_headers<const N: usize>(status: u16, headers: [(HeaderName, String); N]) -> Step {
    let raw = RawResponse::new(StatusCode::from_u16(status).unwrap(), "{}");
    Step::Response(headers.into_iter().fold(raw, |raw, (name, value)| {
        raw.with_header(name, HeaderValue::try_from(value).unwrap())
    }))
}

fn request() -> Request {
    Request::get(
        "list things",
        "https://user:canary@h.example/things?api-version=1&sig=canary"
            .parse()
            .unwrap(),
    )
    .showing(&["api-version"])
    .bearer(&Secret::new("canary"))
}

pub(super) fn call(timeout: Duration) -> Call {
    Call::new(&Clock::system(), timeout)
}

fn transport_error(error: Error) -> TransportError {
    match error {
        Error::Transport(error) => *error,
        other => panic!("{other:?}"),
    }
}

fn outcomes(call: &Call) -> Vec<(u32, RequestOutcome)> {
    call.requests()
        .into_iter()
        .map(|record| (record.attempt, record.outcome))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn failures_that_pass_are_tried_again_after_jittered_waits_until_the_tries_are_used_up() {
    let transport = FakeTransport::new([
        status(503),
        status(500),
        status(429),
        status(408),
        status(504),
    ]);
    let call = call(60 * SECOND);
    let response = transport.client().send(&request(), &call).await.unwrap();
    assert_eq!(
        (
            response.status.as_u16(),
            response.attempts,
            response.elapsed.as_millis()
        ),
        (504, 5, 1875)
    );
    assert_eq!(transport.sent_ms(), [0, 125, 375, 875, 1875]);
    assert_eq!(
        outcomes(&call),
        [503, 500, 429, 408, 504]
            .into_iter()
            .zip(1..)
            .map(|(code, attempt)| (attempt, RequestOutcome::Status(code)))
            .collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_good_response_is_final() {
    let transport = FakeTransport::new([
        Step::Fail(TransportFailure::Connect),
        Step::Fail(TransportFailure::IdleTimeout),
        Step::Fail(TransportFailure::Truncated),
        body(200, "[1]"),
    ]);
    let response = transport
        .client()
        .send(&request(), &call(60 * SECOND))
        .await
        .unwrap();
    assert_eq!(
        (response.status.as_u16(), response.attempts, &*response.body),
        (200, 4, b"[1]".as_slice())
    );
    assert_eq!(transport.sent_ms(), [0, 125, 375, 875]);
}

#[tokio::test(start_paused = true)]
async fn what_waiting_cannot_mend_is_final_at_once() {
    for code in [200, 202, 400, 401, 403, 404, 409, 501] {
        let transport = FakeTransport::new([status(code)]);
        let response = transport
            .client()
            .send(&request(), &call(60 * SECOND))
            .await
            .unwrap();
        assert_eq!((response.status.as_u16(), response.attempts), (code, 1));
    }
    for failure in [
        TransportFailure::Tls,
        TransportFailure::TooLarge,
        TransportFailure::InvalidRequest,
    ] {
        let transport = FakeTransport::new([Step::Fail(failure)]);
        let error = transport_error(
            transport
                .client()
                .send(&request(), &call(60 * SECOND))
                .await
                .unwrap_err(),
        );
        assert_eq!((error.failure(), error.attempts()), (failure, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_the_requested_seconds() {
    let transport = FakeTransport::new([
        with_headers(429, [(RETRY_AFTER, "7".to_owned())]),
        with_headers(503, [(RETRY_AFTER, "0".to_owned())]),
        status(200),
    ]);
    transport
        .client()
        .send(&request(), &call(60 * SECOND))
        .await
        .unwrap();
    // Without a requested delay it is still at least the backoff.
    assert_eq!(transport.sent_ms(), [0, 7000, 7250]);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_throttle_retry_ends_and_reports_when_to_retry() {
    let transport = FakeTransport::new([
        status(503),
        with_headers(429, [(RETRY_AFTER, "7".to_owned())]),
    ]);
    let response = transport
        .client()
        .send(
            &request(),
            &call(60 * SECOND)
                .without_throttle_retry()
                .within(30 * SECOND),
        )
        .await
        .unwrap();
    assert_eq!(
        (
            response.status.as_u16(),
            response.retry_after,
            response.attempts
        ),
        (429, Some(7 * SECOND), 2)
    );
    assert_eq!(
        transport.sent_ms(),
        [0, 125],
        "other failures are tried again as ever"
    );
}

#[tokio::test(start_paused = true)]
async fn the_server_is_left_alone_until_the_date_it_names() {
    let wall = Clock::system().wall();
    let date = |offset: u64| httpdate::fmt_http_date(wall + Duration::from_secs(offset));
    let transport = FakeTransport::new([
        with_headers(429, [(DATE, date(3600)), (RETRY_AFTER, date(3620))]),
        with_headers(429, [(RETRY_AFTER, date(50))]),
        status(200),
    ]);
    transport
        .client()
        .send(&request(), &call(60 * SECOND))
        .await
        .unwrap();
    let sent = transport.sent_ms();
    assert_eq!(sent[..2], [0, 20_000]);
    // Without the server's own time, dates are read by this machine's clock, to the second.
    assert!((49_000..=50_000).contains(&sent[2]), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_before_the_requested_wait_ends_the_call_at_once_and_reports_when_to_retry() {
    let transport = FakeTransport::new([
        status(503),
        with_headers(429, [(RETRY_AFTER, "120".to_owned())]),
    ]);
    let call = call(60 * SECOND);
    let response = transport.client().send(&request(), &call).await.unwrap();
    assert_eq!(
        (
            response.status.as_u16(),
            response.retry_after,
            response.attempts
        ),
        (429, Some(120 * SECOND), 2)
    );
    assert_eq!(call.elapsed().as_millis(), 125);
}

#[tokio::test(start_paused = true)]
async fn a_failing_server_may_delay_a_retry_by_minutes_and_a_throttling_one_by_any_time() {
    for (code, granted) in [
        (503, MAX_OUTAGE_WAIT),
        (408, MAX_OUTAGE_WAIT),
        (429, 24 * 3600 * SECOND),
    ] {
        let day = || with_headers(code, [(RETRY_AFTER, "86400".to_owned())]);
        let response = FakeTransport::new([day()])
            .client()
            .send(&request(), &call(60 * SECOND))
            .await
            .unwrap();
        assert_eq!(
            (response.status.as_u16(), response.retry_after),
            (code, Some(granted))
        );

        let transport = FakeTransport::new([day(), status(200)]);
        transport
            .client()
            .send(&request(), &call(7 * 24 * 3600 * SECOND))
            .await
            .unwrap();
        assert_eq!(transport.sent_ms(), [0, granted.as_millis()]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_nearer_than_the_backoff_ends_it_with_the_last_failure() {
    let transport = FakeTransport::new([
        Step::Fail(TransportFailure::Connect),
        Step::Fail(TransportFailure::Truncated),
    ]);
    let call = call(Duration::from_millis(300));
    let error = transport_error(
        transport
            .client()
            .send(&request(), &call)
            .await
            .unwrap_err(),
    );
    assert_eq!(
        (
            error.failure(),
            error.attempts(),
            call.elapsed().as_millis()
        ),
        (TransportFailure::Truncated, 2, 125)
    );
    assert_eq!(
        error.to_string(),
        "cannot list things: the response of https://h.example is incomplete, 2 attempts in 0.1 s"
    );
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "fake Truncated"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_during_an_attempt_reports_the_previous_failure() {
    let call = call(2 * SECOND);
    let error = transport_error(
        FakeTransport::new([status(503), Step::Silence])
            .client()
            .send(&request(), &call)
            .await
            .unwrap_err(),
    );
    assert_eq!(
        (error.failure(), call.elapsed()),
        (TransportFailure::Deadline, 2 * SECOND)
    );
    assert_eq!(
        error.to_string(),
        "cannot list things: the deadline passed before https://h.example responded (the previous attempt: status 503), 2 attempts in 2.0 s"
    );
    assert_eq!(
        outcomes(&call),
        [
            (1, RequestOutcome::Status(503)),
            (2, RequestOutcome::Failed("the deadline passed".to_owned()))
        ]
    );

    let call = self::call(2 * SECOND);
    let error = transport_error(
        FakeTransport::new([Step::Fail(TransportFailure::Connect), Step::Silence])
            .client()
            .send(&request(), &call)
            .await
            .unwrap_err(),
    );
    assert!(
        error
            .to_string()
            .contains("(the previous attempt: no connection: fake Connect)"),
        "{error}"
    );
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "fake Connect"
    );
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_nothing_is_sent() {
    let transport = FakeTransport::new([status(200)]);
    let call = call(Duration::ZERO);
    let error = transport_error(
        transport
            .client()
            .send(&request(), &call)
            .await
            .unwrap_err(),
    );
    assert_eq!(
        (error.failure(), transport.left(), call.requests().len()),
        (TransportFailure::Deadline, 1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_requests_own_policy_counts_before_the_clients() {
    let transport = FakeTransport::new([status(404), status(410), status(200)]);
    let policy = RetryPolicy::default()
        .also([StatusCode::NOT_FOUND, StatusCode::GONE])
        .with_backoff(Backoff::new(SECOND, SECOND).with_random(|| 1.0));
    let response = transport
        .client()
        .send(&request().retry(policy), &call(60 * SECOND))
        .await
        .unwrap();
    assert_eq!(
        (response.status.as_u16(), transport.sent_ms()),
        (200, vec![0, 1000, 2000])
    );

    let transport = FakeTransport::new([status(503)]);
    let response = transport
        .client()
        .send(&request().retry(RetryPolicy::none()), &call(60 * SECOND))
        .await
        .unwrap();
    assert_eq!((response.status.as_u16(), response.attempts), (503, 1));
}

#[tokio::test(start_paused = true)]
async fn a_post_is_tried_again_with_its_body() {
    let transport = FakeTransport::new([status(503), status(200)]);
    let request = Request::post(
        "get a token",
        "https://h.example/token".parse().unwrap(),
        "grant_type=x",
    );
    transport
        .client()
        .send(&request, &call(60 * SECOND))
        .await
        .unwrap();
    let bodies: Vec<_> = transport
        .sent
        .lock()
        .unwrap()
        .iter()
        .map(|Sent(_, body)| body.clone().unwrap())
        .collect();
    assert_eq!(bodies, [b"grant_type=x", b"grant_type=x"]);
}

#[tokio::test(start_paused = true)]
async fn the_record_has_each_request_its_time_and_its_outcome() {
    let transport = FakeTransport::new([
        Step::Fail(TransportFailure::IdleTimeout),
        body(200, "[1, 2]"),
    ])
    .lagging(SECOND);
    let call = call(60 * SECOND);
    Clock::system().sleep(SECOND).await;
    transport.client().send(&request(), &call).await.unwrap();
    let records = serde_json::to_value(call.requests()).unwrap();
    let target = "GET https://h.example/things?api-version=1&sig=...";
    assert_eq!(
        records,
        serde_json::json!([
            {"operation": "list things", "target": target, "attempt": 1, "outcome": {"failed": "no byte for too long: fake IdleTimeout"}, "started_ms": 1000, "elapsed_ms": 1000, "bytes": 0},
            {"operation": "list things", "target": target, "attempt": 2, "outcome": {"status": 200}, "started_ms": 2125, "elapsed_ms": 1000, "bytes": 6},
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_midway_is_recorded_as_dropped() {
    let transport = FakeTransport::new([Step::Silence]);
    let (client, request, call) = (transport.client(), request(), call(60 * SECOND));
    assert!(
        tokio::time::timeout(SECOND, client.send(&request, &call))
            .await
            .is_err()
    );
    let records = call.requests();
    assert_eq!(
        (records.len(), &records[0].outcome, records[0].elapsed),
        (1, &RequestOutcome::Cancelled, SECOND)
    );
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_not_followed_and_the_error_names_the_place() {
    for (location, place) in [
        (
            "https://canary@evil.example:8443/a?canary",
            "status 307 to https://evil.example:8443",
        ),
        ("/elsewhere?canary", "status 307 to https://h.example"),
        ("https://", "status 307 without a location"),
    ] {
        let transport = FakeTransport::new([with_headers(307, [(LOCATION, location.to_owned())])]);
        let error = transport_error(
            transport
                .client()
                .send(&request(), &call(60 * SECOND))
                .await
                .unwrap_err(),
        );
        assert_eq!(error.failure(), TransportFailure::Redirected);
        assert_eq!(
            error.to_string(),
            format!("cannot list things: https://h.example redirects ({place})")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn truncated_json_is_requested_again() {
    let transport = FakeTransport::new([body(200, "[1,"), body(200, "[1,2]")]);
    let call = call(60 * SECOND);
    let response = transport
        .client()
        .json::<Vec<u8>>("azure", &request(), &call)
        .await
        .unwrap();
    let JsonResponse::Success(numbers, response) = response else {
        panic!("{response:?}")
    };
    assert_eq!(
        (numbers, response.attempts, response.body.len()),
        (vec![1, 2], 2, 0)
    );
    let first = &call.requests()[0];
    assert_eq!(
        (&first.outcome, first.bytes),
        (
            &RequestOutcome::Failed(
                "cut short (the body ends early): EOF while parsing a value at line 1 column 3"
                    .to_owned()
            ),
            3
        )
    );
}

#[tokio::test(start_paused = true)]
async fn json_that_always_ends_early_is_a_truncated_response_and_never_a_partial_list() {
    let transport = FakeTransport::new(std::iter::repeat_with(|| body(200, "[1,")).take(5));
    let error = transport_error(
        transport
            .client()
            .json::<Vec<u8>>("azure", &request(), &call(60 * SECOND))
            .await
            .unwrap_err(),
    );
    assert_eq!(
        (error.failure(), error.attempts(), transport.left()),
        (TransportFailure::Truncated, 5, 0)
    );
    assert_eq!(error.provider(), Some("azure"));
}

#[tokio::test(start_paused = true)]
async fn json_with_too_many_values_is_too_large_at_once() {
    let transport = FakeTransport::new([body(200, &format!("[{}{{}}]", "{},".repeat(2_000_000)))]);
    let error = transport_error(
        transport
            .client()
            .json::<Vec<IgnoredAny>>("azure", &request(), &call(60 * SECOND))
            .await
            .unwrap_err(),
    );
    assert_eq!(error.failure(), TransportFailure::TooLarge);
    assert_eq!(
        error.to_string(),
        "cannot list things: the response of https://h.example is too large (the limit is 2000000 values)"
    );
}

#[tokio::test(start_paused = true)]
async fn json_of_another_shape_is_a_decode_error_at_once() {
    for (text, cause) in [
        ("<html>canary</html>", "expected value at line 1 column 1"),
        (
            r#""canary""#,
            r#"invalid type: string "...", expected a sequence at line 1 column 8"#,
        ),
    ] {
        let transport = FakeTransport::new([body(200, text)]);
        let error = transport
            .client()
            .json::<Vec<u8>>("azure", &request(), &call(60 * SECOND))
            .await
            .unwrap_err();
        let Error::Decode(error) = error else {
            panic!("{error:?}")
        };
        assert_eq!(
            (error.provider(), error.to_string()),
            (
                "azure",
                "cannot list things: the response isn't as documented".to_owned()
            )
        );
        assert_eq!(
            std::error::Error::source(&error).unwrap().to_string(),
            cause
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_comes_back_whole_for_the_provider_to_read() {
    let transport = FakeTransport::new([body(
        401,
        r#"{"error":{"code":"ExpiredAuthenticationToken"}}"#,
    )]);
    let response = transport
        .client()
        .json::<Vec<u8>>("azure", &request(), &call(60 * SECOND))
        .await
        .unwrap();
    let JsonResponse::Failure(response) = response else {
        panic!("{response:?}");
    };
    let whole: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let code = whole["error"]["code"].as_str().map(str::to_owned);
    let error =
        crate::ApiError::new("azure", "list things", response.status.as_u16()).with_code(code);
    assert_eq!(
        error.to_string(),
        "cannot list things: status 401 `ExpiredAuthenticationToken`"
    );
}

#[tokio::test(start_paused = true)]
async fn no_secret_of_a_request_or_a_response_is_shown_anywhere() {
    let transport = FakeTransport::new([
        status(503),
        Step::Response(RawResponse::new(StatusCode::OK, "canary").with_header(
            HeaderName::from_static("set-cookie"),
            HeaderValue::from_static("canary"),
        )),
        Step::Fail(TransportFailure::Tls),
        body(200, r#"["canary"]"#),
    ]);
    let (client, request, call) = (transport.client(), request(), call(60 * SECOND));
    let post = Request::post(
        "get a token",
        "https://h.example/?client_secret=canary".parse().unwrap(),
        "client_secret=canary",
    );
    let response = client.send(&request, &call).await.unwrap();
    let failure = client.send(&request, &call).await.unwrap_err();
    let decode = client
        .json::<Vec<u8>>("azure", &request, &call)
        .await
        .unwrap_err();
    let shown = format!(
        "{client:?} {request:?} {post:?} {response:?} {failure:?} {failure} {decode:?} {decode} {:?}",
        call.requests()
    );
    assert!(!shown.contains("canary"), "{shown}");
}
