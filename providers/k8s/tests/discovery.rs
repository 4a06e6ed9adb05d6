//! Discoveries with a kubeconfig, a credential plugin, a service; lists that expire midway.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::command::{CommandOutput, CommandRunner};
use cloud_autojoin_core::{
    Call, Clock, ConfigString, Context, Detail, Discovery, Env, Error, RoleFormat,
};
use cloud_autojoin_k8s::SPEC;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

const PODS: &str = "/api/v1/namespaces/default/pods";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";

/// Prints the next of its outputs at each run, and remembers the variables.
#[derive(Debug, Default)]
struct Plugin {
    outputs: Mutex<Vec<CommandOutput>>,
    variables: Mutex<Vec<(String, String)>>,
}

impl Plugin {
    fn printing(tokens: &[&str]) -> Arc<Self> {
        let output = |token: &&str| json!({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": {"token": token}});
        let outputs = tokens
            .iter()
            .map(|token| CommandOutput::new(0, output(token).to_string(), ""))
            .collect();
        Arc::new(Self {
            outputs: Mutex::new(outputs),
            variables: Mutex::default(),
        })
    }
}

#[async_trait]
impl CommandRunner for Plugin {
    async fn run(&self, _: &str, _: &[&str], _: Duration) -> io::Result<CommandOutput> {
        unreachable!("plugins get variables")
    }

    async fn run_with_env(
        &self,
        program: &str,
        arguments: &[&str],
        env: &[(String, String)],
        _: Duration,
    ) -> io::Result<CommandOutput> {
        assert_eq!(
            (program, arguments),
            ("aws", ["eks", "get-token"].as_slice())
        );
        *self.variables.lock().unwrap() = env.to_vec();
        let mut outputs = self.outputs.lock().unwrap();
        if outputs.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(outputs.remove(0))
        }
    }
}

fn kubeconfig(directory: &Path, server: &str, user: Value) -> String {
    let file = directory.join("config");
    // JSON is YAML.
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "preferences": {},
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "consul"}}],
        "users": [{"name": "u", "user": user}],
    });
    std::fs::write(&file, config.to_string()).unwrap();
    file.display().to_string()
}

fn context(env: Env, plugin: &Arc<Plugin>) -> Context {
    Context::builder()
        .env(env)
        .clock(Clock::auto_advancing())
        .commands(Arc::clone(plugin) as _)
        .build()
        .unwrap()
}

async fn discover(join: &str, context: &Context) -> Result<Discovery, Error> {
    let provider = SPEC.build(&ConfigString::parse(join).unwrap(), context)?;
    provider
        .discover(
            &Call::new(context.clock(), Duration::from_secs(60)).with_detail(Detail::Everything),
        )
        .await
}

fn addresses(discovery: &Discovery) -> Vec<String> {
    discovery
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn pods(names: &[&str], next: Option<&str>) -> ResponseTemplate {
    let pod = |name: &&str| json!({"metadata": {"name": name, "uid": name}, "status": {"phase": "Running", "podIP": name}});
    ResponseTemplate::new(200).set_body_json(
        json!({"metadata": {"continue": next}, "items": names.iter().map(pod).collect::<Vec<_>>()}),
    )
}

async fn answer(server: &MockServer, token: &str, reply: ResponseTemplate) {
    let mock = Mock::given(method("GET"))
        .and(path(PODS))
        .and(header("authorization", format!("Bearer {token}").as_str()));
    mock.respond_with(reply).mount(server).await;
}

#[tokio::test]
async fn a_kubeconfig_of_the_environment_leads_to_server_and_token() {
    let (server, directory) = (MockServer::start().await, tempfile::tempdir().unwrap());
    answer(&server, "t", pods(&["10.0.0.1"], None)).await;
    let file = kubeconfig(directory.path(), &server.uri(), json!({"token": "t"}));
    let env = Env::from([("KUBECONFIG", format!("/nowhere/config:{file}"))]);
    let found = discover("provider=k8s", &context(env, &Arc::default()))
        .await
        .unwrap();
    assert_eq!(addresses(&found), ["10.0.0.1"]);
    assert_eq!(
        found.identity(),
        Some(format!("context `c` of /nowhere/config, {file}").as_str())
    );
}

#[tokio::test]
async fn the_own_namespace_is_that_of_the_kubeconfigs_context() {
    let (server, directory) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let mock = Mock::given(path("/api/v1/namespaces/consul/pods"));
    let reply = pods(&["10.0.0.1"], None);
    mock.respond_with(reply).mount(&server).await;
    let file = kubeconfig(directory.path(), &server.uri(), json!({"token": "t"}));
    let join = format!("provider=k8s namespace=self kubeconfig={file}");
    let found = discover(&join, &context(Env::empty(), &Arc::default())).await;
    let found = found.unwrap();
    assert_eq!(addresses(&found), ["10.0.0.1"]);
    assert_eq!(
        found.nodes()[0].attributes[0],
        ("namespace", "consul".to_owned())
    );
}

#[tokio::test]
async fn an_api_server_that_is_not_the_clusters_is_explained_by_the_kubeconfig() {
    let (server, directory) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let context = context(Env::empty(), &Arc::default());
    let hint = async |cluster: Value| {
        let file = kubeconfig(directory.path(), "", json!({"token": "t"}));
        let text = std::fs::read_to_string(&file).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["clusters"][0]["cluster"] = cluster;
        std::fs::write(&file, config.to_string()).unwrap();
        let error = discover(&format!("provider=k8s kubeconfig={file}"), &context).await;
        error.unwrap_err().hint().unwrap_or_default().into_owned()
    };
    std::fs::write(
        directory.path().join("ca.pem"),
        include_str!("fixtures/ca.pem"),
    )
    .unwrap();
    // What responds there doesn't even speak TLS.
    let url = server.uri().replace("http:", "https:");
    let text = hint(json!({"server": url, "certificate-authority": "ca.pem"})).await;
    assert!(
        text.starts_with("check the certificate authority of context `c` of "),
        "{text}"
    );
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let text = hint(json!({"server": url})).await;
    assert!(
        text.starts_with("check the API server of context `c` of "),
        "{text}"
    );
    let text = hint(json!({"server": url, "proxy-url": url})).await;
    assert!(
        text.starts_with("check the API server and the `proxy-url` of context `c` of "),
        "{text}"
    );
    let text = hint(json!({"server": url, "proxy-url": "ftp://10.0.0.9"})).await;
    assert!(
        text.starts_with(
            "check the certificates, `tls-server-name` and `proxy-url` of context `c` of "
        ),
        "{text}"
    );
}

#[tokio::test]
async fn a_token_file_is_read_again_for_every_discovery() {
    let (server, directory) = (MockServer::start().await, tempfile::tempdir().unwrap());
    answer(&server, "one", pods(&["10.0.0.1"], None)).await;
    answer(&server, "two", pods(&["10.0.0.2"], None)).await;
    let file = kubeconfig(
        directory.path(),
        &server.uri(),
        json!({"tokenFile": "token"}),
    );
    let context = context(Env::empty(), &Arc::default());
    let provider = SPEC
        .build(
            &ConfigString::parse(&format!("provider=k8s kubeconfig={file}")).unwrap(),
            &context,
        )
        .unwrap();
    for (token, address) in [("one", "10.0.0.1"), ("two\n", "10.0.0.2")] {
        std::fs::write(directory.path().join("token"), token).unwrap();
        let found = provider
            .discover(&Call::new(context.clock(), Duration::from_secs(60)))
            .await
            .unwrap();
        assert_eq!(addresses(&found), [address]);
    }
}

#[tokio::test]
async fn a_plugin_is_run_once_and_again_when_its_token_is_refused() {
    let (server, directory) = (MockServer::start().await, tempfile::tempdir().unwrap());
    answer(&server, "old", ResponseTemplate::new(401)).await;
    answer(&server, "new", pods(&["10.0.0.1"], None)).await;
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "args": ["eks", "get-token"], "provideClusterInfo": true,
        "env": [{"name": "AWS_PROFILE", "value": "prod"}],
    });
    let file = kubeconfig(directory.path(), &server.uri(), json!({"exec": exec}));
    let plugin = Plugin::printing(&["old", "new"]);
    let context = context(Env::empty(), &plugin);
    let provider = SPEC
        .build(
            &ConfigString::parse(&format!("provider=k8s kubeconfig={file}")).unwrap(),
            &context,
        )
        .unwrap();
    for _ in 0..2 {
        let found = provider
            .discover(&Call::new(context.clock(), Duration::from_secs(60)))
            .await
            .unwrap();
        assert_eq!(addresses(&found), ["10.0.0.1"]);
    }
    let variables = plugin.variables.lock().unwrap().clone();
    assert_eq!(variables[0], ("AWS_PROFILE".to_owned(), "prod".to_owned()));
    let info: Value = serde_json::from_str(&variables[1].1).unwrap();
    assert_eq!(variables[1].0, "KUBERNETES_EXEC_INFO");
    assert_eq!(
        (&info["apiVersion"], &info["spec"]["cluster"]["server"]),
        (
            &json!("client.authentication.k8s.io/v1"),
            &json!(server.uri())
        )
    );
    // A third run isn't needed, and would fail.
    assert!(plugin.outputs.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_named_with_its_install_hint() {
    let directory = tempfile::tempdir().unwrap();
    let exec = json!({"command": "aws", "args": ["eks", "get-token"], "installHint": "install the AWS CLI"});
    let file = kubeconfig(
        directory.path(),
        "https://k8s.example",
        json!({"exec": exec}),
    );
    let error = discover(
        &format!("provider=k8s kubeconfig={file}"),
        &context(Env::empty(), &Plugin::printing(&[])),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, Error::Credential(_)), "{error:?}");
    assert!(
        error
            .chain()
            .contains("there is no program `aws` on `PATH`"),
        "{}",
        error.chain()
    );
    assert_eq!(error.hint().as_deref(), Some("install the AWS CLI"));
}

#[tokio::test]
async fn a_list_that_expires_between_pages_is_read_again_once() {
    let server = MockServer::start().await;
    let gone = || {
        ResponseTemplate::new(410).set_body_json(json!({"kind": "Status", "reason": "Expired", "message": "the provided continue parameter is too old"}))
    };
    let first = Mock::given(path(PODS))
        .and(query_param_is_missing("continue"))
        .respond_with(pods(&["10.0.0.1"], Some("next")));
    first.mount(&server).await;
    let next = || Mock::given(path(PODS)).and(query_param("continue", "next"));
    next()
        .respond_with(gone())
        .up_to_n_times(1)
        .with_priority(1)
        .mount(&server)
        .await;
    next()
        .respond_with(pods(&["10.0.0.2"], None))
        .with_priority(2)
        .mount(&server)
        .await;
    let join = format!("provider=k8s endpoint={}", server.uri());
    let context = context(Env::empty(), &Arc::default());
    let found = discover(&join, &context).await.unwrap();
    assert_eq!(
        (addresses(&found), found.examined()),
        (vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()], 2)
    );
    next()
        .respond_with(gone())
        .with_priority(1)
        .mount(&server)
        .await;
    let error = discover(&join, &context).await.unwrap_err();
    assert!(
        error.chain().contains("status 410 `Expired`"),
        "{}",
        error.chain()
    );
}

#[tokio::test]
async fn a_service_gives_its_endpoints_of_both_families_with_its_port() {
    let server = MockServer::start().await;
    let endpoint = |address: &str, ready: Value, name: &str| json!({"addresses": [address], "conditions": {"ready": ready}, "nodeName": "n", "targetRef": {"kind": "Pod", "name": name}});
    let slice = |name: &str, family: &str, endpoints: Value| json!({"metadata": {"name": name}, "addressType": family, "endpoints": endpoints, "ports": [{"name": "serflan", "port": 8301}]});
    let items = json!([
        slice("s-1", "IPv4", json!([endpoint("10.0.0.1", json!(true), "a"), endpoint("10.0.0.2", json!(false), "b"), endpoint("10.0.0.3", json!(null), "c")])),
        slice("s-2", "IPv6", json!([endpoint("fd00::1", json!(true), "a")])),
        slice("s-3", "FQDN", json!([endpoint("db.example", json!(true), "d")])),
        {"metadata": {"name": "s-4"}, "addressType": "IPv4", "endpoints": null, "ports": null},
    ]);
    let reply = ResponseTemplate::new(200).set_body_json(json!({"metadata": {}, "items": items}));
    Mock::given(path(SLICES))
        .and(query_param(
            "labelSelector",
            "kubernetes.io/service-name=consul",
        ))
        .respond_with(reply)
        .mount(&server)
        .await;
    let context = context(Env::empty(), &Arc::default());
    let join = format!("provider=k8s endpoint={} service=consul", server.uri());
    let of =
        async |more: &str| addresses(&discover(&format!("{join} {more}"), &context).await.unwrap());
    assert_eq!(
        of("port=serflan").await,
        [
            "10.0.0.1:8301",
            "10.0.0.3:8301",
            "[fd00::1]:8301",
            "db.example:8301"
        ]
    );
    assert_eq!(
        of("ready=false address_type=private_v4").await,
        ["10.0.0.1", "10.0.0.2", "10.0.0.3", "db.example"]
    );
    let found = discover(&format!("{join} port=http"), &context)
        .await
        .unwrap();
    assert!(
        found.nodes()[0].excluded[0]
            .to_string()
            .contains("port `http`: the service has no port of that name")
    );
}

#[tokio::test]
async fn nothing_found_suggests_readiness_or_the_namespace_of_the_context() {
    let (server, directory) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let waiting = json!({"metadata": {"name": "a"}, "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "False"}]}});
    let list = |items: Value| {
        ResponseTemplate::new(200).set_body_json(json!({"metadata": {}, "items": items}))
    };
    Mock::given(path(PODS))
        .and(query_param("labelSelector", "a"))
        .respond_with(list(json!([waiting])))
        .mount(&server)
        .await;
    Mock::given(path(PODS))
        .and(query_param("labelSelector", "b"))
        .respond_with(list(json!([])))
        .mount(&server)
        .await;
    let file = kubeconfig(directory.path(), &server.uri(), json!({"token": "t"}));
    let context = context(Env::empty(), &Arc::default());
    let changes = async |label| {
        discover(
            &format!("provider=k8s kubeconfig={file} label_selector={label}"),
            &context,
        )
        .await
        .unwrap()
        .findings()[0]
            .changes
            .clone()
    };
    assert_eq!(
        changes("a").await,
        [("ready".to_owned(), Some("false".to_owned()))]
    );
    assert_eq!(
        changes("b").await,
        [("namespace".to_owned(), Some("consul".to_owned()))]
    );
}

#[tokio::test]
async fn a_kubeconfig_that_skips_verification_is_warned_of_and_a_ca_that_is_none_refused() {
    let (server, directory) = (MockServer::start().await, tempfile::tempdir().unwrap());
    answer(&server, "t", pods(&["10.0.0.1"], None)).await;
    let file = kubeconfig(directory.path(), &server.uri(), json!({"token": "t"}));
    let with = |more: &str| {
        std::fs::write(
            &file,
            std::fs::read_to_string(&file)
                .unwrap()
                .replace("\"server\"", &format!("{more},\"server\"")),
        )
        .unwrap()
    };
    let context = context(Env::empty(), &Arc::default());
    with(r#""insecure-skip-tls-verify":true"#);
    let found = discover(&format!("provider=k8s kubeconfig={file}"), &context)
        .await
        .unwrap();
    assert_eq!(addresses(&found), ["10.0.0.1"]);
    assert!(
        found.findings()[0]
            .message
            .contains("isn't verified (`insecure-skip-tls-verify`)"),
        "{:?}",
        found.findings()
    );
    with(r#""certificate-authority-data":"QQ==""#);
    let error = discover(&format!("provider=k8s kubeconfig={file}"), &context)
        .await
        .unwrap_err();
    assert!(
        error
            .chain()
            .contains("a CA bundle has no certificate in it"),
        "{}",
        error.chain()
    );
}

#[test]
fn keys_that_exclude_each_other_are_reported_together() {
    let join = "provider=k8s service=a label_selector=b host_network=true endpoint=https://k8s.example context=c";
    let env = Env::from([("KUBECONFIG", "/nowhere")]);
    let context = Context::builder().env(env).build().unwrap();
    let Error::Config(error) = SPEC
        .build(&ConfigString::parse(join).unwrap(), &context)
        .unwrap_err()
    else {
        panic!("another error")
    };
    let keys: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| problem.key.as_deref().unwrap())
        .collect();
    assert_eq!(keys, ["label_selector", "host_network", "context"]);
}

#[test]
fn the_role_has_the_one_verb_that_is_used() {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let write = |join: &str, format| {
        (SPEC.role.unwrap())(&ConfigString::parse(join).unwrap(), &context, format)
            .unwrap()
            .text
    };
    let role = write("provider=k8s namespace=consul", RoleFormat::Native);
    assert!(
        role.contains("resources: [\"pods\"]\n    verbs: [\"list\"]")
            && role.contains("namespace: \"consul\""),
        "{role}"
    );
    let role = write("provider=k8s namespace=self", RoleFormat::Native);
    assert!(!role.contains("self"), "{role}");
    let role = write("provider=k8s service=a", RoleFormat::Terraform);
    assert!(
        role.contains("api_groups = [\"discovery.k8s.io\"]\n    resources  = [\"endpointslices\"]"),
        "{role}"
    );
}

#[tokio::test]
async fn a_cluster_is_reached_through_its_proxy_as_the_impersonated_user() {
    let (proxy, directory) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let mock = Mock::given(path(PODS))
        .and(header("impersonate-user", "alice"))
        .and(header("impersonate-group", "admins"));
    let reply = pods(&["10.0.0.1"], None);
    mock.respond_with(reply).mount(&proxy).await;
    let user = json!({"token": "t", "as": "alice", "as-groups": ["admins"]});
    // Nothing listens at port 9.
    let file = kubeconfig(directory.path(), "http://127.0.0.1:9", user);
    let text = std::fs::read_to_string(&file).unwrap();
    let through = format!(r#""proxy-url":"{}","server""#, proxy.uri());
    std::fs::write(&file, text.replace(r#""server""#, &through)).unwrap();
    let context = context(Env::empty(), &Arc::default());
    let found = discover(&format!("provider=k8s kubeconfig={file}"), &context).await;
    assert_eq!(addresses(&found.unwrap()), ["10.0.0.1"]);
}
