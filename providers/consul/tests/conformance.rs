//! Consul in the conformance suite.
//!
//! The responses are written after the API reference at
//! developer.hashicorp.com/consul/api-docs/health (Consul 1.21).

use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin_consul::SPEC;
use cloud_autojoin_core::http::{HttpClient, HttpSettings};
use cloud_autojoin_core::{Call, Clock, Context, Env, Error, RoleFormat};
use cloud_autojoin_provider_kit::testing::{
    CANARY, Conformance, Exchange, Harness, Paging, Refusal,
};
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(consul);

fn entry(number: u8, service_address: &str, tags: &[&str], status: &str) -> Value {
    json!({
        "Node": {
            "ID": "40e4a748-2192-161a-0510-9bf59fe950b5", "Node": format!("node{number}"), "Address": format!("10.1.10.{number}"), "Datacenter": "dc2",
            "TaggedAddresses": {"lan": format!("10.1.10.{number}"), "wan": format!("198.18.1.{number}")}, "Meta": {"instance_type": "t2.medium"}, "CreateIndex": 5,
        },
        "Service": {
            "ID": "nomad", "Service": "nomad", "Tags": tags, "Address": service_address, "Meta": {}, "Port": 4647,
            "TaggedAddresses": if service_address.is_empty() { Value::Null } else { json!({"wan": {"Address": "198.18.2.2", "Port": 80}}) },
            "Weights": {"Passing": 10, "Warning": 1}, "EnableTagOverride": false, "Namespace": "team",
        },
        "Checks": [
            {"Node": "foobar", "CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing", "Notes": "", "Output": "", "ServiceTags": []},
            {"Node": "foobar", "CheckID": "service:nomad", "Name": "Service check", "Status": status, "Notes": "", "Output": "", "ServiceID": "nomad"},
        ],
    })
}

fn list(reply: String) -> Exchange {
    Exchange::get("/v1/health/service/nomad", reply)
        .with_query("dc", "dc2")
        .with_query("ns", "team")
        .without_query("partition")
        .with_header("x-consul-token", format!("{CANARY}-token"))
}

fn instances() -> String {
    json!([
        entry(1, "", &["rpc", "Prod"], "passing"),
        entry(2, "10.1.20.2", &["rpc", "prod"], "passing"),
        entry(3, "", &["rpc"], "passing"),
        entry(4, "", &["rpc", "prod"], "critical"),
        entry(5, "member.example", &["prod", "rpc"], "passing"),
        entry(6, "0.0.0.0", &["prod", "rpc"], "passing"),
    ])
    .to_string()
}

fn consul() -> Conformance {
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=consul service=nomad tag=rpc,prod datacenter=dc2 namespace=team passing=true port=service token=c4n4ry-token endpoint=ENDPOINT",
        env: &[],
        exchanges: vec![list(instances())],
        paging: Paging::None,
        addresses: &["10.1.10.1:4647", "10.1.20.2:4647", "member.example:4647"],
        excluded: &[
            ("node3", "no tag `prod`"),
            ("node4", "its check `service:nomad` is critical"),
            ("node6", "it has no address of the type `service`"),
        ],
        nothing: vec![list("[]".to_owned())],
        throttled: (
            Refusal::new(
                429,
                "Your IP is issuing too many concurrent connections, please rate limit your calls",
            )
            .with_header("retry-after", "2"),
            Duration::from_secs(2),
        ),
        unauthorized: Refusal::new(403, "ACL not found"),
        denied: Some((
            Refusal::new(
                403,
                "Permission denied: token with AccessorID '2f0d' lacks permission 'service:read' on \"nomad\"",
            ),
            "service:read",
        )),
    }
}

mod more {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use async_trait::async_trait;
    use cloud_autojoin_core::http::{RawResponse, Request, Transport, TransportCause};
    use cloud_autojoin_core::{Discovery, Instant};
    use std::sync::Mutex;
    use url::Url;

    /// Gives every request the same response, and keeps its URL.
    #[derive(Debug)]
    struct Canned(
        u16,
        &'static [(&'static str, &'static str)],
        String,
        Mutex<Vec<String>>,
    );

    #[async_trait]
    impl Transport for Canned {
        async fn send(&self, request: &Request, _: Instant) -> Result<RawResponse, TransportCause> {
            self.3.lock().unwrap().push(request.url().to_string());
            let mut response =
                RawResponse::new(http::StatusCode::from_u16(self.0).unwrap(), self.2.clone());
            response.headers.extend(self.1.iter().map(|(name, value)| {
                (
                    name.parse::<http::HeaderName>().unwrap(),
                    value.parse().unwrap(),
                )
            }));
            Ok(response)
        }

        async fn connect(&self, _: &Url) {}

        fn reload_trust(&self) {}
    }

    async fn discover(
        join: &str,
        env: Env,
        canned: Canned,
    ) -> (Result<Discovery, Error>, Vec<String>) {
        let canned = Arc::new(canned);
        let client = HttpClient::with_transport(
            Arc::clone(&canned) as Arc<dyn Transport>,
            HttpSettings::default(),
        );
        let context = Context::builder()
            .env(env)
            .clock(Clock::auto_advancing())
            .http_client(client)
            .build()
            .unwrap();
        let result = match SPEC.build(&join.parse().unwrap(), &context) {
            Ok(provider) => {
                provider
                    .discover(&Call::new(context.clock(), Duration::from_secs(30)))
                    .await
            }
            Err(error) => Err(error),
        };
        let urls = canned.3.lock().unwrap().clone();
        (result, urls)
    }

    fn good() -> Canned {
        Canned(200, &[], instances(), Mutex::default())
    }

    async fn addresses(join: &str) -> Vec<String> {
        discover(join, Env::empty(), good())
            .await
            .0
            .unwrap()
            .addresses()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[tokio::test]
    async fn instances_in_any_health_are_returned_by_default_without_port() {
        let all = [
            "10.1.10.1",
            "10.1.10.3",
            "10.1.10.4",
            "10.1.20.2",
            "member.example",
        ];
        assert_eq!(addresses("provider=consul service=nomad").await, all);
    }

    #[tokio::test]
    async fn the_address_is_of_the_configured_type() {
        let node =
            addresses("provider=consul service=nomad tag=prod address_type=node port=8301").await;
        assert_eq!(
            node,
            [
                "10.1.10.1:8301",
                "10.1.10.2:8301",
                "10.1.10.4:8301",
                "10.1.10.5:8301",
                "10.1.10.6:8301"
            ]
        );
        let wan =
            addresses("provider=consul service=nomad tag=prod address_type=wan port=service").await;
        assert_eq!(wan, ["198.18.1.1:4647", "198.18.1.4:4647", "198.18.2.2:80"]);
        assert_eq!(
            addresses("provider=consul service=nomad address_type=lan")
                .await
                .len(),
            6
        );
    }

    #[tokio::test]
    async fn every_datacenter_is_queried() {
        let (_, urls) = discover(
            "provider=consul service=a/b datacenter=dc1,dc2 partition=p",
            Env::empty(),
            good(),
        )
        .await;
        let base = "http://127.0.0.1:8500/v1/health/service/a%2Fb";
        assert_eq!(
            urls,
            [
                format!("{base}?dc=dc1&partition=p"),
                format!("{base}?dc=dc2&partition=p")
            ]
        );
    }

    #[tokio::test]
    async fn an_address_without_scheme_is_read_as_consul_reads_it() {
        let asked = async |env: &[(&str, &str)], join: &str| {
            let env: Env = env
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let (result, urls) = discover(join, env, good()).await;
            result
                .map(|_| urls[0].clone())
                .map_err(|error| format!("{error} {}", error.hint().unwrap_or_default()))
        };
        let of = "provider=consul service=a";
        assert_eq!(
            asked(&[("CONSUL_HTTP_ADDR", "consul.test:8500")], of)
                .await
                .unwrap(),
            "http://consul.test:8500/v1/health/service/a"
        );
        let tls = [
            ("CONSUL_HTTP_ADDR", "consul.test:8501"),
            ("CONSUL_HTTP_SSL", "true"),
            ("CONSUL_HTTP_TOKEN", CANARY),
        ];
        assert_eq!(
            asked(&tls, of).await.unwrap(),
            "https://consul.test:8501/v1/health/service/a"
        );
        assert_eq!(
            asked(&[], "provider=consul service=a address=10.0.0.1:85")
                .await
                .unwrap(),
            "http://10.0.0.1:85/v1/health/service/a"
        );
        for refused in ["http://consul.test:8500", "consul.test:8500"] {
            let error = asked(
                &[("CONSUL_HTTP_ADDR", refused), ("CONSUL_HTTP_TOKEN", CANARY)],
                of,
            )
            .await
            .unwrap_err();
            assert!(
                error.contains("`endpoint`") && !error.contains(CANARY),
                "{error}"
            );
        }
        let error = asked(&[("CONSUL_HTTP_ADDR", "unix:///run/consul.sock")], of)
            .await
            .unwrap_err();
        assert!(error.contains("Unix socket"), "{error}");
    }

    /// A discovery with `options` and variables, from a server that wants the token of `list`.
    async fn found(
        options: &'static str,
        env: &'static [(&'static str, &'static str)],
    ) -> Result<Discovery, String> {
        let join = "provider=consul service=nomad datacenter=dc2 namespace=team endpoint=ENDPOINT";
        let join = format!("{join} {options}").leak();
        let harness = Harness::serving(Conformance {
            join,
            env,
            ..consul()
        });
        let result = harness.await.discover().await.result;
        result.map_err(|error| format!("{} {:?}", error.chain(), error.hint()))
    }

    #[tokio::test]
    async fn the_tls_variables_of_consul_are_read_unless_the_join_string_has_their_keys() {
        const TOKEN: &str = "token=c4n4ry-token";
        for (variable, key) in [
            ("CONSUL_CACERT", "ca_file"),
            ("CONSUL_CAPATH", "ca_directory"),
            ("CONSUL_CLIENT_CERT", "certificate_file"),
            ("CONSUL_CLIENT_KEY", "key_file"),
        ] {
            let env = Box::leak(Box::new([(variable, "/nowhere/v")]));
            let error = found(TOKEN, env).await.unwrap_err();
            assert!(
                error.contains(&format!("cannot read `/nowhere/v` (`{variable}`)")),
                "{error}"
            );
            let options = format!("{TOKEN} {key}=/nowhere/k").leak();
            let error = found(options, env).await.unwrap_err();
            assert!(
                error.contains(&format!("cannot read `/nowhere/k` (`{key}`)")),
                "{error}"
            );
        }
        let name = found(TOKEN, &[("CONSUL_TLS_SERVER_NAME", "not a name")]).await;
        let name = name.unwrap_err();
        assert!(
            name.contains("not a DNS name") && name.contains("check `server_name`"),
            "{name}"
        );
    }

    #[tokio::test]
    async fn an_agent_that_is_not_verified_is_warned_of() {
        const UNVERIFIED: &[(&str, &str)] = &[("CONSUL_HTTP_SSL_VERIFY", "false")];
        const VERIFIED: &[(&str, &str)] = &[("CONSUL_HTTP_SSL_VERIFY", "no")];
        for (options, env, expected) in [
            ("token=c4n4ry-token", UNVERIFIED, 1),
            ("token=c4n4ry-token", VERIFIED, 0),
            ("token=c4n4ry-token insecure=true", VERIFIED, 1),
            ("token=c4n4ry-token insecure=false", UNVERIFIED, 0),
        ] {
            let discovery = found(options, env).await.unwrap();
            let findings = discovery.findings();
            assert_eq!(findings.len(), expected, "{options} {env:?}: {findings:?}");
            for finding in findings {
                assert!(
                    finding
                        .message
                        .contains("`insecure=true` or `CONSUL_HTTP_SSL_VERIFY=false`")
                );
            }
        }
    }

    #[tokio::test]
    async fn the_token_of_a_file_is_sent_and_counts_more_than_the_variable_with_a_token() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, format!("{CANARY}-token\n")).unwrap();
        let path: &str = file.path().to_str().unwrap().to_owned().leak();
        let env: &[_] = Box::leak(Box::new([
            ("CONSUL_HTTP_TOKEN_FILE", path),
            ("CONSUL_HTTP_TOKEN", "other"),
        ]));
        let discovery = found("", env).await.unwrap();
        assert_eq!(discovery.identity(), Some("`CONSUL_HTTP_TOKEN_FILE`"));
        let options = format!("token=other token_file={path}").leak();
        let discovery = found(options, &[]).await.unwrap();
        assert_eq!(discovery.identity(), Some("`token_file`"));
        let env = &[("CONSUL_HTTP_TOKEN_FILE", "/nowhere/token")];
        let discovery = found("token=c4n4ry-token", env).await.unwrap();
        assert_eq!(discovery.identity(), Some("`token`"));
        let error = found("", env).await.unwrap_err();
        assert!(
            error.contains("cannot read `/nowhere/token` (`CONSUL_HTTP_TOKEN_FILE`)"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_list_with_hidden_instances_is_an_error_that_names_the_permission() {
        let filtered = Canned(
            200,
            &[("x-consul-results-filtered-by-acls", "true")],
            instances(),
            Mutex::default(),
        );
        let error = discover("provider=consul service=nomad", Env::empty(), filtered)
            .await
            .0
            .unwrap_err();
        let text = format!("{} {}", error.chain(), error.hint().unwrap_or_default());
        assert!(
            matches!(error, Error::Api(_))
                && text.contains("hidden")
                && text.contains("`node:read`"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn an_unknown_datacenter_is_final_and_named() {
        let unknown = Canned(
            500,
            &[],
            "No path to datacenter".to_owned(),
            Mutex::default(),
        );
        let (result, urls) = discover(
            "provider=consul service=nomad datacenter=dc9",
            Env::empty(),
            unknown,
        )
        .await;
        let error = result.unwrap_err();
        assert!(
            !error.is_transient() && error.hint().unwrap().contains("`datacenter`"),
            "{}",
            error.chain()
        );
        assert_eq!(urls.len(), 1);
    }

    #[test]
    fn the_policy_names_the_service() {
        let context = Context::builder().env(Env::empty()).build().unwrap();
        let role = SPEC.role.unwrap()(
            &"provider=consul service=nomad".parse().unwrap(),
            &context,
            RoleFormat::Native,
        )
        .unwrap();
        assert!(
            role.text.contains("service \"nomad\"") && role.text.contains("node_prefix \"\""),
            "{}",
            role.text
        );
    }
}
