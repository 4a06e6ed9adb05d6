#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::http::{
    HttpClient, HttpSettings, RawResponse, ResponseClassifier, Transport, TransportCause,
};
use cloud_autojoin_core::{Clock, Context, Error, Instant};
use http::StatusCode;
use serde::{Deserialize, Deserializer};

use super::*;
use crate::Api;

struct TestApi;

impl ResponseClassifier for TestApi {}

impl Api for TestApi {
    fn provider(&self) -> &'static str {
        "test"
    }
}

thread_local! {
    /// The requests, by their query, and what was decoded, in order.
    static LOG: RefCell<Vec<String>> = RefCell::default();
}

fn log(entry: impl Into<String>) {
    LOG.with_borrow_mut(|log| log.push(entry.into()));
}

/// Responds with its bodies, one after the other.
#[derive(Debug)]
struct Scripted(Mutex<VecDeque<&'static str>>);

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, request: &Request, _: Instant) -> Result<RawResponse, TransportCause> {
        log(request.url().query().unwrap_or("first"));
        let body = self.0.lock().unwrap().pop_front().unwrap();
        Clock::system().sleep(Duration::from_millis(50)).await;
        Ok(RawResponse::new(StatusCode::OK, body))
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(deserialize_with = "logged")]
    items: Vec<u32>,
    next: Option<String>,
}

fn logged<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let items = Vec::deserialize(deserializer)?;
    log(format!("decoded {items:?}"));
    Ok(items)
}

/// A client to which the service responds with these bodies.
fn client(bodies: &[&'static str]) -> ApiClient {
    let transport = Scripted(Mutex::new(bodies.iter().copied().collect()));
    let http = HttpClient::with_transport(Arc::new(transport), HttpSettings::default());
    let context = Context::builder().http_client(http).build().unwrap();
    let endpoint = "https://api.example/items".parse().unwrap();
    ApiClient::new(&context, &TestApi, endpoint)
}

/// What a list of these bodies gives, and what happened. The next pages are those of `parameter`.
async fn list(parameter: &'static str, bodies: &[&'static str]) -> (Result<Vec<u32>>, Vec<String>) {
    let client = client(bodies);
    let call = Call::new(&Clock::system(), Duration::from_secs(60));
    let pages = client.pages(client.get("list", &[], &[]), &call);
    let read = |page: Page, pages: &mut Pages<'_>| {
        pages.follow_query(parameter, page.next)?;
        Ok(page.items)
    };
    let items = pages.ahead("page", &["next"]).collect(read).await;
    (items, LOG.take())
}

#[tokio::test(start_paused = true)]
async fn the_next_page_is_requested_before_this_one_is_decoded() {
    let bodies = [
        r#"{"items":[1],"next":"b"}"#,
        r#"{"items":[],"next":"c"}"#,
        r#"{"items":[2]}"#,
    ];
    let (items, log) = list("page", &bodies).await;
    assert_eq!(items.unwrap(), [1, 2]);
    assert_eq!(
        log,
        [
            "first",
            "page=b",
            "decoded [1]",
            "page=c",
            "decoded []",
            "decoded [2]"
        ]
    );
}

#[cfg(feature = "xml")]
#[tokio::test(start_paused = true)]
async fn the_next_xml_page_is_requested_by_its_own_request_before_this_one_is_decoded() {
    let bodies = [
        "<page><items>1</items><next>b</next></page>",
        "<page><items>2</items><next>",
        "<page><items>2</items><other/></page>",
    ];
    let client = client(&bodies);
    let call = Call::new(&Clock::system(), Duration::from_secs(60));
    let page_of = |token: &str| client.get("list", &[], &[("in-body", token)]);
    let mut pages = client
        .pages(client.get("list", &[], &[]), &call)
        .ahead_by(&["next"], |_, token| page_of(token))
        .with_elements("items next");
    let mut items = Vec::new();
    while let Some(page) = pages.next_xml::<Page>().await.unwrap() {
        items.extend(page.items);
        if let Some(token) = page.next {
            pages.follow_request(page_of(&token)).unwrap();
        }
    }
    assert_eq!(items, [1, 2]);
    assert_eq!(
        LOG.take(),
        [
            "first",
            "in-body=b",
            "decoded [1]",
            "decoded [2]",
            "in-body=b",
            "decoded [2]"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_that_leads_back_is_not_requested_again() {
    let bodies = [r#"{"items":[1],"next":"b"}"#, r#"{"items":[2],"next":"b"}"#];
    let (items, log) = list("page", &bodies).await;
    assert!(matches!(items, Err(Error::Transport(_))));
    assert_eq!(log, ["first", "page=b", "decoded [1]", "decoded [2]"]);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_page_is_requested_again() {
    let bodies = [
        r#"{"next":"b","items":[1"#,
        r#"{"items":[3]}"#,
        r#"{"next":"b","items":[1]}"#,
        r#"{"items":[2]}"#,
    ];
    let (items, _) = list("page", &bodies).await;
    assert_eq!(items.unwrap(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn another_next_page_than_expected_is_the_one_that_counts() {
    let bodies = [
        r#"{"items":[1],"next":"b"}"#,
        r#"{"items":[9]}"#,
        r#"{"items":[2]}"#,
    ];
    let (items, log) = list("marker", &bodies).await;
    assert_eq!(items.unwrap(), [1, 2]);
    assert_eq!(log[3], "marker=b");
}

#[tokio::test(start_paused = true)]
async fn a_page_of_another_form_is_an_error_without_a_retry() {
    let (items, log) = list("page", &[r#"{"items":["canary"],"next":"b"}"#, "{}"]).await;
    let error = items.unwrap_err();
    assert!(matches!(error, Error::Decode(_)), "{error:?}");
    assert!(!error.chain().to_string().contains("canary"));
    assert_eq!(log, ["first", "page=b"]);
}
