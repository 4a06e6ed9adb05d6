//! The tests of the conformance suite that need a server. Their names state the requirements.

#![allow(
    missing_docs,
    reason = "the names of the functions are the documentation"
)]

use cloud_autojoin_core::{Error, TransportFailure};
use wiremock::{Mock, MockServer, ResponseTemplate};

pub use super::config_checks::*;
use super::harness::{Outcome, Shape, assert_no_secret};
use super::{CANARY, Conformance, Exchange, Fault, Harness, Paging, Refusal};

pub async fn all_pages_are_read_with_the_promised_requests(conformance: Conformance) {
    let harness = Harness::serving(conformance).await;
    let outcome = harness.discover().await;
    assert_eq!(outcome.addresses(), harness.conformance.addresses);
    let requests = harness.requested().await;
    for exchange in &harness.conformance.exchanges {
        let count = requests
            .iter()
            .filter(|request| wiremock::Match::matches(&Shape(exchange.clone()), request))
            .count();
        assert_eq!(count, 1, "requests for {exchange:?}: {requests:#?}");
    }
    assert_eq!(
        requests.len(),
        harness.conformance.exchanges.len(),
        "{requests:#?}"
    );
    for request in requests {
        assert_no_secret(request.url.as_str());
        let agent = request
            .headers
            .get("user-agent")
            .map(|value| value.to_str().unwrap_or_default().trim());
        assert!(
            agent.is_some_and(|agent| !agent.is_empty()),
            "every request has a user agent"
        );
    }
}

pub async fn every_excluded_resource_has_its_reason(conformance: Conformance) {
    let harness = Harness::serving(conformance).await.with_full_detail();
    let outcome = harness.discover().await;
    let nodes = outcome.discovery().nodes();
    for (name, reason) in harness.conformance.excluded {
        let node = nodes.iter().find(|node| node.name == *name);
        let node = node.unwrap_or_else(|| panic!("`{name}` was examined: {nodes:#?}"));
        assert!(node.addresses.is_empty(), "`{name}` has addresses");
        let reasons: Vec<String> = node.excluded.iter().map(ToString::to_string).collect();
        assert!(
            reasons.join("; ").contains(reason),
            "`{name}`: {reasons:?} has no `{reason}`"
        );
    }
    for node in nodes {
        assert!(
            node.is_match() || !node.excluded.is_empty(),
            "no reason for {node:?}"
        );
        assert!(
            !node.kind.is_empty() && !node.id.is_empty(),
            "{node:?} has a kind and an id"
        );
    }
}

pub async fn full_detail_gives_the_same_addresses(conformance: Conformance) {
    let harness = Harness::serving(conformance).await;
    let plain = harness.discover().await;
    let harness = harness.with_full_detail();
    let full = harness.discover().await;
    assert_eq!(plain.addresses(), full.addresses());
    assert_eq!(plain.discovery().examined(), full.discovery().nodes().len());
}

pub async fn a_provider_can_be_queried_again(conformance: Conformance) {
    let harness = Harness::serving(conformance).await;
    let context = harness.context();
    let provider = harness.provider(&context);
    let first = harness.ask(provider.as_ref(), &context).await;
    let second = harness.ask(provider.as_ref(), &context).await;
    assert_eq!(first.addresses(), second.addresses());
    assert!(
        second.requests <= first.requests,
        "a second call makes no more requests"
    );
}

pub async fn a_page_that_leads_back_is_an_error(conformance: Conformance) {
    if conformance.paging == Paging::None || conformance.paging == Paging::Number {
        return;
    }
    let harness = Harness::start(conformance).await;
    // Every page names the successor of the first page.
    let (pages, before) = paged(&harness.conformance.exchanges);
    harness.mount(before).await;
    let reply = harness.reply(&pages[0]);
    let any = Exchange {
        query: Default::default(),
        body_parts: Vec::new(),
        absent_body_parts: Vec::new(),
        ..pages[0].clone()
    };
    Mock::given(Shape(any))
        .respond_with(reply)
        .with_priority(2)
        .mount(&harness.server)
        .await;
    let outcome = harness.discover().await;
    assert_eq!(
        transport_failure(&outcome),
        TransportFailure::PaginationLimit
    );
}

pub async fn a_link_to_another_host_is_an_error_and_gets_no_credential(conformance: Conformance) {
    if conformance.paging != Paging::Link {
        return;
    }
    let foreign = MockServer::start().await;
    let harness = Harness::start(conformance).await;
    let (pages, before) = paged(&harness.conformance.exchanges);
    harness.mount(before).await;
    let mut first = pages[0].clone();
    first.reply = first.reply.replace("ENDPOINT", &foreign.uri());
    for (_, value) in &mut first.reply_headers {
        *value = value.replace("ENDPOINT", &foreign.uri());
    }
    harness.mount(&[first]).await;
    let outcome = harness.discover().await;
    assert_eq!(
        transport_failure(&outcome),
        TransportFailure::CrossOriginLink
    );
    assert_got_nothing(&foreign).await;
}

/// Another host must never get a request, which would carry the credential.
async fn assert_got_nothing(foreign: &MockServer) {
    let requests = foreign.received_requests().await;
    assert!(requests.unwrap_or_default().is_empty());
}

pub async fn a_redirect_is_an_error_and_gets_no_credential(conformance: Conformance) {
    let foreign = MockServer::start().await;
    let harness = Harness::serving(conformance).await;
    let location = format!("{}/elsewhere?token={CANARY}", foreign.uri());
    let redirect = Refusal::new(302, "").with_header("location", location);
    harness.refuse(harness.last_exchange(), &redirect, 10).await;
    let outcome = harness.discover().await;
    assert_eq!(transport_failure(&outcome), TransportFailure::Redirected);
    assert_got_nothing(&foreign).await;
}

pub async fn a_page_that_fails_fails_the_whole_list(conformance: Conformance) {
    let harness = Harness::serving(conformance).await;
    harness
        .refuse(harness.last_exchange(), &Refusal::new(500, "{}"), 100)
        .await;
    let outcome = harness.discover().await;
    assert!(
        matches!(outcome.error(), Error::Api(_)),
        "{:?}",
        outcome.error()
    );
    assert!(outcome.error().is_transient());
}

pub async fn throttling_is_waited_for(conformance: Conformance) {
    let harness = Harness::serving(conformance).await;
    let (refusal, wait) = harness.conformance.throttled.clone();
    harness.refuse(harness.last_exchange(), &refusal, 1).await;
    let outcome = harness.discover().await;
    assert_eq!(outcome.addresses(), harness.conformance.addresses);
    assert!(
        outcome.elapsed >= wait,
        "waited {:?}, not {wait:?}",
        outcome.elapsed
    );
}

pub async fn throttling_without_end_is_a_transient_error(conformance: Conformance) {
    let harness = Harness::serving(conformance).await;
    let (refusal, _) = harness.conformance.throttled.clone();
    harness
        .refuse(harness.last_exchange(), &refusal, 1000)
        .await;
    let outcome = harness.discover().await;
    assert!(
        matches!(outcome.error(), Error::Api(_)),
        "{:?}",
        outcome.error()
    );
    assert!(outcome.error().is_transient(), "{:?}", outcome.error());
    assert!(
        outcome
            .error()
            .hint()
            .is_some_and(|hint| hint.contains("throttled")),
        "{:?}",
        outcome.error().hint()
    );
}

pub async fn server_errors_are_retried(conformance: Conformance) {
    let harness = Harness::serving(conformance).await;
    for status in [500, 502, 503, 504] {
        harness
            .refuse(harness.last_exchange(), &Refusal::new(status, "{}"), 1)
            .await;
    }
    let outcome = harness.discover().await;
    assert_eq!(outcome.addresses(), harness.conformance.addresses);
}

pub async fn an_html_error_page_is_not_repeated(conformance: Conformance) {
    let harness = Harness::serving(conformance).await;
    let page = Refusal::new(502, "<html><body>Bad Gateway</body></html>")
        .with_header("content-type", "text/html");
    harness.refuse(harness.last_exchange(), &page, 100).await;
    let outcome = harness.discover().await;
    let text = outcome.error().chain();
    assert!(text.contains("502") && !text.contains('<'), "{text}");
}

pub async fn a_reset_connection_is_retried(conformance: Conformance) {
    let harness = Harness::serving(conformance)
        .await
        .with_faults([Fault::Reset, Fault::Reset]);
    assert_eq!(
        harness.discover().await.addresses(),
        harness.conformance.addresses
    );
}

pub async fn a_truncated_body_is_retried(conformance: Conformance) {
    let harness = Harness::serving(conformance)
        .await
        .with_faults([Fault::Truncated]);
    assert_eq!(
        harness.discover().await.addresses(),
        harness.conformance.addresses
    );
}

pub async fn a_silent_server_ends_with_the_deadline(conformance: Conformance) {
    let harness = Harness::serving(conformance)
        .await
        .with_faults([Fault::Silence]);
    tokio::time::pause();
    let outcome = harness.discover().await;
    tokio::time::resume();
    assert!(outcome.error().is_transient(), "{:?}", outcome.error());
    assert!(outcome.error().hint().is_some(), "a hint");
}

pub async fn a_refused_credential_is_explained(conformance: Conformance) {
    let harness = Harness::serving(conformance).await;
    let refusal = harness.conformance.unauthorized.clone();
    harness.refuse(harness.last_exchange(), &refusal, 100).await;
    let outcome = harness.discover().await;
    let error = outcome.error();
    assert!(
        matches!(error, Error::Api(_) | Error::Credential(_)),
        "{error:?}"
    );
    assert!(!error.is_transient(), "{error:?}");
    assert!(
        error.hint().is_some(),
        "a hint names the credential: {error:?}"
    );
    assert!(
        outcome.requests <= 2 * harness.conformance.exchanges.len() + 2,
        "a refused credential is sent at most twice"
    );
}

pub async fn a_missing_permission_is_named(conformance: Conformance) {
    let Some((refusal, permission)) = conformance.denied.clone() else {
        return;
    };
    let harness = Harness::serving(conformance).await;
    harness.refuse(harness.last_exchange(), &refusal, 100).await;
    let outcome = harness.discover().await;
    let text = format!(
        "{} {}",
        outcome.error().chain(),
        outcome.error().hint().unwrap_or_default()
    );
    assert!(
        text.contains(permission),
        "`{permission}` isn't named: {text}"
    );
}

pub async fn a_secret_that_the_service_repeats_is_masked(conformance: Conformance) {
    for exchange in conformance.exchanges.clone() {
        let harness = Harness::serving(conformance.clone()).await;
        let refusal = harness.conformance.unauthorized.clone();
        Mock::given(Shape(exchange))
            .respond_with(move |request: &wiremock::Request| refusal.repeating(request))
            .with_priority(1)
            .mount(&harness.server)
            .await;
        // The harness looks for secrets in the error.
        harness.discover().await;
    }
}

pub async fn a_body_over_the_limit_is_an_error(conformance: Conformance) {
    let harness = Harness::serving(conformance).await.with_max_body(10);
    assert_eq!(
        transport_failure(&harness.discover().await),
        TransportFailure::TooLarge
    );
}

pub async fn a_byte_order_mark_is_skipped(mut conformance: Conformance) {
    for exchange in &mut conformance.exchanges {
        exchange.reply.insert(0, '\u{feff}');
    }
    let harness = Harness::serving(conformance).await;
    assert_eq!(
        harness.discover().await.addresses(),
        harness.conformance.addresses
    );
}

pub async fn a_body_that_is_not_the_documented_format_is_a_decode_error(conformance: Conformance) {
    let text = format!("a captive portal {CANARY}");
    for body in [
        format!("\"{text}\""),
        format!("<html>{text}</html>"),
        text.clone(),
        "[[1]]".to_owned(),
    ] {
        let harness = Harness::serving(conformance.clone()).await;
        let reply = ResponseTemplate::new(200).set_body_raw(body.clone(), "text/html");
        Mock::given(Shape(harness.last_exchange().clone()))
            .respond_with(reply)
            .with_priority(1)
            .mount(&harness.server)
            .await;
        let outcome = harness.discover().await;
        let error = outcome.error();
        assert!(matches!(error, Error::Decode(_)), "{body}: {error:?}");
        assert!(error.hint().is_some(), "a hint");
    }
}

pub async fn a_response_without_its_fields_never_shortens_the_list(conformance: Conformance) {
    for at in 0..conformance.exchanges.len() {
        let mut conformance = conformance.clone();
        conformance.exchanges[at].reply = "{}".to_owned();
        let harness = Harness::serving(conformance).await;
        let outcome = harness.discover().await;
        if outcome.result.is_ok() {
            let conformance = &harness.conformance;
            let exchange = &conformance.exchanges[at];
            assert_eq!(outcome.addresses(), conformance.addresses, "{exchange:?}");
        }
    }
}

pub async fn nothing_matched_reports_what_was_examined(conformance: Conformance) {
    let harness = Harness::start(conformance).await;
    harness.mount(&harness.conformance.nothing).await;
    let outcome = harness.discover().await;
    let discovery = outcome.discovery().clone();
    assert!(discovery.addresses().is_empty());
    let error = discovery.require_addresses().expect_err("no address");
    let text = format!("{} {}", error.chain(), error.hint().unwrap_or_default());
    assert!(matches!(error, Error::NothingMatched(_)), "{text}");
    assert!(text.contains("no address found for"), "{text}");
    assert!(error.hint().is_some(), "a hint says what to check: {text}");
}

/// The transport error of the discovery, or of the credential that it needs.
fn transport_failure(outcome: &Outcome) -> TransportFailure {
    let error = outcome.error();
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<Error>());
    match (error, cause) {
        (Error::Transport(error), _) | (Error::Credential(_), Some(Error::Transport(error))) => {
            error.failure()
        }
        (other, _) => panic!("a transport error, not {other:?}"),
    }
}

/// The exchanges of the paged list, which come last and share a path, and those before them.
fn paged(exchanges: &[Exchange]) -> (&[Exchange], &[Exchange]) {
    let last = exchanges.last().expect("at least one exchange");
    let first = exchanges
        .iter()
        .position(|exchange| (exchange.method, &exchange.path) == (last.method, &last.path));
    let (before, pages) = exchanges.split_at(first.unwrap_or_default());
    (pages, before)
}
