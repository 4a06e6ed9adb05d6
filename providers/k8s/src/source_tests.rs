#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use super::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----";

/// As `kubectl config view --raw` prints it, with a comment, an anchor and a null.
const CONFIG: &str = "
apiVersion: v1
clusters:
- cluster: {certificate-authority: ca.crt, server: 'https://10.0.0.1:6443', tls-server-name: api}
  name: files # the first
- cluster:
    certificate-authority-data: &data LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tClFRPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQ==
    insecure-skip-tls-verify: true
    server: https://k8s.example
  name: data
contexts:
- context: {cluster: files, user: files}
  name: files
- context: {cluster: data, namespace: consul, user: data}
  name: data
- context: {cluster: data, user: exec}
  name: exec
- context: {cluster: gone, user: data}
  name: dangling
- context: {cluster: data, user: legacy}
  name: legacy
current-context: files
kind: Config
preferences: null
users:
- name: files
  user: {client-certificate: tls/crt, client-key: tls/key}
- name: data
  user: {client-certificate-data: *data, client-key-data: a2V5, tokenFile: /run/token, token: unused}
- name: exec
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, args: null}
- name: legacy
  user: {auth-provider: {name: gcp}}
";

struct Home(tempfile::TempDir);

impl Home {
    fn new(config: Option<&str>) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        if let Some(config) = config {
            home.write(".kube/config", config);
        }
        home.write(".kube/ca.crt", CERTIFICATE);
        home.write(".kube/tls/crt", "certificate");
        home.write(".kube/tls/key", "key");
        home
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn sources(&self) -> Sources {
        let env = Env::from([("HOME", self.0.path().display().to_string())]);
        Sources {
            service_account: self.0.path().join("serviceaccount"),
            ..Sources::of_environment(&env)
        }
    }

    async fn context(&self, name: &str) -> Result<Connection, String> {
        Sources {
            context: Some(name.to_owned()),
            ..self.sources()
        }
        .connect()
        .await
        .map_err(chain)
    }
}

fn chain(error: CredentialError) -> String {
    cloud_autojoin_core::Error::from(error).chain()
}

#[tokio::test]
async fn files_are_relative_to_the_kubeconfig_and_data_are_base64() {
    let home = Home::new(Some(CONFIG));
    let files = home.sources().connect().await.map_err(chain).unwrap();
    assert_eq!(
        (files.server.as_str(), files.namespace.as_deref()),
        ("https://10.0.0.1:6443/", None)
    );
    assert_eq!(files.tls.authority.as_deref(), Some(CERTIFICATE));
    assert_eq!(
        files.tls.client_identity.as_ref().map(Secret::expose),
        Some("certificate\nkey\n")
    );
    assert_eq!(
        (files.tls.server_name.as_deref(), files.tls.insecure),
        (Some("api"), false)
    );
    assert!(matches!(files.login, Login::Nothing));
    let data = home.context("data").await.unwrap();
    assert_eq!(
        (
            data.server.as_str(),
            data.namespace.as_deref(),
            data.tls.insecure
        ),
        ("https://k8s.example/", Some("consul"), true)
    );
    assert_eq!(data.tls.authority.as_deref(), Some(CERTIFICATE));
    assert!(matches!(&data.login, Login::TokenFile(path) if path == Path::new("/run/token")));
    let exec = home.context("exec").await.unwrap();
    assert!(
        matches!(&exec.login, Login::Exec(exec, _) if Path::new(&exec.program("command").unwrap()) == home.0.path().join(".kube/./plugin"))
    );
}

#[tokio::test]
async fn of_several_files_the_first_with_an_entry_wins_and_missing_ones_are_skipped() {
    let home = Home::new(Some(CONFIG));
    home.write(
        "other",
        "{current-context: data, contexts: [{name: files, context: {cluster: data}}]}",
    );
    let list = "~/other:/nowhere/config:~/.kube/config".to_owned();
    let connection = |context: Option<&str>| Sources {
        kubeconfig: Some(list.clone()),
        context: context.map(str::to_owned),
        ..home.sources()
    };
    assert_eq!(
        connection(None)
            .connect()
            .await
            .map_err(chain)
            .unwrap()
            .namespace
            .as_deref(),
        Some("consul")
    );
    let files = connection(Some("files"))
        .connect()
        .await
        .map_err(chain)
        .unwrap();
    assert_eq!(files.server.as_str(), "https://k8s.example/");
}

#[tokio::test]
async fn the_service_account_is_used_when_there_is_no_kubeconfig() {
    let home = Home::new(None);
    let env = [
        ("KUBERNETES_SERVICE_HOST", "fd00::1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
    ];
    let sources = || Sources {
        home: Some(home.0.path().to_owned()),
        service_account: home.0.path().join("serviceaccount"),
        ..Sources::of_environment(&Env::from(env))
    };
    let error = sources().connect().await.map_err(chain).err().unwrap();
    assert!(
        error.contains("`automountServiceAccountToken: false`"),
        "{error}"
    );
    home.write("serviceaccount/token", "token");
    home.write("serviceaccount/ca.crt", CERTIFICATE);
    home.write("serviceaccount/namespace", "consul\n");
    let connection = sources().connect().await.map_err(chain).unwrap();
    assert_eq!(
        (connection.server.as_str(), connection.namespace.as_deref()),
        ("https://[fd00::1]/", Some("consul"))
    );
    assert!(
        matches!(connection.login, Login::TokenFile(path) if path.ends_with("serviceaccount/token"))
    );
    // Not in place of a kubeconfig that was asked for.
    let explicit = Sources {
        kubeconfig: Some("/nowhere/config".to_owned()),
        ..sources()
    };
    assert!(
        explicit
            .connect()
            .await
            .map_err(chain)
            .err()
            .unwrap()
            .contains("there is no file /nowhere/config")
    );
    home.write(".kube/config", "{current-context: a}");
    assert!(sources().connect().await.is_err());
    home.write(".kube/config", "{}");
    assert!(sources().connect().await.is_ok());
}

#[tokio::test]
async fn no_source_at_all_is_an_error_with_every_reason() {
    let home = Home::new(None);
    let error = cloud_autojoin_core::Error::from(home.sources().connect().await.err().unwrap());
    let text = error.to_string();
    assert!(
        text.contains("kubeconfig: there is no file")
            && text.contains("service account: `KUBERNETES_SERVICE_HOST`"),
        "{text}"
    );
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_kubeconfig_that_can_not_be_used_is_an_error_without_its_values() {
    let home = Home::new(Some(CONFIG));
    for (name, reason) in [
        (
            "missing",
            "there is no context `missing`; it has `dangling`, `data`, `exec`, `files`, `legacy`",
        ),
        ("dangling", "there is no cluster `gone`"),
        ("legacy", "`auth-provider` isn't supported"),
    ] {
        let error = home.context(name).await.err().unwrap();
        assert!(error.contains(reason), "{error}");
    }
    for (config, reason) in [
        ("a: [canary", "line"),
        ("canary", "it isn't a kubeconfig"),
        ("{users: [canary]}", "`users` has another type"),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: 1}}]}",
            "`cluster` isn't a text",
        ),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: a}}], clusters: [{name: a, cluster: {server: 'http://canary'}}]}",
            "isn't an https URL",
        ),
    ] {
        let error = Home::new(Some(config))
            .sources()
            .connect()
            .await
            .map_err(chain)
            .err()
            .unwrap();
        assert!(
            error.contains(reason) && !error.contains("canary"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_token_of_the_join_string_replaces_the_login_and_an_endpoint_gets_no_other() {
    let home = Home::new(Some(CONFIG));
    let token = || Some(Secret::new("t"));
    let connection = Sources {
        token: token(),
        ..home.sources()
    }
    .connect()
    .await
    .map_err(chain)
    .unwrap();
    assert!(
        matches!(&connection.login, Login::Token(token) if token.expose() == "t")
            && connection.tls.authority.is_some()
    );
    let endpoint = Url::parse("https://other.example").ok();
    let connection = Sources {
        endpoint: endpoint.clone(),
        kubeconfig: Some("/nowhere".to_owned()),
        ..home.sources()
    }
    .connect()
    .await
    .map_err(chain)
    .unwrap();
    assert!(matches!(connection.login, Login::Nothing) && connection.tls == Tls::default());
    let connection = Sources {
        endpoint,
        token: token(),
        ..home.sources()
    }
    .connect()
    .await
    .map_err(chain)
    .unwrap();
    assert!(matches!(connection.login, Login::Token(_)));
}
