//! An application with its client secret.

use std::time::Duration;

use cloud_autojoin_core::Error;
use serde_json::json;
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, ResponseTemplate};

use crate::stage::{Stage, entra_token, found, lines};

const KEYS: &str = "tenant_id=contoso.example client_id=app client_secret=canary-secret";

/// shape: recorded Entra refusal of a wrong secret, 2021
fn refusal(number: u32, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(401).set_body_json(json!({
        "error": "invalid_client",
        "error_description": format!("AADSTS{number}: {message}\r\nTrace ID: 6bb6aa70-c6cb-4705-a554-de618c90b600\r\nCorrelation ID: 9945f236-c0ab-4bb8-8a38-d8cb584cea28\r\nTimestamp: 2021-11-17 23:25:07Z"),
        "error_codes": [number],
        "timestamp": "2021-11-17 23:25:07Z",
        "trace_id": "6bb6aa70-c6cb-4705-a554-de618c90b600",
        "correlation_id": "9945f236-c0ab-4bb8-8a38-d8cb584cea28",
        "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
    }))
}

fn token_endpoint() -> wiremock::MockBuilder {
    Mock::given(method("POST")).and(path_regex("/oauth2/v2.0/token$"))
}

#[tokio::test]
async fn the_secret_is_exchanged_for_a_token_once_for_two_calls() {
    let stage = Stage::new().await;
    stage.entra_gives("token-1").await;
    let provider = stage.provider(KEYS);
    for _ in 0..2 {
        let answer = found(stage.discover_with(provider.as_ref()).await);
        assert_eq!(
            answer,
            (
                vec!["10.0.0.4".to_owned()],
                "client secret of application `app`".to_owned()
            )
        );
    }
    let forms = stage.forms().await;
    assert_eq!(forms.len(), 1);
    let form: Vec<_> = forms[0]
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        form,
        [
            ("client_id", "app"),
            ("client_secret", "canary-secret"),
            ("grant_type", "client_credentials"),
            ("scope", "https://management.azure.com/.default")
        ]
    );
    assert_eq!(
        stage
            .requests(|request| request.url.path() == "/contoso.example/oauth2/v2.0/token")
            .await
            .len(),
        1
    );
    assert_eq!(stage.bearers().await, ["Bearer token-1", "Bearer token-1"]);
}

#[tokio::test]
async fn a_secret_that_entra_repeats_is_masked() {
    let stage = Stage::new().await;
    let reply = refusal(7_000_215, "`canary-secret` is not the secret.");
    stage.mount(token_endpoint(), reply).await;
    let error = stage.discover(KEYS).await.unwrap_err();
    let lines = lines(&error).join("\n");
    assert!(lines.contains("`...` is not the secret"), "{lines}");
}

#[tokio::test]
async fn a_wrong_secret_is_reported_in_entras_own_words_on_one_line() {
    let stage = Stage::new().await;
    stage
        .mount(
            token_endpoint(),
            refusal(7_000_215, "Invalid client secret is provided."),
        )
        .await;
    let error = stage.discover(KEYS).await.unwrap_err();
    assert_eq!(
        lines(&error),
        [
            "the credential `client secret` failed",
            "cannot sign in as application `app`: status 401 `AADSTS7000215`: Invalid client secret is provided. [request id 6bb6aa70-c6cb-4705-a554-de618c90b600]",
        ]
    );
    assert_eq!(
        error.hint().as_deref(),
        Some(
            "give the value of a client secret (`secret_access_key`, `ARM_CLIENT_SECRET`), not its id; a value is shown only once, when the secret is made"
        )
    );
    assert!(matches!(error, Error::Credential(_)) && !error.is_transient());
    assert_eq!(stage.forms().await.len(), 1, "a refusal is not tried again");
    assert!(!format!("{error:?}").contains("canary-secret"));
}

#[tokio::test]
async fn the_codes_of_a_wrong_configuration_come_with_advice() {
    for (number, advice) in [
        (7_000_222, "expired"),
        (700_016, "`client_id`"),
        (90_002, "`tenant_id`"),
        (7_000_112, "disabled"),
        (500_011, "`audience`"),
        (53_003, "conditional access"),
    ] {
        let stage = Stage::new().await;
        stage
            .mount(token_endpoint(), refusal(number, "Words."))
            .await;
        let error = stage.discover(KEYS).await.unwrap_err();
        assert!(
            lines(&error)[1].contains(&format!("`AADSTS{number}`: Words.")),
            "{error:?}"
        );
        assert!(
            error.hint().is_some_and(|hint| hint.contains(advice)),
            "{number}: {:?}",
            error.hint()
        );
    }
}

#[tokio::test]
async fn failures_of_the_token_endpoint_are_tried_again() {
    let html = "<html><body>Service Unavailable</body></html>";
    let failures = [
        ResponseTemplate::new(503).set_body_string(html),
        ResponseTemplate::new(500),
        ResponseTemplate::new(429).insert_header("retry-after", "7"),
        ResponseTemplate::new(200).set_body_raw(
            r#"{"token_type":"Bearer","expires_in":3599,"access_tok"#,
            "application/json",
        ),
    ];
    for failure in failures {
        let stage = Stage::new().await;
        token_endpoint()
            .respond_with(failure)
            .up_to_n_times(1)
            .mount(&stage.server)
            .await;
        stage.entra_gives("token-2").await;
        assert_eq!(found(stage.discover(KEYS).await).0, ["10.0.0.4"]);
        assert_eq!(stage.forms().await.len(), 2);
    }
}

#[tokio::test]
async fn a_token_endpoint_that_stays_down_is_a_transient_error_in_the_words_of_its_page() {
    let stage = Stage::new().await;
    stage
        .mount(
            token_endpoint(),
            ResponseTemplate::new(503)
                .insert_header("retry-after", "11")
                .set_body_string("<html>down</html>"),
        )
        .await;
    let error = stage.discover(KEYS).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(11)));
    assert!(
        lines(&error)[1]
            .starts_with("cannot sign in as application `app`: status 503: down (5 attempts in 44"),
        "{:?}",
        lines(&error)
    );
}

#[tokio::test]
async fn a_response_without_a_token_is_an_error() {
    for body in [
        json!({}),
        json!({ "access_token": "", "expires_in": 3599 }),
        json!({ "access_token": "canary-token" }),
    ] {
        let stage = Stage::new().await;
        stage
            .mount(
                token_endpoint(),
                ResponseTemplate::new(200).set_body_json(body),
            )
            .await;
        let error = stage.discover(KEYS).await.unwrap_err();
        assert_eq!(
            lines(&error),
            [
                "the credential `client secret` failed",
                "cannot sign in as application `app`: the response isn't as documented (no access token with its lifetime)",
            ]
        );
        assert!(!format!("{error:?}").contains("canary-token"));
    }
}

#[tokio::test]
async fn no_number_for_a_lifetime_ends_the_process_or_makes_a_token_immortal() {
    let table = [
        r#""expires_in":300000000000"#,
        r#""expires_in":18446744073709551615"#,
        r#""expires_in":9223372036854775807"#,
        r#""expires_in":1e300"#,
        r#""expires_in":3599.5"#,
        r#""expires_in":"3599""#,
        r#""expires_in":"3599","ext_expires_in":"x","token_type":7"#,
        r#""expires_on":"4102444800""#,
    ];
    for field in table {
        let stage = Stage::new().await;
        let body = format!(r#"{{"access_token":"t",{field}}}"#);
        stage
            .mount(
                token_endpoint(),
                ResponseTemplate::new(200).set_body_raw(body, "application/json"),
            )
            .await;
        let provider = stage.provider(KEYS);
        for (wait, tokens) in [
            (Duration::ZERO, 1),
            (Duration::from_secs(60), 1),
            (Duration::from_secs(49 * 3600), 2),
        ] {
            stage.clock.sleep(wait).await;
            found(stage.discover_with(provider.as_ref()).await);
            assert_eq!(stage.forms().await.len(), tokens, "{field} {wait:?}");
        }
    }
    let stage = Stage::new().await;
    let body = r#"{"access_token":"t","expires_in":-300000000000}"#;
    stage
        .mount(
            token_endpoint(),
            ResponseTemplate::new(200).set_body_raw(body, "application/json"),
        )
        .await;
    found(stage.discover(KEYS).await);
}

#[tokio::test]
async fn a_redirect_of_the_token_endpoint_is_not_followed() {
    let stage = Stage::new().await;
    let elsewhere = format!("{}/elsewhere", stage.uri());
    stage
        .mount(
            token_endpoint(),
            ResponseTemplate::new(307).insert_header("location", elsewhere.as_str()),
        )
        .await;
    stage
        .mount(Mock::given(path("/elsewhere")), entra_token("stolen"))
        .await;
    let error = stage.discover(KEYS).await.unwrap_err();
    assert!(
        lines(&error)[1].contains("redirects"),
        "{:?}",
        lines(&error)
    );
    assert!(
        stage
            .requests(|request| request.url.path() == "/elsewhere")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_token_that_azure_refuses_is_requested_again() {
    let stage = Stage::new().await;
    token_endpoint()
        .respond_with(entra_token("old"))
        .up_to_n_times(1)
        .mount(&stage.server)
        .await;
    stage.entra_gives("new").await;
    // shape: recorded ARM refusal of an expired token
    let expired = json!({ "error": { "code": "ExpiredAuthenticationToken", "message": "The access token expiry UTC time is earlier than current UTC time." } });
    Mock::given(wiremock::matchers::header("authorization", "Bearer old"))
        .respond_with(ResponseTemplate::new(401).set_body_json(expired))
        .with_priority(1)
        .mount(&stage.server)
        .await;
    assert_eq!(found(stage.discover(KEYS).await).0, ["10.0.0.4"]);
    assert_eq!(stage.bearers().await, ["Bearer old", "Bearer new"]);
}

#[tokio::test]
async fn a_token_is_renewed_before_its_hour_is_over() {
    let stage = Stage::new().await;
    token_endpoint()
        .respond_with(entra_token("first"))
        .up_to_n_times(1)
        .mount(&stage.server)
        .await;
    stage.entra_gives("second").await;
    let provider = stage.provider(KEYS);
    for minutes in [0, 50, 8] {
        stage.clock.sleep(Duration::from_secs(minutes * 60)).await;
        assert_eq!(
            found(stage.discover_with(provider.as_ref()).await).0,
            ["10.0.0.4"]
        );
    }
    assert_eq!(
        stage.bearers().await,
        ["Bearer first", "Bearer first", "Bearer second"]
    );
}
