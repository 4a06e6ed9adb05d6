//! SoftLayer in the conformance suite.
//!
//! The responses are written after the API reference at sldn.softlayer.com (REST, version 3), with
//! ids and addresses replaced.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use cloud_autojoin_core::{Call, Clock, Context, Env};
use cloud_autojoin_provider_kit::testing::{Conformance, Exchange, Harness, Paging, Refusal};
use cloud_autojoin_softlayer::SPEC;
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(softlayer);

fn guest(id: u32, state: &str, private: Option<&str>) -> Value {
    let mut guest = json!({
        "id": id, "hostname": format!("vs{id}"), "domain": "example.com", "primaryIpAddress": format!("203.0.113.{id}"),
        "datacenter": {"id": 154_820, "name": "dal06"}, "powerState": {"keyName": state}, "tagReferences": [{"tag": {"name": "consul"}}]
    });
    if let Some(address) = private {
        guest["primaryBackendIpAddress"] = json!(address);
    }
    guest
}

fn list(offset: u32, guests: &[Value], total: u32) -> Exchange {
    let filter = r#"{"virtualGuests":{"datacenter":{"name":{"operation":"dal06"}},"tagReferences":{"tag":{"name":{"operation":"consul"}}}}}"#;
    let mask = "mask[id,hostname,domain,tagReferences[tag[name]],primaryBackendIpAddress,primaryIpAddress,datacenter[name],powerState[keyName]]";
    Exchange::get(
        "/rest/v3/SoftLayer_Account/getVirtualGuests.json",
        json!(guests).to_string(),
    )
    .with_query("objectMask", mask)
    .with_query("objectFilter", filter)
    .with_query("resultLimit", &format!("{offset},500"))
    .with_header("authorization", "Basic bWU6YzRuNHJ5LWtleQ==")
    .with_reply_header("softlayer-total-items", total.to_string())
}

fn softlayer() -> Conformance {
    let first = [
        guest(1, "RUNNING", Some("10.0.0.9")),
        guest(2, "HALTED", Some("10.0.0.8")),
    ];
    let last = [guest(3, "RUNNING", None), json!({"id": 4})];
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=softlayer username=me api_key=c4n4ry-key tag_value=consul datacenter=dal06 endpoint=ENDPOINT/rest/v3",
        env: &[],
        exchanges: vec![
            list(0, &first, 1001),
            list(500, &[], 1001),
            list(1000, &last, 1001),
        ],
        paging: Paging::Number,
        addresses: &["10.0.0.8", "10.0.0.9"],
        excluded: &[
            ("vs3.example.com", "203.0.113.3 is not private_v4"),
            ("", "no private address yet"),
        ],
        nothing: vec![list(0, &[], 0)],
        throttled: (
            Refusal::new(
                500,
                r#"{"error":"Rate limit exceeded.","code":"SoftLayer_Exception_WebService_RateLimitExceeded"}"#,
            ),
            Duration::ZERO,
        ),
        unauthorized: Refusal::new(
            401,
            r#"{"error":"Invalid API token.","code":"SoftLayer_Exception_InvalidLegacyToken"}"#,
        ),
        denied: Some((
            Refusal::new(
                403,
                r#"{"error":"Access Denied.","code":"SoftLayer_Exception_Public"}"#,
            ),
            "View Virtual Server Details",
        )),
    }
}

#[tokio::test]
async fn running_guests_and_public_addresses_can_be_selected() {
    let join = "provider=softlayer username=me api_key=c4n4ry-key tag_value=consul datacenter=dal06 power_state=running address_type=public_v4 \
                endpoint=ENDPOINT/xmlrpc/v3";
    let harness = Harness::serving(Conformance {
        join,
        ..softlayer()
    })
    .await;
    assert_eq!(
        harness.discover().await.addresses(),
        ["203.0.113.1", "203.0.113.3"]
    );
}

#[tokio::test]
async fn what_join_string_and_environment_leave_out_comes_from_the_configuration_file() {
    let home = tempfile::tempdir().unwrap();
    let harness = Harness::serving(softlayer()).await;
    let config = format!(
        "provider=softlayer tag_value=consul datacenter=dal06 endpoint={}/rest/v3",
        harness.server.uri()
    )
    .parse()
    .unwrap();
    let context = Context::builder()
        .env(Env::from([("HOME", home.path().to_str().unwrap())]))
        .clock(Clock::auto_advancing())
        .build()
        .unwrap();
    let provider = SPEC.build(&config, &context).unwrap();
    let call = || Call::new(context.clock(), Duration::from_secs(60));

    let error = provider.discover(&call()).await.unwrap_err();
    let text = format!("{} {}", error.chain(), error.hint().unwrap_or_default());
    assert!(
        text.contains("`username` and `api_key` aren't both set")
            && text.contains("~/.softlayer: ")
            && text.contains("SL_API_KEY"),
        "{text}"
    );

    std::fs::write(
        home.path().join(".softlayer"),
        "[softlayer]\nusername = me\napi_key = c4n4ry-key\n",
    )
    .unwrap();
    let discovery = provider.discover(&call()).await.unwrap();
    assert_eq!(
        (discovery.addresses().len(), discovery.identity()),
        (2, Some("`~/.softlayer`"))
    );

    // The first variable of a key wins over the second, and both over the file.
    let env = [
        ("HOME", home.path().to_str().unwrap()),
        ("SL_USERNAME", "me"),
        ("SOFTLAYER_USERNAME", "no"),
        ("SOFTLAYER_API_KEY", "wrong"),
    ];
    let context = Context::builder()
        .env(Env::from(env))
        .clock(Clock::auto_advancing())
        .build()
        .unwrap();
    let provider = SPEC.build(&config, &context).unwrap();
    assert!(
        provider
            .discover(&Call::new(context.clock(), Duration::from_secs(60)))
            .await
            .is_err(),
        "no exchange for this key"
    );
}
