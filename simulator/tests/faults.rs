//! Each fault, as a real client meets it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::error::Error;
use std::time::Duration;

use cloud_autojoin_simulator::azure::Operation;
use cloud_autojoin_simulator::azure::world::World;
use cloud_autojoin_simulator::azure::{Endpoint, Fault, FaultBody, Simulator};
use reqwest::{Client, Response};
use serde_json::Value;
use support::*;

/// A simulator with this fault aimed at the list of scale sets, and a client with a token.
struct Stage {
    simulator: Simulator,
    client: Client,
    token: String,
}

impl Stage {
    async fn with(fault: Fault) -> Self {
        let simulator = start().await;
        let client = trusting(&simulator)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let token = token(&client, &simulator).await;
        simulator.add_fault(fault.operation(Operation::ListScaleSets));
        Self {
            simulator,
            client,
            token,
        }
    }

    async fn send(&self) -> reqwest::Result<Response> {
        self.client
            .get(scale_sets(&self.simulator.arm_endpoint()))
            .bearer_auth(&self.token)
            .send()
            .await
    }

    async fn get(&self) -> Response {
        self.send().await.unwrap()
    }
}

/// All causes of an error in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

#[tokio::test]
async fn throttling_has_retry_after_in_seconds_then_as_a_date_then_none() {
    let stage = Stage::with(Fault::status(429).retry_after(7).times(1)).await;
    stage.simulator.add_fault(
        Fault::status(429)
            .retry_after_date(60)
            .times(1)
            .endpoint(Endpoint::Arm),
    );
    stage
        .simulator
        .add_fault(Fault::status(429).times(1).endpoint(Endpoint::Arm));
    let first = stage.get().await;
    assert_eq!(
        (
            first.status().as_u16(),
            first.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "7")
    );
    assert_eq!(
        first.json::<Value>().await.unwrap()["error"]["code"],
        "SubscriptionRequestsThrottled"
    );
    let second = stage.get().await;
    let date =
        httpdate::parse_http_date(second.headers()["retry-after"].to_str().unwrap()).unwrap();
    let ahead = date.duration_since(std::time::SystemTime::now()).unwrap();
    assert!(
        ahead <= Duration::from_secs(60) && ahead > Duration::from_secs(30),
        "{ahead:?}"
    );
    let third = stage.get().await;
    assert!(third.status() == 429 && !third.headers().contains_key("retry-after"));
    assert_eq!(stage.get().await.status(), 200);
    let seen = stage.simulator.arm_requests();
    assert_eq!(
        seen.iter()
            .map(|request| request.faults.join(","))
            .collect::<Vec<_>>(),
        ["status 429", "status 429", "status 429", ""]
    );
}

#[tokio::test]
async fn a_server_error_comes_as_json_html_text_or_nothing() {
    for (body, kind, words) in [
        (
            FaultBody::Json,
            "application/json; charset=utf-8",
            "ServiceUnavailable",
        ),
        (
            FaultBody::Html,
            "text/html",
            "<h2>Our services aren't available right now</h2>",
        ),
        (
            FaultBody::Text("busy".to_owned()),
            "text/plain; charset=utf-8",
            "busy",
        ),
        (FaultBody::Empty, "", ""),
    ] {
        let stage = Stage::with(Fault::status(503).body(body)).await;
        let response = stage.get().await;
        assert_eq!(response.status(), 503);
        assert_eq!(
            response
                .headers()
                .get("content-type")
                .map_or("", |value| value.to_str().unwrap()),
            kind
        );
        let text = response.text().await.unwrap();
        assert!(
            text.contains(words) && text.is_empty() == words.is_empty(),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_hang_lasts_as_long_as_the_client_waits() {
    let stage = Stage::with(Fault::hang()).await;
    let waited = tokio::time::timeout(Duration::from_secs(3000), stage.send()).await;
    assert!(waited.is_err());
    let seen = stage.simulator.arm_requests();
    assert_eq!((seen.len(), seen[0].status, seen[0].ended), (1, None, None));
    // It hangs alone: the next request on the same endpoint gets a response.
    assert_eq!(
        stage
            .client
            .get(interfaces(&stage.simulator.arm_endpoint()))
            .bearer_auth(&stage.token)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn a_reset_is_a_reset_and_no_orderly_end() {
    let stage = Stage::with(Fault::reset()).await;
    let error = stage.send().await.unwrap_err();
    assert!(
        chain(&error).contains("Connection reset by peer"),
        "{}",
        chain(&error)
    );
    stage.simulator.clear_faults();
    assert_eq!(stage.get().await.status(), 200);
}

#[tokio::test]
async fn a_reset_strikes_through_tls_too() {
    let simulator = start().await;
    simulator.add_fault(Fault::reset().operation(Operation::Token));
    let client = client(&simulator);
    let error = client
        .post(format!(
            "{}/{TENANT}/oauth2/v2.0/token",
            simulator.authority_host()
        ))
        .send()
        .await
        .unwrap_err();
    assert!(chain(&error).contains("reset"), "{}", chain(&error));
}

#[tokio::test]
async fn a_cut_body_brings_its_first_half_and_then_an_error() {
    for (fault, chunked) in [
        (Fault::cut_body(), false),
        (Fault::cut_chunked_body(), true),
    ] {
        let stage = Stage::with(fault).await;
        let mut response = stage.get().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().contains_key("content-length"), !chunked);
        let mut came = Vec::new();
        let error = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => came.extend_from_slice(&chunk),
                Ok(None) => panic!("the body ended as if it were whole: {} bytes", came.len()),
                Err(error) => break error,
            }
        };
        assert!(
            came.starts_with(b"{\"value\""),
            "{}",
            String::from_utf8_lossy(&came)
        );
        assert!(error.is_body() || error.is_decode(), "{error:?}");
        assert_eq!(stage.simulator.arm_requests()[0].bytes, came.len());
    }
}

#[tokio::test]
async fn cut_json_is_whole_http_and_half_json() {
    let stage = Stage::with(Fault::cut_json()).await;
    let response = stage.get().await;
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    assert!(text.starts_with("{\"value\"") && serde_json::from_str::<Value>(&text).is_err());
}

#[tokio::test]
async fn a_redirect_names_its_target_and_has_no_page() {
    let stage = Stage::with(Fault::redirect("https://elsewhere.example/list")).await;
    let response = stage.get().await;
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["location"].to_str().unwrap()
        ),
        (307, "https://elsewhere.example/list")
    );
    assert!(response.text().await.unwrap().is_empty());
}

#[tokio::test]
async fn pages_link_to_the_faults_target() {
    let stage = Stage::with(Fault::next_link("https://elsewhere.example/more").times(1)).await;
    stage
        .simulator
        .add_fault(Fault::next_link_loop().endpoint(Endpoint::Arm));
    let strayed: Value = stage.get().await.json().await.unwrap();
    assert_eq!(strayed["nextLink"], "https://elsewhere.example/more");
    assert_eq!(strayed["value"].as_array().unwrap().len(), 2);
    let looped: Value = stage.get().await.json().await.unwrap();
    assert_eq!(
        looped["nextLink"],
        scale_sets(&stage.simulator.arm_endpoint())
    );
    let again: Value = stage
        .client
        .get(looped["nextLink"].as_str().unwrap())
        .bearer_auth(&stage.token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(again, looped);
}

#[tokio::test]
async fn a_good_token_is_refused_once() {
    let stage = Stage::with(Fault::unauthorized().times(1)).await;
    let response = stage.get().await;
    assert!(response.status() == 401 && response.headers().contains_key("www-authenticate"));
    assert_eq!(
        response.json::<Value>().await.unwrap()["error"]["code"],
        "ExpiredAuthenticationToken"
    );
    assert_eq!(stage.get().await.status(), 200);
}

#[tokio::test]
async fn a_thing_vanishes_between_two_requests() {
    let stage = Stage::with(Fault::not_found().skip(1)).await;
    assert_eq!(stage.get().await.status(), 200);
    let response = stage.get().await;
    assert_eq!(response.status(), 404);
    assert_eq!(
        response.json::<Value>().await.unwrap()["error"]["code"],
        "ResourceNotFound"
    );
}

#[tokio::test(start_paused = true)]
async fn a_delay_comes_on_top_of_the_latency() {
    let stage = Stage::with(Fault::delay(Duration::from_secs(20)).times(1)).await;
    stage.simulator.set_latency(Duration::from_secs(10));
    let begun = tokio::time::Instant::now();
    stage.get().await;
    let first = begun.elapsed();
    stage.get().await;
    assert!(
        (30_000..30_100).contains(&first.as_millis())
            && (10_000..10_100).contains(&(begun.elapsed() - first).as_millis()),
        "{first:?} {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn the_token_endpoint_fails_as_entra_and_the_metadata_service_as_itself() {
    let simulator = start().await;
    let client = client(&simulator);
    simulator.add_fault(Fault::status(503).operation(Operation::Token));
    simulator.add_fault(Fault::status(410).endpoint(Endpoint::Metadata));
    let token = request_token(
        &client,
        &simulator.authority_host(),
        TENANT,
        &[("client_secret", SECRET)],
    )
    .await;
    assert_eq!(token.status(), 503);
    assert_eq!(
        token.json::<Value>().await.unwrap()["error"],
        "temporarily_unavailable"
    );
    let metadata = client
        .get(format!(
            "{}/metadata/instance?api-version=2021-03-01",
            simulator.metadata_endpoint()
        ))
        .send()
        .await
        .unwrap();
    assert_eq!(metadata.status(), 410);
}

#[tokio::test]
async fn faults_of_the_world_file_are_in_force_from_the_start() {
    let text =
        format!("{WORLD}\n[[fault]]\nstatus = 504\noperation = \"list-scale-sets\"\ntimes = 1\n");
    let simulator = Simulator::start(World::from_toml(&text).unwrap())
        .await
        .unwrap();
    let client = client(&simulator);
    let token = token(&client, &simulator).await;
    let status = async || {
        client
            .get(scale_sets(&simulator.arm_endpoint()))
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(status().await, 504);
    assert_eq!(status().await, 200);
    let wrong = World::from_toml(&format!("{WORLD}\n[[fault]]\naction = \"explode\"\n"))
        .unwrap_err()
        .to_string();
    assert!(wrong.contains("no action `explode`"), "{wrong}");
}
