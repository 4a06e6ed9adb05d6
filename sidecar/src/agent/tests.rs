//! The requests to agents and the handling of their responses, failures included. The servers
//! respond as the agents' documentation has it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cloud_autojoin::{Clock, Host};
use http::header::HeaderName;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::*;

#[path = "../../../tests/sidecar/agents.rs"]
pub(crate) mod agents;
pub(crate) mod joins;

/// An agent that serves each `METHOD /path?query` from a table; what is not in the table is
/// 404. Records its requests, with the token.
struct Fake {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
    responses: Arc<Mutex<BTreeMap<String, (u16, String)>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    async fn start(responses: &[(&str, u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let responses: BTreeMap<_, _> = responses
            .iter()
            .map(|(asked, status, body)| ((*asked).to_owned(), (*status, (*body).to_owned())))
            .collect();
        let responses = Arc::new(Mutex::new(responses));
        let (ears, table) = (Arc::clone(&heard), Arc::clone(&responses));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (ears, table) = (Arc::clone(&ears), Arc::clone(&table));
                let service = service_fn(move |request: Request<Incoming>| {
                    let asked = format!("{} {}", request.method(), request.uri());
                    let token = ["x-consul-token", "x-nomad-token"]
                        .iter()
                        .find_map(|name| request.headers().get(*name));
                    ears.lock().unwrap().push(token.map_or_else(
                        || asked.clone(),
                        |token| format!("{asked} [{}]", token.to_str().unwrap()),
                    ));
                    let (status, body) = table
                        .lock()
                        .unwrap()
                        .get(&asked)
                        .cloned()
                        .unwrap_or_else(|| (404, "no such thing".to_owned()));
                    async move {
                        let mut response = Response::new(Full::new(Bytes::from(body)));
                        *response.status_mut() = StatusCode::from_u16(status).unwrap();
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self {
            url,
            heard,
            responses,
            task,
        }
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    fn set(&self, asked: &str, status: u16, body: &str) {
        self.responses
            .lock()
            .unwrap()
            .insert(asked.to_owned(), (status, body.to_owned()));
    }

    fn agent(&self, kind: AgentKind, token: Option<PathBuf>) -> Agent {
        let header = if matches!(kind, AgentKind::Consul { .. }) {
            "x-consul-token"
        } else {
            "x-nomad-token"
        };
        let files = ClientFiles {
            token,
            ..ClientFiles::default()
        };
        Agent {
            kind,
            client: AgentClient::new(
                self.url.parse().unwrap(),
                HeaderName::from_static(header),
                files,
            ),
            port: None,
        }
    }

    /// The errors of this agent name its port.
    fn without_port(&self, failure: &Failure) -> String {
        failure.to_string().replace(&self.url, "URL")
    }
}

fn ips(texts: &[&str]) -> Vec<Address> {
    texts
        .iter()
        .map(|text| Address::ip(text.parse().unwrap()))
        .collect()
}

/// Every peer accepts connections.
#[derive(Debug)]
struct Open;

#[async_trait]
impl Dialer for Open {
    async fn dial(&self, _: &Host, _: u16) -> io::Result<()> {
        Ok(())
    }
}

/// One update of an agent that nothing is remembered of.
async fn update(agent: &Agent, current: &[Address]) -> Result<JoinOutcome, Failure> {
    AgentSession::new(agent.clone(), Arc::new(Open), &Clock::system())
        .update(
            Peers {
                current,
                retained: &[],
                fresh: true,
            },
            &|| false,
        )
        .await
}

const CONSUL: AgentKind = AgentKind::Consul { wan: false };

/// Shape: Consul's API documents, `GET /v1/agent/members`.
fn consul_members(members: &[(&str, i64)]) -> String {
    let member = |(addr, status): &(&str, i64)| serde_json::json!({"Name": addr, "Addr": addr, "Port": 8301, "Tags": {"role": "consul"}, "Status": status, "ProtocolMin": 1});
    serde_json::Value::from(members.iter().map(member).collect::<Vec<_>>()).to_string()
}

#[tokio::test]
async fn consul_gets_only_peers_that_are_no_members_and_is_queried_after_each() {
    let fake = Fake::start(&[
        (
            "GET /v1/agent/members",
            200,
            &consul_members(&[
                ("10.0.0.4", 1),
                ("10.0.0.5", 4),
                ("10.0.0.6", 3),
                ("2001:db8::7", 1),
            ]),
        ),
        ("PUT /v1/agent/join/10.0.0.6", 200, ""),
        ("PUT /v1/agent/join/2001%3Adb8%3A%3A8", 200, ""),
    ])
    .await;
    let agent = fake.agent(CONSUL, None);
    let peers = ips(&[
        "10.0.0.4",
        "10.0.0.5",
        "10.0.0.6",
        "2001:db8::7",
        "2001:db8::8",
    ]);
    assert_eq!(
        update(&agent, &peers).await,
        Ok(JoinOutcome::Joined(vec![
            "10.0.0.6".to_owned(),
            "2001:db8::8".to_owned()
        ]))
    );
    let members = "GET /v1/agent/members";
    assert_eq!(
        fake.heard(),
        [
            members,
            "PUT /v1/agent/join/10.0.0.6",
            members,
            "PUT /v1/agent/join/2001%3Adb8%3A%3A8",
            members
        ]
    );

    // All there: nothing is joined.
    fake.set(
        members,
        200,
        &consul_members(&[("10.0.0.4", 1), ("10.0.0.6", 1)]),
    );
    assert_eq!(
        update(&agent, &ips(&["10.0.0.4", "10.0.0.6"])).await,
        Ok(JoinOutcome::UpToDate)
    );
    assert_eq!(fake.heard(), [members]);
}

#[tokio::test]
async fn a_peer_with_a_port_is_a_member_only_at_that_port_and_the_wan_is_another_pool() {
    let fake = Fake::start(&[
        (
            "GET /v1/agent/members?wan=1",
            200,
            &consul_members(&[("10.0.0.4", 1), ("2001:db8::7", 1)]),
        ),
        ("PUT /v1/agent/join/10.0.0.4%3A9000?wan=1", 200, ""),
        (
            "PUT /v1/agent/join/%5B2001%3Adb8%3A%3A7%5D%3A9000?wan=1",
            200,
            "",
        ),
    ])
    .await;
    let agent = fake.agent(AgentKind::Consul { wan: true }, None);
    let peers: Vec<Address> = ips(&["10.0.0.4", "2001:db8::7"])
        .into_iter()
        .map(|peer| peer.with_port(9000))
        .collect();
    assert_eq!(
        update(&agent, &peers).await,
        Ok(JoinOutcome::Joined(vec![
            "10.0.0.4:9000".to_owned(),
            "[2001:db8::7]:9000".to_owned()
        ]))
    );
}

#[tokio::test]
async fn one_peer_that_refuses_does_not_keep_the_others_out() {
    let refused = "rpc error: 1 error occurred:\n\t* Failed to join 10.0.0.5: dial tcp 10.0.0.5:8301: connect: connection refused";
    let fake = Fake::start(&[
        (
            "GET /v1/agent/members",
            200,
            &consul_members(&[("10.0.0.4", 1)]),
        ),
        ("PUT /v1/agent/join/10.0.0.5", 500, refused),
        ("PUT /v1/agent/join/10.0.0.6", 200, ""),
    ])
    .await;
    let failure = update(
        &fake.agent(CONSUL, None),
        &ips(&["10.0.0.4", "10.0.0.5", "10.0.0.6"]),
    )
    .await
    .unwrap_err();
    assert_eq!(
        fake.without_port(&failure),
        "consul agent URL: cannot join 10.0.0.5: status 500, rpc error: 1 error occurred: Failed to join 10.0.0.5: dial tcp 10.0.0.5:8301: connect: connection refused"
    );
    assert!(
        fake.heard()
            .contains(&"PUT /v1/agent/join/10.0.0.6".to_owned())
    );
}

#[tokio::test]
async fn a_refusal_names_the_missing_permission() {
    let fake = Fake::start(&[
        (
            "GET /v1/agent/members",
            200,
            &consul_members(&[("10.0.0.4", 1)]),
        ),
        (
            "PUT /v1/agent/join/10.0.0.5",
            403,
            "Permission denied: token with AccessorID 'x' lacks permission 'agent:write' on \"n\"",
        ),
    ])
    .await;
    let agent = fake.agent(CONSUL, None);
    let failure = update(&agent, &ips(&["10.0.0.5"])).await.unwrap_err();
    assert_eq!(
        fake.without_port(&failure),
        "consul agent URL: cannot join 10.0.0.5: status 403, Permission denied: token with AccessorID 'x' lacks permission 'agent:write' on \"n\""
    );
    assert!(failure.hint().unwrap().contains("`agent:write`"));
    // Without the right to see members Consul responds with none, and not with 403.
    fake.set("GET /v1/agent/members", 200, "[]");
    let failure = update(&agent, &ips(&["10.0.0.5"])).await.unwrap_err();
    assert_eq!(
        (fake.without_port(&failure).as_str(), failure.hint()),
        (
            "consul agent URL: its list of members is empty",
            Some("give `token_file` a token with `node:read`")
        )
    );
}

#[tokio::test]
async fn the_token_is_read_at_each_use_and_never_shown() {
    let directory = TempDir::new().unwrap();
    let token = directory.path().join("token");
    let fake = Fake::start(&[("GET /v1/agent/members", 403, "Permission denied")]).await;
    let agent = fake.agent(CONSUL, Some(token.clone()));
    let missing = update(&agent, &ips(&["10.0.0.5"])).await.unwrap_err();
    assert_eq!(
        fake.without_port(&missing),
        format!(
            "consul agent URL: cannot read {}: No such file or directory (os error 2)",
            token.display()
        )
    );
    for secret in ["canary-1", "canary-2"] {
        fs::write(&token, format!("{secret}\n")).unwrap();
        let failure = update(&agent, &ips(&["10.0.0.5"])).await.unwrap_err();
        assert_eq!(fake.heard(), [format!("GET /v1/agent/members [{secret}]")]);
        assert!(!format!("{failure} {failure:?} {agent:?}").contains("canary"));
    }
    fs::write(&token, "\n").unwrap();
    assert!(
        update(&agent, &ips(&["10.0.0.5"]))
            .await
            .unwrap_err()
            .to_string()
            .contains("there is no token in")
    );
}

#[tokio::test]
async fn refusals_of_consul_without_a_leader_and_of_nomad_have_hints() {
    let fake = Fake::start(&[
        (
            "GET /v1/agent/members",
            200,
            &consul_members(&[("10.0.0.4", 1)]),
        ),
        (
            "PUT /v1/agent/join/10.0.0.5",
            403,
            "rpc error making call: ACL not found",
        ),
    ])
    .await;
    let failure = update(&fake.agent(CONSUL, None), &ips(&["10.0.0.5"]))
        .await
        .unwrap_err();
    assert!(
        failure
            .hint()
            .unwrap()
            .contains("before the cluster has a leader"),
        "{failure:?}"
    );
    assert!(
        failure
            .hint()
            .unwrap()
            .contains("`acl.tokens.agent_recovery`"),
        "{failure:?}"
    );
    fake.set("GET /v1/agent/members", 403, "ACL token not found");
    let failure = update(
        &fake.agent(AgentKind::NomadServer, None),
        &ips(&["10.0.0.5"]),
    )
    .await
    .unwrap_err();
    assert!(
        failure.hint().unwrap().contains("only a join file"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_nomad_server_joins_one_peer_a_call_and_its_body_counts_not_its_status() {
    // Shape: Nomad's API documents, `GET /v1/agent/members`.
    let members = r#"{"ServerName": "n", "ServerRegion": "global", "ServerDC": "dc1", "Members": [
        {"Name": "a.global", "Addr": "10.0.0.4", "Port": 4648, "Status": "alive", "Tags": {}},
        {"Name": "b.global", "Addr": "10.0.0.5", "Port": 4648, "Status": "left", "Tags": {}}]}"#;
    let (first, second) = (
        "PUT /v1/agent/join?address=10.0.0.5",
        "PUT /v1/agent/join?address=%5B2001%3Adb8%3A%3A6%5D%3A4648",
    );
    let joined = r#"{"num_joined": 1, "error": ""}"#;
    let fake = Fake::start(&[
        ("GET /v1/agent/members", 200, members),
        (first, 200, joined),
        (second, 200, joined),
    ])
    .await;
    let agent = fake.agent(AgentKind::NomadServer, None);
    let peers = ips(&["10.0.0.4", "10.0.0.5", "2001:db8::6"]);
    assert_eq!(
        update(&agent, &peers).await,
        Ok(JoinOutcome::Joined(vec![
            "10.0.0.5".to_owned(),
            "[2001:db8::6]:4648".to_owned()
        ]))
    );
    let read = "GET /v1/agent/members";
    assert_eq!(fake.heard(), [read, first, read, second, read]);

    for (body, message) in [
        (
            r#"{"num_joined": 0, "error": "1 error(s) occurred:\n* Failed to join 10.0.0.5: EOF"}"#,
            "1 error(s) occurred: Failed to join 10.0.0.5: EOF",
        ),
        (r#"{"num_joined": 0}"#, "it joined none, without a reason"),
    ] {
        fake.set(first, 200, body);
        let failure = update(&agent, &peers).await.unwrap_err();
        assert_eq!(
            fake.without_port(&failure),
            format!("nomad-server agent URL: cannot join 10.0.0.5: {message}")
        );
    }
    fake.set(first, 200, "not JSON");
    let failure = update(&agent, &peers).await.unwrap_err();
    assert!(
        failure
            .to_string()
            .contains("its response to a join isn't as Nomad documents it: "),
        "{failure}"
    );
    fake.set(read, 501, "server is not enabled");
    let failure = update(&agent, &peers).await.unwrap_err();
    assert_eq!(
        fake.without_port(&failure),
        "nomad-server agent URL: cannot read its members: status 501, server is not enabled"
    );
    assert_eq!(
        failure.hint(),
        Some("the agent has another role than `kind`")
    );
}

#[tokio::test]
async fn a_nomad_client_gets_servers_only_when_it_has_lost_all_servers_and_only_what_is_fresh() {
    let order =
        "PUT /v1/agent/servers?address=10.0.0.4%3A4647&address=%5B2001%3Adb8%3A%3A5%5D%3A4647";
    let fake = Fake::start(&[
        (
            "GET /v1/agent/servers",
            200,
            r#"["10.0.0.9:4647", "10.0.0.4:4647"]"#,
        ),
        (order, 200, ""),
    ])
    .await;
    let agent = fake.agent(AgentKind::NomadClient, None);
    let peers = ips(&["10.0.0.4", "2001:db8::5"]);
    assert_eq!(update(&agent, &peers).await, Ok(JoinOutcome::UpToDate));
    fake.set("GET /v1/agent/servers", 200, r#"["[2001:db8::5]:4647"]"#);
    assert_eq!(update(&agent, &peers).await, Ok(JoinOutcome::UpToDate));
    assert_eq!(fake.heard(), ["GET /v1/agent/servers"; 2]);

    for lost in [r#"["10.0.0.8:4647", "10.0.0.9:4647"]"#, "[]", "null"] {
        fake.set("GET /v1/agent/servers", 200, lost);
        let stale = AgentSession::new(agent.clone(), Arc::new(Open), &Clock::system())
            .update(
                Peers {
                    current: &peers,
                    retained: &[],
                    fresh: false,
                },
                &|| false,
            )
            .await;
        assert_eq!(stale, Ok(JoinOutcome::Waiting));
        assert_eq!(fake.heard(), ["GET /v1/agent/servers"]);
        assert_eq!(
            update(&agent, &peers).await,
            Ok(JoinOutcome::Joined(vec![
                "10.0.0.4:4647".to_owned(),
                "[2001:db8::5]:4647".to_owned()
            ]))
        );
        assert_eq!(fake.heard(), ["GET /v1/agent/servers", order]);
    }
    fake.set(order, 400, "unable to reach any of the servers");
    let failure = update(&agent, &peers).await.unwrap_err();
    assert_eq!(
        fake.without_port(&failure),
        "nomad-client agent URL: cannot give it new servers: status 400, unable to reach any of the servers"
    );
}

#[tokio::test]
async fn an_agent_that_is_away_or_fails_is_a_failure_in_words() {
    let fake = Fake::start(&[(
        "GET /v1/agent/members",
        500,
        "No cluster leader\u{1b}[31m\nmore",
    )])
    .await;
    let agent = fake.agent(CONSUL, None);
    let failure = update(&agent, &ips(&["10.0.0.5"])).await.unwrap_err();
    assert_eq!(
        fake.without_port(&failure),
        "consul agent URL: cannot read its members: status 500, No cluster leader[31m; more"
    );

    let url = fake.url.clone();
    drop(fake);
    tokio::task::yield_now().await;
    let failure = update(&agent, &ips(&["10.0.0.5"])).await.unwrap_err();
    assert!(
        failure
            .to_string()
            .starts_with(&format!("consul agent {url}: cannot read its members: ")),
        "{failure}"
    );
}
