//! No secret reaches an output: not the client secret, not a token, whatever goes wrong and however
//! much is reported.
//!
//! A canary is used as the client secret, in its right place and in every wrong one. Tokens are
//! known by their beginning, which all tokens of the simulator (and of Entra ID) share. The one
//! exception is `discover check --output json`, which repeats its input by definition.

#![allow(clippy::unwrap_used, reason = "tests")]

mod command;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin::config::{KeySpec, Values};
use cloud_autojoin::http::{
    HttpClient, HttpSettings, RawResponse, Request, Transport, TransportCause,
};
use cloud_autojoin::{
    Call, Clock, ConfigString, Context, Detail, Env, Error, Instant, ProviderSpec,
};
use cloud_autojoin_simulator::azure::Operation;
use cloud_autojoin_simulator::azure::world::{Named, World};
use cloud_autojoin_simulator::azure::{Endpoint, Fault, FaultBody, Simulator};
use tokio::task::JoinSet;
use url::Url;

use command::{
    CLIENT_ID, Command, Ended, NOMAD_CONSUL, TAGGED, TENANT_ID, UNIFORM, discover, until_reached,
};

/// A secret of the form that Entra ID makes, which no other text in an output has a piece of.
const CANARY: &str = "Zx8Q~cAnArY.cAnArY-cAnArY_0123456789abcd";

/// How every JWT begins: `{"` in base64.
const TOKEN: &str = "eyJ";

/// A set, a tag and a Uniform set: the world, and the join string.
fn queries() -> [(&'static str, String); 3] {
    [
        (
            "nomad-consul",
            format!(
                "subscription_id={NOMAD_CONSUL} resource_group=cluster vm_scale_set=consul-servers"
            ),
        ),
        (
            "uniform",
            format!("subscription_id={UNIFORM} resource_group=uniform vm_scale_set=vault"),
        ),
        (
            "tagged",
            format!("subscription_id={TAGGED} tag_name=consul tag_value=server"),
        ),
    ]
}

/// The world with the canary as the application's secret.
async fn start(world: &str) -> Simulator {
    let mut world = World::shipped(world).unwrap();
    world
        .principals_mut()
        .iter_mut()
        .filter(|principal| principal.client_secret.is_some())
        .for_each(|principal| principal.client_secret = Some(CANARY.to_owned()));
    Simulator::start(world).await.unwrap()
}

/// Every subcommand that queries the cloud, as verbose and as quiet as it can be.
const COMMANDS: [&[&str]; 6] = [
    &["-vv", "addrs"],
    &["-q", "addrs", "--output", "json"],
    &["-vv", "explain"],
    &["-vv", "explain", "--output", "json"],
    &["explain", "--output", "mermaid"],
    &["-vv", "addrs", "--strict"],
];

fn command(words: &[&str], timeout: &str, string: &str, simulator: &Simulator) -> Command {
    let string = format!(
        "provider=azure {string} tenant_id={TENANT_ID} client_id={CLIENT_ID} client_secret={CANARY} {}",
        simulator.join_settings()
    );
    discover(words.iter().copied().chain(["--timeout", timeout, &string]))
        .env("SSL_CERT_FILE", simulator.ca_file())
}

#[track_caller]
fn holds_no_secret(ended: &Ended, what: &str) {
    let everything = ended.everything();
    for secret in ["cAnArY", TOKEN] {
        assert!(
            !everything.contains(secret),
            "{what}: an output holds `{secret}`\n{ended:?}"
        );
    }
}

/// Runs every command under `faults`, each of which must be met.
async fn under(faults: &[(&str, Fault)]) {
    for (world, string) in queries() {
        for (name, fault) in faults {
            let run = async |deadline| {
                let simulator = start(world).await;
                simulator.add_fault(fault.clone());
                // Side by side: most of them wait for their deadlines.
                let mut running = JoinSet::new();
                for words in COMMANDS {
                    let command = command(words, deadline, &string, &simulator);
                    running.spawn(async move { (words, command.run().await) });
                }
                for (words, ended) in running.join_all().await {
                    let what = format!("{name} with {words:?} against {world}");
                    holds_no_secret(&ended, &what);
                    assert!(
                        ended
                            .status
                            .is_some_and(|status| status == 0 || status == 1),
                        "{what}: {ended:?}"
                    );
                }
                simulator
                    .requests()
                    .iter()
                    .any(|request| !request.faults.is_empty())
            };
            until_reached(run, |is_met| *is_met).await;
        }
    }
}

#[tokio::test]
async fn no_secret_is_shown_when_all_is_well() {
    for (world, string) in queries() {
        let simulator = start(world).await;
        for words in COMMANDS {
            let ended = command(words, "60s", &string, &simulator).run().await;
            holds_no_secret(&ended, world);
            assert_eq!(ended.status, Some(0), "{ended:?}");
        }
        simulator.finish();
    }
}

#[tokio::test]
async fn no_secret_is_shown_when_arm_fails() {
    let arm = |fault: Fault| fault.endpoint(Endpoint::Arm);
    under(&[
        ("429", arm(Fault::status(429))),
        ("429 with a time", arm(Fault::status(429).retry_after(60))),
        ("500", arm(Fault::status(500))),
        ("503 as HTML", arm(Fault::status(503).body(FaultBody::Html))),
        ("401 always", arm(Fault::unauthorized())),
        ("403", arm(Fault::status(403))),
        ("404", arm(Fault::not_found())),
    ])
    .await;
}

#[tokio::test]
async fn no_secret_is_shown_when_the_wire_fails() {
    let arm = |fault: Fault| fault.endpoint(Endpoint::Arm);
    under(&[
        ("reset", arm(Fault::reset())),
        ("body cut", arm(Fault::cut_body())),
        ("chunked body cut", arm(Fault::cut_chunked_body())),
        ("JSON cut", arm(Fault::cut_json())),
        ("hang", arm(Fault::hang())),
        ("slow", arm(Fault::delay(Duration::from_millis(20)))),
    ])
    .await;
}

#[tokio::test]
async fn no_secret_is_shown_if_responses_redirect() {
    let arm = |fault: Fault| fault.endpoint(Endpoint::Arm);
    under(&[
        (
            "redirect",
            arm(Fault::redirect("https://evil.example/subscriptions")),
        ),
        (
            "foreign next link",
            arm(Fault::next_link("https://evil.example/next")),
        ),
        ("next link loop", arm(Fault::next_link_loop())),
        ("401 once", arm(Fault::unauthorized().times(1))),
    ])
    .await;
}

#[tokio::test]
async fn no_secret_is_shown_when_signing_in_fails() {
    let token = |fault: Fault| fault.operation(Operation::Token);
    under(&[
        ("503", token(Fault::status(503))),
        ("429", token(Fault::status(429).retry_after(60))),
        ("400", token(Fault::status(400))),
        ("401", token(Fault::unauthorized())),
        ("reset", token(Fault::reset())),
        ("body cut", token(Fault::cut_body())),
        ("JSON cut", token(Fault::cut_json())),
        ("hang", token(Fault::hang())),
        (
            "redirect",
            token(Fault::redirect("https://evil.example/token")),
        ),
        ("HTML", token(Fault::status(502).body(FaultBody::Html))),
    ])
    .await;
}

#[tokio::test]
async fn a_secret_that_is_refused_is_not_shown() {
    for (world, string) in queries() {
        // The shipped world has another secret, so the canary is the wrong one.
        let simulator = Simulator::start(World::shipped(world).unwrap())
            .await
            .unwrap();
        for words in COMMANDS {
            let ended = command(words, "60s", &string, &simulator).run().await;
            holds_no_secret(&ended, "a wrong secret");
            assert!(
                ended.status == Some(1) && ended.everything().contains("AADSTS7000215"),
                "{ended:?}"
            );
        }
        simulator.finish();
    }
}

#[tokio::test]
async fn a_secret_of_the_environment_is_not_shown() {
    let simulator = start("nomad-consul").await;
    let string = format!(
        "provider=azure subscription_id={NOMAD_CONSUL} tag_name=consul tag_value=server {}",
        simulator.join_settings()
    );
    for words in COMMANDS {
        let ended = discover(words.iter().copied().chain([string.as_str()]))
            .against(&simulator)
            .env("ARM_CLIENT_SECRET", CANARY)
            .run()
            .await;
        holds_no_secret(&ended, "a secret of the environment");
        assert_eq!(ended.status, Some(3), "{ended:?}");
    }
    simulator.finish();
}

#[tokio::test]
async fn a_token_of_a_managed_identity_is_not_shown() {
    let simulator = start("nomad-consul").await;
    let string = format!(
        "provider=azure subscription_id={NOMAD_CONSUL} resource_group=cluster vm_scale_set=consul-servers client_id=44444444-4444-4444-8444-444444444444 \
         audience=https://management.azure.com/ metadata_endpoint={} arm_endpoint={}",
        simulator.metadata_endpoint(),
        simulator.arm_endpoint()
    );
    for words in COMMANDS {
        let ended = discover(words.iter().copied().chain([string.as_str()]))
            .run()
            .await;
        holds_no_secret(&ended, "managed identity");
        assert_eq!(ended.status, Some(0), "{ended:?}");
    }
    simulator.add_fault(Fault::cut_json().endpoint(Endpoint::Metadata));
    for words in COMMANDS {
        let ended = discover(
            words
                .iter()
                .copied()
                .chain(["--timeout=250ms", string.as_str()]),
        )
        .run()
        .await;
        holds_no_secret(&ended, "managed identity, cut");
        assert_eq!(ended.status, Some(1), "{ended:?}");
    }
}

#[tokio::test]
async fn a_secret_in_a_wrong_place_is_not_shown() {
    let start = format!(
        "provider=azure subscription_id={NOMAD_CONSUL} tag_name=a tag_value=b arm_endpoint=http://127.0.0.1:9 authority_host=https://127.0.0.1:9 audience=https://management.azure.com/"
    );
    let whole = [
        format!("{start} client_secret={CANARY}"),
        format!("{start} client_secret={CANARY}=="),
        format!("{start} client_secret=\"{CANARY}"),
        format!("{start} client_secret=\"{CANARY}\\"),
        format!("{start} client_secret=\"{CANARY}\\q\""),
        format!("{start} client_secret=a {CANARY}"),
        format!("{start} client_secret=a {CANARY}=b"),
        format!("{start} client_secret=a b={CANARY}=c"),
        format!("{start} client_secret=a {CANARY} = b"),
        format!("{start} client_secret {CANARY}"),
        format!("{start} client_secert={CANARY}"),
        format!("{start} secret={CANARY}"),
        format!("{start} {CANARY}"),
        format!("{start} {CANARY}={CANARY}"),
        format!("{start} \"{CANARY}"),
        format!("{start} client_secret={CANARY} client_secret={CANARY}"),
        format!("{start} client_secret={CANARY} secret_access_key=other"),
        format!(
            "{start} client_secret={CANARY} secret_access_key={CANARY}2 tenant_id={TENANT_ID} client_id={CLIENT_ID}"
        ),
        format!("{CANARY} {start}"),
        CANARY.to_owned(),
        format!("provider={CANARY}"),
        format!("provider={CANARY} client_secret={CANARY}"),
        format!("client_secret={CANARY}"),
        format!("provider=azure client_secret={CANARY} tag_on={}", "disk"),
        format!(
            "provider=azure tag_name=a tag_value=b arm_endpoint=https://user:{CANARY}@arm.example"
        ),
        format!(
            "provider=azure tag_name=a tag_value=b arm_endpoint=https://arm.example/?sig={CANARY}"
        ),
        format!(
            "provider=azure tag_name=a tag_value=b authority_host=http://user:{CANARY}@login.example"
        ),
        format!("provider=azure tag_name=a tag_value=b audience=ftp://user:{CANARY}@login.example"),
    ];
    for string in &whole {
        for words in COMMANDS
            .into_iter()
            .chain([&["check"][..], &["check", "--strict"]])
        {
            let timeout = if words.contains(&"check") {
                None
            } else {
                Some("--timeout=250ms")
            };
            let ended = discover(words.iter().copied().chain(timeout).chain(["--", string]))
                .run()
                .await;
            holds_no_secret(&ended, &format!("{words:?} {string}"));
            assert_ne!(ended.status, Some(2), "{ended:?}");
        }
    }
    // In pieces, as a shell leaves them.
    for words in [
        vec!["provider=azure", "tag_name=a", CANARY],
        vec!["provider=azure", "client_secret=", CANARY],
        vec![CANARY, "=", "x"],
    ] {
        for action in ["addrs", "explain", "check"] {
            holds_no_secret(
                &discover([action].iter().chain(&words)).run().await,
                &format!("{action} {words:?}"),
            );
        }
    }
}

#[tokio::test]
async fn a_secret_in_a_wrong_place_of_the_command_line_is_not_shown() {
    let pair = format!("client_secret={CANARY}");
    let flag = format!("--client_secret={CANARY}");
    let assigned = format!("--output={CANARY}");
    for words in [
        &[CANARY][..],
        &[&pair],
        &[&flag],
        &["addrs", &flag],
        &["addrs", &assigned],
        &["-q", "addrs", &assigned],
        &["addrs", "--timeout", CANARY],
        &["addrs", "--output", CANARY],
        &["explain", "--output", CANARY],
        &["check", "--output", CANARY, "a=b"],
        &["providers", CANARY],
        &["providers", "azure", CANARY],
        &["completions", CANARY],
        &["man", CANARY],
        &["help", CANARY],
    ] {
        let ended = discover(words).run().await;
        holds_no_secret(&ended, &format!("{words:?}"));
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (Some(2), ""),
            "{words:?}: {ended:?}"
        );
    }
}

#[tokio::test]
async fn a_secret_in_a_tag_of_the_cloud_is_the_clouds_affair_and_control_characters_in_it_are_not_printed()
 {
    let simulator = start("tagged").await;
    simulator.with_world(|world| {
        let tags = [("consul".to_owned(), "\u{1b}[31mred\r\nnext".to_owned())]
            .into_iter()
            .collect();
        world
            .set_tags(Named::NetworkInterface("front"), tags)
            .unwrap();
    });
    for words in [
        &["addrs"][..],
        &["explain"],
        &["explain", "--output", "mermaid"],
        &["-vv", "addrs"],
    ] {
        let string = format!("subscription_id={TAGGED} tag_name=consul tag_value=nothing");
        let ended = command(words, "60s", &string, &simulator).run().await;
        assert!(
            !ended.everything().contains(['\u{1b}', '\r']),
            "{words:?}: {ended:?}"
        );
    }
    simulator.finish();
}

#[cfg(all(feature = "sidecar", unix))]
#[tokio::test]
async fn a_secret_in_a_wrong_place_of_the_watch_is_not_shown() {
    let pair = format!("client_secret={CANARY}");
    for flag in [
        "--interval",
        "--timeout",
        "--min",
        "--stable-for",
        "--max-shrink",
        "--listen",
        "--log",
        "--port",
        "--file",
        "--agent",
    ] {
        let ended = discover(["watch", "--check", flag, CANARY, "provider=azure"])
            .run()
            .await;
        holds_no_secret(&ended, flag);
        assert_ne!(ended.status, Some(0), "{flag}: {ended:?}");
    }
    let start = format!("provider=azure subscription_id={NOMAD_CONSUL} tag_name=a tag_value=b");
    for string in [
        format!("{start} {pair}"),
        format!("{start} {pair}=="),
        format!("{start} client_secret=a {CANARY}"),
        format!("{start} client_secret=a {CANARY}=b"),
        format!("{start} client_secert={CANARY}"),
        format!("provider={CANARY}"),
        CANARY.to_owned(),
    ] {
        let ended = discover([
            "watch",
            "--check",
            "--file",
            "lines:/tmp/discover-not-written",
            "--",
            &string,
        ])
        .run()
        .await;
        holds_no_secret(&ended, &string);
        assert_ne!(ended.status, Some(2), "{string}: {ended:?}");
    }
}

#[tokio::test]
async fn no_secret_key_of_any_provider_is_shown_whatever_else_is_wrong() {
    let registry = cloud_autojoin::Registry::compiled_in();
    for spec in registry.providers() {
        let secrets = spec
            .keys
            .iter()
            .filter(|key| key.secret)
            .flat_map(|key| key.names());
        for name in secrets {
            let right = format!("provider={} {name}={CANARY}", spec.name);
            let mistyped = format!("provider={} x{name}={CANARY}", spec.name);
            let unquoted = format!("provider={} {name}=a {CANARY}", spec.name);
            for string in [right, mistyped, unquoted] {
                // An unknown key under `--strict`: the call ends before any provider, whose
                // metadata service might be real on the machine that runs this, gets a request.
                let string = format!("no_such_key=1 {string}");
                for words in [&["-vv", "addrs", "--strict"][..], &["check"]] {
                    let ended = discover([words, &[string.as_str()]].concat()).run().await;
                    let shown = ended.everything();
                    // `check` accepts a string whose secret is all that its provider needs.
                    let is_checked = words[0] == "check" && ended.status == Some(0);
                    assert!(
                        is_checked || ended.status == Some(1),
                        "{words:?} {name}: {ended:?}"
                    );
                    assert!(!shown.contains(CANARY), "{words:?} {name}: {ended:?}");
                }
            }
        }
    }
}

/// A cloud that gives every request the same response; nothing is sent.
#[derive(Debug)]
struct Unhelpful(u16, AtomicUsize);

#[async_trait]
impl Transport for Unhelpful {
    async fn send(&self, _: &Request, _: Instant) -> Result<RawResponse, TransportCause> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let status = http::StatusCode::from_u16(self.0).unwrap();
        Ok(RawResponse::new(status, r#"{"odd": []}"#))
    }

    async fn connect(&self, _: &Url) {}

    fn reload_trust(&self) {}
}

/// A value that a key accepts; the canary if it is secret. Addresses are of this machine, at a port
/// that nothing listens on.
fn value_of(key: &KeySpec) -> String {
    match key.values {
        _ if key.secret => CANARY.to_owned(),
        Values::Boolean => "true".to_owned(),
        Values::Duration => "1s".to_owned(),
        Values::Number { min, .. } => min.to_string(),
        Values::OneOf(words) | Values::ListOf(words) => words[0].to_owned(),
        Values::Guid | Values::GuidOr(_) => TENANT_ID.to_owned(),
        Values::Url | Values::Endpoint => "https://127.0.0.1:9".to_owned(),
        // As a host it is of this machine too.
        _ => "127.0.0.1:9".to_owned(),
    }
}

/// The provider with `keys` and these variables, and a cloud that responds with `status`:
/// everything that it reports, and how many requests it made.
async fn everything_reported(
    spec: &ProviderSpec,
    keys: &[&KeySpec],
    variables: &[&'static str],
    status: u16,
) -> (String, usize) {
    let mut config = ConfigString::new().with("provider", spec.name);
    for key in keys {
        config = config.with(key.name, value_of(key));
    }
    let cloud = Arc::new(Unhelpful(status, AtomicUsize::default()));
    let transport = Arc::clone(&cloud) as Arc<dyn Transport>;
    let env = variables.iter();
    let env: Env = env
        .map(|name| ((*name).to_owned(), CANARY.to_owned()))
        .collect();
    let context = Context::builder()
        .env(env)
        .clock(Clock::auto_advancing())
        .http_client(HttpClient::with_transport(
            transport,
            HttpSettings::default(),
        ))
        .build()
        .unwrap();
    let error_text = |error: &Error| format!("{error:?} {} {:?}", error.chain(), error.hint());
    let provider = match spec.build(&config, &context) {
        Ok(provider) => provider,
        Err(error) => return (error_text(&error), 0),
    };
    let call = Call::new(context.clock(), Duration::from_secs(9)).with_detail(Detail::Everything);
    let reported = match provider.discover(&call).await {
        Ok(discovery) => serde_json::to_string(&discovery).unwrap(),
        Err(error) => error_text(&error),
    };
    let (scope, requests) = (provider.scope(), call.requests());
    let reported = format!(
        "{provider:?} {} {scope:?} {requests:?} {reported}",
        provider.subject()
    );
    (reported, cloud.1.load(Ordering::Relaxed))
}

#[tokio::test]
async fn no_secret_of_any_provider_is_shown_whatever_its_cloud_responds() {
    let registry = cloud_autojoin::Registry::compiled_in();
    for spec in registry.providers() {
        let single = || spec.keys.iter().filter(|key| key.placeholder.is_none());
        let secrets: Vec<&KeySpec> = single().filter(|key| key.secret).collect();
        let variables: Vec<&str> = spec.secret_variables().collect();
        if secrets.is_empty() && variables.is_empty() {
            continue;
        }
        let mut requests = 0;
        let mut check = async |keys: &[&KeySpec], variables: &[&'static str]| {
            for status in [200, 401, 403, 500] {
                let (reported, sent) = everything_reported(spec, keys, variables, status).await;
                assert!(
                    !reported.contains("cAnArY"),
                    "{} {status}: {reported}",
                    spec.name
                );
                requests += sent;
            }
        };
        let needed: Vec<&KeySpec> = single().filter(|key| key.required && !key.secret).collect();
        let plain: Vec<&KeySpec> = single().filter(|key| !key.secret).collect();
        check(&needed, &variables).await;
        check(&plain, &variables).await;
        for secret in &secrets {
            check(&[&needed[..], &[*secret]].concat(), &[]).await;
            check(&[&plain[..], &[*secret]].concat(), &[]).await;
        }
        check(&[&needed[..], &secrets[..]].concat(), &[]).await;
        check(&[&plain[..], &secrets[..]].concat(), &[]).await;
        println!(
            "{}: {} secrets, {requests} requests",
            spec.name,
            secrets.len()
        );
    }
}

#[test]
fn secret_variables_of_credential_chains_are_known_so_that_programs_do_not_inherit_them() {
    let registry = cloud_autojoin::Registry::compiled_in();
    let known: Vec<&str> = registry.secret_variables().collect();
    for variable in [
        "ARM_CLIENT_SECRET",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AZURE_CLIENT_SECRET",
    ] {
        assert!(known.contains(&variable), "{variable}");
    }
}
