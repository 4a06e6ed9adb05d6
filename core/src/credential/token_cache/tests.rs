#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::error::{ApiError, Error, SourceReport};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// An identity service that counts its requests. Its tokens are named by number, live an hour,
/// and take a second to get.
#[derive(Debug, Clone)]
struct Service {
    clock: Clock,
    requests: Arc<AtomicU32>,
    takes: Duration,
    life: Duration,
    down: bool,
}

impl Service {
    fn new() -> Self {
        Self {
            clock: Clock::system(),
            requests: Arc::default(),
            takes: SECOND,
            life: 60 * MINUTE,
            down: false,
        }
    }

    fn down(&self) -> Self {
        Self {
            down: true,
            ..self.clone()
        }
    }

    fn call(&self) -> Call {
        Call::new(&self.clock, MINUTE)
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }

    async fn fetch(self, call: Call) -> Result<AccessToken, CredentialError> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let failed = |error: Error| {
            CredentialError::new("azure", vec![SourceReport::failed("example", error)])
        };
        if self.takes >= call.remaining() {
            self.clock.sleep(call.remaining()).await;
            return Err(failed(
                TransportError::new(
                    "get a token",
                    "https://login.example",
                    TransportFailure::Deadline,
                )
                .into(),
            ));
        }
        self.clock.sleep(self.takes).await;
        if self.down {
            return Err(failed(ApiError::new("azure", "get a token", 503).into()));
        }
        Ok(AccessToken::new(
            Secret::new(number.to_string()),
            self.clock.wall() + self.life,
        ))
    }

    /// The name of the token that `cache` gives for `call`.
    async fn token(&self, cache: &TokenCache, call: &Call) -> Result<String> {
        let token = cache
            .token("scope", call, |call| self.clone().fetch(call))
            .await?;
        Ok(token.secret().expose().to_owned())
    }
}

async fn all<T: Send + 'static>(
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test(start_paused = true)]
async fn many_callers_at_once_make_one_request() {
    let (service, cache) = (Service::new(), Arc::new(TokenCache::new()));
    let tokens = all((0..20).map(|_| {
        let (service, cache) = (service.clone(), Arc::clone(&cache));
        async move { service.token(&cache, &service.call()).await.unwrap() }
    }));
    assert_eq!(
        (tokens.await, service.requests()),
        (vec!["1".to_owned(); 20], 1)
    );
}

#[tokio::test(start_paused = true)]
async fn each_scope_has_its_own_token_and_does_not_wait_for_another() {
    let (service, cache, call) = (Service::new(), TokenCache::new(), Service::new().call());
    let (a, b) = tokio::join!(
        cache.token("a", &call, |call| service.clone().fetch(call)),
        cache.token("b", &call, |call| service.clone().fetch(call))
    );
    assert_ne!(a.unwrap(), b.unwrap());
    assert_eq!((service.requests(), call.elapsed()), (2, SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_five_minutes_before_its_end_and_not_earlier() {
    let (service, cache) = (Service::new(), TokenCache::new());
    assert_eq!(service.token(&cache, &service.call()).await.unwrap(), "1");
    service.clock.sleep(55 * MINUTE - SECOND).await;
    assert_eq!(service.token(&cache, &service.call()).await.unwrap(), "1");
    service.clock.sleep(SECOND).await;
    assert_eq!(service.token(&cache, &service.call()).await.unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_short_lived_token_is_renewed_at_half_its_life() {
    let (service, cache) = (
        Service {
            life: 4 * MINUTE,
            ..Service::new()
        },
        TokenCache::new(),
    );
    assert_eq!(service.token(&cache, &service.call()).await.unwrap(), "1");
    service.clock.sleep(2 * MINUTE - SECOND).await;
    assert_eq!(service.token(&cache, &service.call()).await.unwrap(), "1");
    service.clock.sleep(SECOND).await;
    assert_eq!(service.token(&cache, &service.call()).await.unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn one_caller_renews_while_the_others_go_on_with_the_old_token() {
    let (service, cache) = (Service::new(), Arc::new(TokenCache::new()));
    service.token(&cache, &service.call()).await.unwrap();
    service.clock.sleep(56 * MINUTE).await;
    let mut tokens = all((0..5).map(|_| {
        let (service, cache) = (service.clone(), Arc::clone(&cache));
        async move {
            let call = service.call();
            let token = service.token(&cache, &call).await.unwrap();
            (token, call.elapsed())
        }
    }))
    .await;
    tokens.sort();
    let old = ("1".to_owned(), Duration::ZERO);
    assert_eq!(
        tokens,
        [
            old.clone(),
            old.clone(),
            old.clone(),
            old,
            ("2".to_owned(), SECOND)
        ]
    );
    assert_eq!(service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_gives_the_old_token_and_is_left_alone_for_a_while() {
    let (service, cache) = (Service::new(), TokenCache::new());
    service.token(&cache, &service.call()).await.unwrap();
    service.clock.sleep(56 * MINUTE).await;
    assert_eq!(
        (
            service.down().token(&cache, &service.call()).await.unwrap(),
            service.requests()
        ),
        ("1".to_owned(), 2)
    );
    assert_eq!(
        (
            service.token(&cache, &service.call()).await.unwrap(),
            service.requests()
        ),
        ("1".to_owned(), 2)
    );
    service.clock.sleep(RENEWAL_PAUSE).await;
    assert_eq!(
        (
            service.token(&cache, &service.call()).await.unwrap(),
            service.requests()
        ),
        ("3".to_owned(), 3)
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_past_its_end_is_never_given() {
    let (service, cache) = (Service::new(), TokenCache::new());
    service.token(&cache, &service.call()).await.unwrap();
    service.clock.sleep(60 * MINUTE).await;
    let error = service
        .down()
        .token(&cache, &service.call())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Credential(_)), "{error:?}");
    // Nor one that ends while its renewal is in flight.
    assert_eq!(service.token(&cache, &service.call()).await.unwrap(), "3");
    service.clock.sleep(60 * MINUTE - SECOND).await;
    service
        .down()
        .token(&cache, &service.call())
        .await
        .unwrap_err();
}

#[tokio::test]
async fn a_token_lasts_for_its_life_whatever_is_corrected_on_the_wall_clock_meanwhile() {
    // Seconds by which the machine's clock is wrong; it is set right after the first token came.
    static WRONG: AtomicU32 = AtomicU32::new(0);
    let right = || {
        SystemTime::UNIX_EPOCH
            + Duration::from_secs(1_800_000_000 + u64::from(WRONG.load(Ordering::SeqCst)))
    };
    WRONG.store(2 * 3600, Ordering::SeqCst);
    let service = Service {
        clock: Clock::auto_advancing().with_wall(right),
        ..Service::new()
    };
    let cache = TokenCache::new();
    assert_eq!(service.token(&cache, &service.call()).await.unwrap(), "1");
    WRONG.store(0, Ordering::SeqCst);
    assert_eq!(service.token(&cache, &service.call()).await.unwrap(), "1");
    service.clock.sleep(61 * MINUTE).await;
    assert_eq!(
        service.token(&cache, &service.call()).await.unwrap(),
        "2",
        "the first ended a minute ago"
    );
    // A machine that slept: its monotonic clock may not have counted that.
    WRONG.store(61 * 60, Ordering::SeqCst);
    assert_eq!(service.token(&cache, &service.call()).await.unwrap(), "3");
}

#[tokio::test(start_paused = true)]
async fn a_silent_identity_service_takes_a_quarter_of_a_call_that_has_a_token() {
    let (service, cache) = (Service::new(), TokenCache::new());
    service.token(&cache, &service.call()).await.unwrap();
    service.clock.sleep(56 * MINUTE).await;
    let (silent, call) = (
        Service {
            takes: Duration::MAX,
            ..service.clone()
        },
        service.call(),
    );
    assert_eq!(silent.token(&cache, &call).await.unwrap(), "1");
    assert_eq!(call.elapsed(), MINUTE / 4);
}

#[tokio::test(start_paused = true)]
async fn callers_that_waited_for_a_failed_request_share_its_error() {
    let (service, cache) = (Service::new().down(), Arc::new(TokenCache::new()));
    let call = service.call();
    let errors = all((0..10).map(|_| {
        let (service, cache, call) = (service.clone(), Arc::clone(&cache), call.clone());
        async move { service.token(&cache, &call).await.unwrap_err() }
    }))
    .await;
    assert_eq!(
        (errors.len(), service.requests(), call.elapsed()),
        (10, 1, SECOND)
    );
    for error in errors {
        assert!(error.is_transient());
        let cause = std::error::Error::source(&error).unwrap();
        assert_eq!(
            (error.to_string(), cause.to_string()),
            (
                "the credential `example` failed".to_owned(),
                "cannot get a token: status 503".to_owned()
            )
        );
    }
    // The next call requests again.
    service.token(&cache, &service.call()).await.unwrap_err();
    assert_eq!(service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_more_time_does_not_share_the_deadline_of_the_one_it_waited_for() {
    let (service, cache) = (
        Service {
            takes: 10 * SECOND,
            ..Service::new()
        },
        TokenCache::new(),
    );
    let (short, long) = (Call::new(&service.clock, 2 * SECOND), service.call());
    let (first, second) = tokio::join!(service.token(&cache, &short), service.token(&cache, &long));
    first.unwrap_err();
    assert_eq!((second.unwrap(), service.requests()), ("2".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_for_another_no_longer_than_its_own_deadline() {
    let (service, cache) = (
        Service {
            takes: 10 * SECOND,
            ..Service::new()
        },
        TokenCache::new(),
    );
    let (long, short) = (service.call(), Call::new(&service.clock, 2 * SECOND));
    let (first, second) = tokio::join!(service.token(&cache, &long), async {
        let result = service.token(&cache, &short).await;
        (result, short.elapsed())
    });
    assert_eq!(first.unwrap(), "1");
    let (Err(Error::Transport(error)), elapsed) = second else {
        panic!("{second:?}")
    };
    assert_eq!(
        (error.failure(), elapsed),
        (TransportFailure::Deadline, 2 * SECOND)
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_leaves_the_request_to_the_next() {
    let (service, cache) = (Service::new(), TokenCache::new());
    let call = service.call();
    let first = tokio::time::timeout(SECOND / 2, service.token(&cache, &call));
    let (first, second) = tokio::join!(first, service.token(&cache, &call));
    assert!(first.is_err());
    assert_eq!((second.unwrap(), service.requests()), ("2".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_forgotten_and_the_one_after_it_is_not() {
    let (service, cache, call) = (Service::new(), TokenCache::new(), Service::new().call());
    let fetch = || cache.token("scope", &call, |call| service.clone().fetch(call));
    let first = fetch().await.unwrap();
    cache.invalidate(|token| *token == first);
    let second = fetch().await.unwrap();
    assert_ne!(first, second);
    // Another request reports late that it was refused with the first token.
    cache.invalidate(|token| *token == first);
    assert_eq!((fetch().await.unwrap(), service.requests()), (second, 2));
}

#[tokio::test(start_paused = true)]
async fn a_cache_and_its_tokens_do_not_show_them() {
    let (cache, call) = (TokenCache::new(), Service::new().call());
    let token = AccessToken::new(Secret::new("canary"), call.clock().wall() + MINUTE);
    cache
        .token("scope", &call, |_| std::future::ready(Ok(token.clone())))
        .await
        .unwrap();
    let shown = format!("{cache:?} {token:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

/// Keys that sign requests, as of a cloud without bearer tokens.
#[derive(Debug, Clone, PartialEq)]
struct Keys {
    id: &'static str,
    expires_at: SystemTime,
}

impl Expiring for Keys {
    fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

#[tokio::test(start_paused = true)]
async fn another_kind_of_credential_is_kept_and_renewed_alike() {
    let (clock, cache) = (Clock::system(), TokenCache::new());
    let call = Call::new(&clock, 60 * 60 * SECOND);
    let keys = |id| Keys {
        id,
        expires_at: clock.wall() + 60 * MINUTE,
    };
    let get = async |id| {
        cache
            .token("", &call, async |_| Ok(keys(id)))
            .await
            .unwrap()
    };
    assert_eq!((get("a").await.id, get("b").await.id), ("a", "a"));
    // Within the margin before its end it is renewed; refused, it is forgotten.
    clock.sleep(56 * MINUTE).await;
    assert_eq!(get("b").await.id, "b");
    cache.invalidate(|held| held.id == "b");
    assert_eq!(get("c").await.id, "c");
}
