//! A Resource Manager that knows older api-versions only, as Azure Stack Hub does.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_azure::SPEC;
use cloud_autojoin_core::http::{
    HttpClient, HttpSettings, RawResponse, Request, Transport, TransportCause,
};
use cloud_autojoin_core::{Call, Clock, Context, Env, Instant};
use http::StatusCode;

const SUBSCRIPTION: &str = "77777777-7777-4777-8777-777777777777";

/// Answers with one interface on each of two pages, to requests with a version it knows.
#[derive(Debug)]
struct Stack {
    /// The versions as its refusal lists them.
    known: &'static str,
    seen: Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for Stack {
    async fn send(
        &self,
        request: &Request,
        _first_byte_by: Instant,
    ) -> Result<RawResponse, TransportCause> {
        if request.url().path().ends_with("/oauth2/v2.0/token") {
            return Ok(RawResponse::new(
                StatusCode::OK,
                r#"{"access_token":"t","expires_in":3599}"#,
            ));
        }
        let query = |name: &str| {
            request
                .url()
                .query_pairs()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let version = query("api-version").unwrap();
        self.seen.lock().unwrap().push(version.clone());
        if !self.known.split(", ").any(|known| known == version) {
            // shape: reported Azure Stack Hub refusal
            let message = format!(
                "No registered resource provider found for location 'local' and API version '{version}' for type 'networkInterfaces'. The supported api-versions are '{}'. The supported locations are 'local'.",
                self.known
            );
            return Ok(RawResponse::new(
                StatusCode::BAD_REQUEST,
                format!(
                    r#"{{"error":{{"code":"NoRegisteredProviderFound","message":"{message}"}}}}"#
                ),
            ));
        }
        let (number, next) = match query("$skiptoken") {
            None => (
                4,
                format!(
                    r#","nextLink":"https://arm.local{}?api-version={version}&$skiptoken=a""#,
                    request.url().path()
                ),
            ),
            Some(_) => (5, String::new()),
        };
        Ok(RawResponse::new(
            StatusCode::OK,
            format!(
                r#"{{"value":[{{"id":"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/{number}","tags":{{"a":"b"}},
                    "properties":{{"ipConfigurations":[{{"properties":{{"privateIPAddress":"10.0.0.{number}"}}}}]}}}}]{next}}}"#
            ),
        ))
    }
}

/// Two calls of one provider: the addresses of each, or the error, and the versions asked for.
async fn ask_twice(known: &'static str) -> (Vec<Result<usize, String>>, Vec<String>) {
    let stack = Arc::new(Stack {
        known,
        seen: Mutex::default(),
    });
    let clock = Clock::system();
    let http = HttpClient::with_transport(Arc::clone(&stack) as _, HttpSettings::default());
    let context = Context::builder()
        .env(Env::empty())
        .http_client(http)
        .clock(clock.clone())
        .build()
        .unwrap();
    let string = format!(
        "provider=azure subscription_id={SUBSCRIPTION} tag_name=a tag_value=b tenant_id=t client_id=c client_secret=s \
         arm_endpoint=https://arm.local authority_host=https://login.local audience=https://management.local/x"
    );
    let provider = SPEC.build(&string.parse().unwrap(), &context).unwrap();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let answer = provider
            .discover(&Call::new(&clock, Duration::from_secs(60)))
            .await;
        answers.push(
            answer
                .map(|discovery| discovery.addresses().len())
                .map_err(|error| error.to_string()),
        );
    }
    let seen = stack.seen.lock().unwrap().clone();
    (answers, seen)
}

#[tokio::test(start_paused = true)]
async fn the_newest_version_that_a_refusal_names_is_used_for_every_page_and_remembered() {
    let (answers, seen) = ask_twice("2015-06-15, 2018-11-01, 2017-10-01").await;
    assert_eq!(answers, [Ok(2), Ok(2)]);
    assert_eq!(
        seen,
        [
            "2024-05-01",
            "2018-11-01",
            "2018-11-01",
            "2018-11-01",
            "2018-11-01"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_names_no_version_is_the_error_and_is_requested_once_a_call() {
    let (answers, seen) = ask_twice("").await;
    assert!(
        answers.iter().all(|answer| answer
            .as_ref()
            .is_err_and(|error| error.contains("`NoRegisteredProviderFound`"))),
        "{answers:?}"
    );
    assert_eq!(seen.len(), 2);
}
