//! ARM, Entra ID and the record, as a real client sees them through the endpoints.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use cloud_autojoin_simulator::azure::Endpoint;
use cloud_autojoin_simulator::azure::Operation;
use serde_json::{Value, json};
use support::*;

#[tokio::test]
async fn a_secret_buys_a_token_and_the_token_opens_arm() {
    let simulator = start().await;
    let client = client(&simulator);
    let token = token(&client, &simulator).await;
    let response = client
        .get(interfaces(&simulator.arm_endpoint()))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let page: Value = response.json().await.unwrap();
    assert_eq!(page["value"].as_array().unwrap().len(), 2);
    assert!(
        page["nextLink"]
            .as_str()
            .unwrap()
            .starts_with(&simulator.arm_endpoint()),
        "{}",
        page["nextLink"]
    );

    let seen = simulator.requests();
    assert_eq!(
        seen.iter()
            .map(|request| (request.endpoint, request.operation))
            .collect::<Vec<_>>(),
        [
            (Endpoint::Authority, Operation::Token),
            (Endpoint::Arm, Operation::ListNetworkInterfaces)
        ]
    );
    assert_eq!((seen[0].bearer, seen[1].bearer), (false, true));
    assert_eq!(seen[1].principal.as_deref(), Some(CLIENT));
    assert_eq!(seen[1].status.unwrap(), 200);
    assert!(seen[1].bytes > 100 && seen[1].ended.is_some());
    assert_eq!(
        (
            simulator.count(Operation::Token),
            simulator.arm_requests().len()
        ),
        (1, 1)
    );
    simulator.finish();
}

#[tokio::test]
async fn entra_refuses_in_its_own_words() {
    let simulator = start().await;
    let client = client(&simulator);
    let elsewhere = "00000000-0000-4000-8000-000000000000";
    for (tenant, fields, status, error, code) in [
        (
            TENANT,
            vec![("client_secret", "wrong")],
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            elsewhere,
            vec![("client_secret", SECRET)],
            400,
            "invalid_request",
            90_002,
        ),
        (
            TENANT,
            vec![("client_secret", SECRET), ("client_id", elsewhere)],
            400,
            "unauthorized_client",
            700_016,
        ),
        (TENANT, vec![], 401, "invalid_client", 7_000_218),
        (
            TENANT,
            vec![("client_secret", SECRET), ("grant_type", "password")],
            400,
            "unsupported_grant_type",
            70_003,
        ),
        (
            TENANT,
            vec![
                ("client_secret", SECRET),
                ("scope", "https://management.azure.com/"),
            ],
            400,
            "invalid_scope",
            1_002_012,
        ),
        (
            TENANT,
            vec![
                ("client_secret", SECRET),
                ("scope", "https://vault.azure.net/.default"),
            ],
            400,
            "invalid_resource",
            500_011,
        ),
        (
            TENANT,
            vec![("client_secret", SECRET), ("client_id", OWN_IDENTITY)],
            400,
            "unauthorized_client",
            700_016,
        ),
    ] {
        let response = request_token(&client, &simulator.authority_host(), tenant, &fields).await;
        assert_eq!(response.status(), status, "{code}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(
            (&body["error"], &body["error_codes"]),
            (&json!(error), &json!([code]))
        );
        assert!(
            body["error_description"]
                .as_str()
                .unwrap()
                .starts_with(&format!("AADSTS{code}: ")),
            "{body}"
        );
        assert!(!body.to_string().contains(SECRET));
    }
    simulator.finish();
}

#[tokio::test]
async fn the_older_token_endpoint_responds_with_strings() {
    let simulator = start().await;
    let client = client(&simulator);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("resource", "https://management.core.windows.net/"),
    ];
    let response = client
        .post(format!(
            "{}/{TENANT}/oauth2/token",
            simulator.authority_host()
        ))
        .form(&form)
        .send()
        .await
        .unwrap();
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        (&body["expires_in"], &body["resource"]),
        (
            &json!("3599"),
            &json!("https://management.core.windows.net/")
        )
    );
    let response = client
        .get(interfaces(&simulator.arm_endpoint()))
        .bearer_auth(body["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn client_and_secret_may_be_in_basic_authorization() {
    let simulator = start().await;
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let form = [("grant_type", "client_credentials"), ("scope", SCOPE)];
    let request = client(&simulator)
        .post(format!(
            "{}/{TENANT}/oauth2/v2.0/token",
            simulator.authority_host()
        ))
        .basic_auth(CLIENT, Some(encoded))
        .form(&form);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn arm_refuses_what_is_no_good_token() {
    let simulator = start().await;
    let client = client(&simulator);
    let url = interfaces(&simulator.arm_endpoint());
    let good = token(&client, &simulator).await;
    let code = async |token: Option<&str>| {
        let mut request = client.get(&url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        let challenge = response.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(challenge.starts_with("Bearer authorization_uri=\"https://login.windows.net/7e4a1b52-9f0c-4d3e-8a61-0c5d2b7f9e13\""), "{challenge}");
        response.json::<Value>().await.unwrap()["error"]["code"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(code(None).await, "AuthenticationFailed");
    assert_eq!(code(Some("made-up")).await, "InvalidAuthenticationToken");
    simulator.expire_tokens();
    assert_eq!(code(Some(&good)).await, "ExpiredAuthenticationToken");
    let refused = simulator.arm_requests();
    assert!(refused.iter().all(
        |request| request.operation == Operation::ListNetworkInterfaces
            && request.principal.is_none()
    ));
    assert_eq!(
        refused
            .iter()
            .map(|request| request.bearer)
            .collect::<Vec<_>>(),
        [false, true, true]
    );
    let fresh = token(&client, &simulator).await;
    assert_eq!(
        client
            .get(&url)
            .bearer_auth(&fresh)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    simulator.finish();
}

#[tokio::test(start_paused = true)]
async fn a_token_expires_on_the_paused_clock() {
    let simulator = start().await;
    let client = client(&simulator);
    simulator.set_token_lifetime(Duration::from_secs(600));
    let token = token(&client, &simulator).await;
    let url = scale_sets(&simulator.arm_endpoint());
    let status = async || {
        client
            .get(&url)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(status().await, 200);
    tokio::time::advance(Duration::from_secs(601)).await;
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn a_change_of_the_world_is_seen_by_the_next_request() {
    let simulator = start().await;
    let client = client(&simulator);
    let token = token(&client, &simulator).await;
    let url = scale_sets(&simulator.arm_endpoint());
    let status = async || {
        client
            .get(&url)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(status().await, 200);
    simulator.with_world(|world| {
        world
            .principals_mut()
            .iter_mut()
            .for_each(|principal| principal.actions.clear())
    });
    assert_eq!(status().await, 403);
    simulator.with_world(|world| world.principals_mut().clear());
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn a_list_is_compressed_for_who_can_read_it() {
    let simulator = start().await;
    let client = trusting(&simulator).no_proxy().no_gzip().build().unwrap();
    let token = token(&client, &simulator).await;
    let url = interfaces(&simulator.arm_endpoint());
    let get = async |encoding: &str| {
        client
            .get(&url)
            .bearer_auth(&token)
            .header("accept-encoding", encoding)
            .send()
            .await
            .unwrap()
    };
    let plain = get("identity").await;
    assert!(!plain.headers().contains_key("content-encoding"));
    let compressed = get("deflate, GZIP;q=1").await;
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    let mut text = Vec::new();
    let packed = compressed.bytes().await.unwrap();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut text).unwrap();
    assert_eq!(text, plain.bytes().await.unwrap());
    let bytes: Vec<usize> = simulator
        .arm_requests()
        .iter()
        .map(|request| request.bytes)
        .collect();
    assert_eq!((bytes[0], bytes[1]), (text.len(), packed.len()));
}

#[tokio::test(start_paused = true)]
async fn latency_distinguishes_concurrent_from_sequential_requests() {
    let simulator = start().await;
    simulator.set_latency(Duration::from_millis(50));
    let client = client(&simulator);
    let token = token(&client, &simulator).await;
    let (sets, interfaces) = (
        scale_sets(&simulator.arm_endpoint()),
        interfaces(&simulator.arm_endpoint()),
    );
    let get = async |url: &str| {
        client
            .get(url)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
    };
    tokio::join!(get(&sets), get(&interfaces), get(&sets));
    assert_eq!(simulator.sequential_depth(Endpoint::Arm), 1);
    get(&sets).await;
    assert_eq!(
        (
            simulator.sequential_depth(Endpoint::Arm),
            simulator.sequential_depth(Endpoint::Authority)
        ),
        (2, 1)
    );

    simulator.reset_record();
    simulator.set_latency_of(Operation::ListScaleSets, Duration::from_secs(30));
    get(&sets).await;
    get(&interfaces).await;
    let took: Vec<u128> = simulator
        .requests()
        .iter()
        .map(|request| (request.ended.unwrap() - request.started).as_millis())
        .collect();
    assert!(
        (30_000..30_100).contains(&took[0]) && (50..100).contains(&took[1]),
        "{took:?}"
    );
}

#[tokio::test]
async fn tls_offers_http_2_and_the_record_shows_it() {
    let simulator = start().await;
    let client = client(&simulator);
    let url = format!(
        "{}/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize",
        simulator.authority_host()
    );
    let response = client.get(url).send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        body["tenant_discovery_endpoint"],
        format!("https://login.microsoftonline.com/{TENANT}/v2.0/.well-known/openid-configuration")
    );
    assert_eq!(body["metadata"][0]["aliases"][1], "login.windows.net");
    let own: Value = client
        .get(format!(
            "{}/{TENANT}/v2.0/.well-known/openid-configuration",
            simulator.authority_host()
        ))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        own["token_endpoint"],
        format!("{}/{TENANT}/oauth2/v2.0/token", simulator.authority_host())
    );
    let seen = simulator.requests();
    assert!(
        seen.iter()
            .all(|request| request.version == reqwest::Version::HTTP_2
                && request.operation == Operation::AuthorityDiscovery)
    );
    assert_eq!(seen[0].connection, seen[1].connection);
}

#[tokio::test]
#[should_panic(expected = "unexpected: GET 127.0.0.1")]
async fn an_unexpected_request_fails_the_test() {
    let simulator = start().await;
    let client = client(&simulator);
    let token = token(&client, &simulator).await;
    client
        .get(format!(
            "{}/no/such/path?api-version=1",
            simulator.arm_endpoint()
        ))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    simulator.finish();
}

#[tokio::test]
#[should_panic(expected = "unexpected: POST localhost")]
async fn a_strict_simulator_needs_no_finish() {
    let simulator = builder().strict().start().await.unwrap();
    client(&simulator)
        .post(format!("{}/nothing", simulator.authority_host()))
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn dropping_it_frees_its_ports() {
    let simulator = start().await;
    let client = client(&simulator);
    let (url, port) = (
        scale_sets(&simulator.arm_endpoint()),
        simulator.arm_endpoint(),
    );
    assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
    drop(simulator);
    tokio::task::yield_now().await;
    assert!(client.get(&url).send().await.is_err());
    let port = port.rsplit_once(':').unwrap().1.parse().unwrap();
    builder()
        .endpoints(&[Endpoint::Arm])
        .port(Endpoint::Arm, port)
        .start()
        .await
        .unwrap();
}
