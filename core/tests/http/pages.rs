//! Lists over several pages, driven as a provider drives them.

use cloud_autojoin_core::http::{Answer, PageLimits, Pages, Request};
use cloud_autojoin_core::{ApiError, Error, Result, TransportFailure};
use serde::Deserialize;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::server::{call, client, told};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    value: Vec<u32>,
    next_link: Option<String>,
}

/// Reads the whole list, or fails.
async fn list(server: &MockServer, max_pages: usize) -> Result<Vec<u32>> {
    let (client, call) = (client(|_| {}), call());
    let mut pages = Pages::new("list things", format!("{}/list", server.uri()).parse().unwrap(), PageLimits { max_pages });
    let mut things = Vec::new();
    while let Some(url) = pages.next_url() {
        let page: Page = match client.json("azure", &Request::get("list things", url.clone()), &call).await? {
            Answer::Value(page, _) => page,
            Answer::Other(response) => {
                return Err(ApiError::new("azure", "list things", response.status.as_u16()).after(response.attempts, response.elapsed).into());
            }
        };
        things.extend(page.value);
        pages.advance(page.next_link.as_deref())?;
    }
    Ok(things)
}

/// Serves one page, which must be asked for exactly `times`; page 0 is the one without a number.
async fn page(server: &MockServer, number: u32, times: u64, body: Value) {
    let mock = Mock::given(method("GET")).and(path("/list"));
    let mock = if number == 0 { mock.and(query_param_is_missing("page")) } else { mock.and(query_param("page", number.to_string())) };
    mock.respond_with(ResponseTemplate::new(200).set_body_json(body)).expect(times).mount(server).await;
}

#[tokio::test]
async fn every_page_is_read_once_and_an_empty_one_with_a_link_is_no_end() {
    let server = MockServer::start().await;
    page(&server, 0, 1, json!({"value": [1, 2], "nextLink": format!("{}/list?page=1", server.uri())})).await;
    page(&server, 1, 1, json!({"value": [], "nextLink": "/list?page=2"})).await;
    page(&server, 2, 1, json!({"value": [3], "nextLink": ""})).await;
    assert_eq!(list(&server, 3).await.unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn a_page_that_fails_makes_the_list_fail() {
    let server = MockServer::start().await;
    page(&server, 0, 1, json!({"value": [1, 2], "nextLink": "/list?page=1"})).await;
    Mock::given(path("/list")).and(query_param("page", "1")).respond_with(ResponseTemplate::new(500)).expect(5).mount(&server).await;
    let error = list(&server, 10).await.unwrap_err();
    let Error::Api(error) = error else { panic!("{error:?}") };
    assert_eq!(error.status(), 500);
}

#[tokio::test]
async fn a_link_to_another_host_makes_the_list_fail_and_is_not_followed() {
    let (server, elsewhere) = (MockServer::start().await, MockServer::start().await);
    Mock::given(wiremock::matchers::any()).respond_with(ResponseTemplate::new(200).set_body_json(json!({"value": [9]}))).expect(0).mount(&elsewhere).await;
    page(&server, 0, 1, json!({"value": [1], "nextLink": format!("{}/list?page=1&sig=canary", elsewhere.uri())})).await;
    let (failure, _, text) = told(list(&server, 10).await.unwrap_err());
    assert_eq!(failure, TransportFailure::ForeignLink);
    assert_eq!(text, format!("cannot list things: the next page's link leaves {} (the link names {})", server.uri(), elsewhere.uri()));
}

#[tokio::test]
async fn pages_in_a_circle_make_the_list_fail() {
    let server = MockServer::start().await;
    page(&server, 0, 1, json!({"value": [1], "nextLink": "/list?page=1"})).await;
    page(&server, 1, 1, json!({"value": [2], "nextLink": "/list?page=2"})).await;
    page(&server, 2, 1, json!({"value": [3], "nextLink": "/list?page=1"})).await;
    assert_eq!(told(list(&server, 10).await.unwrap_err()).0, TransportFailure::EndlessPages);
}

#[tokio::test]
async fn more_pages_than_the_limit_make_the_list_fail() {
    let server = MockServer::start().await;
    page(&server, 0, 1, json!({"value": [1], "nextLink": "/list?page=1"})).await;
    page(&server, 1, 1, json!({"value": [2], "nextLink": "/list?page=2"})).await;
    page(&server, 2, 0, json!({"value": [3]})).await;
    let (failure, _, text) = told(list(&server, 2).await.unwrap_err());
    assert_eq!(failure, TransportFailure::EndlessPages);
    assert!(text.ends_with("do not end (more than 2 pages)"), "{text}");
}
