//! Authorisation and classification: what a provider adds to the retry loop.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use super::tests::{FakeTransport, body, call, status};
use super::*;
use crate::http::{Authorizer, ResponseClassifier};

/// Numbers the attempts in a header, and has as many new credentials as it is given.
#[derive(Debug, Default)]
struct Numbering {
    attempts: AtomicUsize,
    spare: AtomicUsize,
}

#[async_trait::async_trait]
impl Authorizer for Numbering {
    async fn authorize(&self, request: &mut Request, _: &Call) -> Result<()> {
        let number = self.attempts.fetch_add(1, Ordering::SeqCst) + 1;
        *request = request.clone().with_body(number.to_string());
        Ok(())
    }

    async fn refresh(&self, refused: &Request) -> bool {
        let number = self.attempts.load(Ordering::SeqCst).to_string();
        assert_eq!(
            refused.body().unwrap(),
            number.as_bytes(),
            "the request as it was sent"
        );
        let spare = self.spare.load(Ordering::SeqCst);
        self.spare.store(spare.saturating_sub(1), Ordering::SeqCst);
        spare > 0
    }
}

/// A service that throttles with 400 and a code, and has the delay in the body.
struct Coded;

impl ResponseClassifier for Coded {
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        match (
            response.status.as_u16(),
            response.body.starts_with(b"Throttling"),
        ) {
            (200 | 400, true) => ResponseClass::Throttled,
            (200, false) if response.body.starts_with(b"\"Denied") => {
                ResponseClass::PermissionDenied
            }
            _ => ResponseClass::of_status(response.status),
        }
    }

    fn retry_after(&self, _: &RawResponse, _: std::time::SystemTime) -> Option<Duration> {
        Some(Duration::from_secs(3))
    }
}

fn get() -> Request {
    Request::get("list things", "https://h.example/things".parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_authorised_anew() {
    let transport = FakeTransport::new([status(503), status(503), status(200)]);
    let request = get().authorized_by(Arc::new(Numbering::default()));
    transport
        .client()
        .send(&request, &call(Duration::from_secs(60)))
        .await
        .unwrap();
    assert_eq!(transport.bodies(), ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_credential_is_refreshed_once_and_at_once() {
    let transport = FakeTransport::new([status(401), status(401)]);
    let authorizer = Arc::new(Numbering {
        spare: AtomicUsize::new(5),
        ..Numbering::default()
    });
    let response = transport
        .client()
        .send(
            &get().authorized_by(authorizer),
            &call(Duration::from_secs(60)),
        )
        .await
        .unwrap();
    assert_eq!(
        (response.class, response.attempts, transport.sent_ms()),
        (ResponseClass::ExpiredCredential, 2, vec![0, 0])
    );
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_never_changes_is_not_sent_twice() {
    let transport = FakeTransport::new([status(401)]);
    let response = transport
        .client()
        .send(
            &get().authorized_by(Arc::new(Numbering::default())),
            &call(Duration::from_secs(60)),
        )
        .await
        .unwrap();
    assert_eq!(
        (response.class, response.attempts),
        (ResponseClass::ExpiredCredential, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_classifier_decides_what_is_throttling_and_how_long_it_lasts() {
    let transport = FakeTransport::new([body(400, "Throttling"), body(400, "BadRequest")]);
    let response = transport
        .client()
        .send(&get().classified_by(&Coded), &call(Duration::from_secs(60)))
        .await
        .unwrap();
    assert_eq!(
        (response.class, transport.sent_ms()),
        (ResponseClass::Final, vec![0, 3000])
    );
    let transport = FakeTransport::new([body(400, "Throttling")]);
    let response = transport
        .client()
        .send(
            &get().classified_by(&Coded),
            &call(Duration::from_secs(60)).without_throttle_retry(),
        )
        .await
        .unwrap();
    assert_eq!(
        (response.class, response.retry_after),
        (ResponseClass::Throttled, Some(Duration::from_secs(3)))
    );
    assert_eq!(transport.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_with_a_good_status_is_classified_and_keeps_its_body() {
    let transport = FakeTransport::new([body(200, "Throttling"), body(200, "\"Denied\"")]);
    let request = get().classified_by(&Coded);
    let response = transport
        .client()
        .json::<String>("example", &request, &call(Duration::from_secs(60)))
        .await
        .unwrap();
    let JsonResponse::Failure(response) = response else {
        panic!("{response:?} is a value")
    };
    assert_eq!(
        (response.class, &response.body[..], transport.left()),
        (ResponseClass::PermissionDenied, &b"\"Denied\""[..], 0)
    );
}
