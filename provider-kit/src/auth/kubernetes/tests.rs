#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Clock, Env};

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
    proxy-url: socks5://user:canary@10.0.0.9:1080
    server: k8s.example
  name: data
contexts:
- context: {cluster: files, user: files}
  name: files
- context: {cluster: data, namespace: consul, user: data}
  name: data
- context: {cluster: data, user: gone}
  name: without user
- context: {cluster: gone, user: data}
  name: dangling
current-context: files
kind: Config
preferences: null
users:
- name: files
  user: {client-certificate: tls/crt, client-key: tls/key}
- name: data
  user: {client-certificate-data: *data, client-key-data: a2V5, tokenFile: token, token: unused}
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

    async fn connect(
        &self,
        config: KubernetesConfig,
        variables: &[(&str, &str)],
    ) -> Result<KubernetesCluster, String> {
        let connection = self.connector(config, variables).cluster().await;
        connection.map_err(|error| Error::from(error).chain())
    }

    fn connector(
        &self,
        config: KubernetesConfig,
        variables: &[(&str, &str)],
    ) -> KubernetesConnector {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let home = ("HOME".to_owned(), self.0.path().display().to_string());
        let env: Env = variables.iter().map(own).chain([home]).collect();
        let context = Context::builder()
            .env(env)
            .clock(Clock::auto_advancing())
            .build()
            .unwrap();
        let mut connector = KubernetesConnector::new("k8s", &context, config);
        connector.service_account = self.0.path().join("serviceaccount");
        connector
    }

    /// The connection of a context, or of the current one.
    async fn context(&self, name: Option<&str>) -> Result<KubernetesCluster, String> {
        let context = name.map(str::to_owned);
        let config = KubernetesConfig {
            context,
            ..KubernetesConfig::default()
        };
        self.connect(config, &[]).await
    }
}

/// The headers that authorise a request, sorted by name.
async fn headers(connection: KubernetesCluster) -> Result<Vec<String>, String> {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let authorizer = KubernetesAuthorizer {
        provider: "k8s",
        login: connection.login,
        context: context.clone(),
        credentials: Arc::default(),
    };
    let call = Call::new(context.clock(), Duration::from_secs(60));
    let mut request = Request::get("list", connection.server);
    let authorized = authorizer.authorize(&mut request, &call).await;
    authorized.map_err(|error| error.chain())?;
    let headers = request.headers().iter();
    let mut headers: Vec<_> = headers
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    Ok(headers)
}

/// A kubeconfig with one cluster, and one user with these settings in JSON, which is YAML.
fn of_user(user: &str) -> String {
    format!(
        "{{current-context: c, contexts: [{{name: c, context: {{cluster: k, user: u}}}}], \
         clusters: [{{name: k, cluster: {{server: 'https://k8s.example'}}}}], users: [{{name: u, user: {user}}}]}}"
    )
}

#[tokio::test]
async fn files_are_relative_to_the_kubeconfig_and_data_are_base64() {
    let home = Home::new(Some(CONFIG));
    let files = home.context(None).await.unwrap();
    assert_eq!(
        (files.server.as_str(), files.namespace.as_deref()),
        ("https://10.0.0.1:6443/", None)
    );
    assert!(
        files.tls
            == Tls {
                authority: Some(CERTIFICATE.to_owned()),
                client_identity: Some(Secret::new("certificate\nkey\n")),
                server_name: Some("api".to_owned()),
                insecure: false,
                proxy: None,
            }
    );
    assert!(headers(files).await.unwrap().is_empty());
    let data = home.context(Some("data")).await.unwrap();
    assert_eq!(
        (data.server.as_str(), data.namespace.as_deref()),
        ("https://k8s.example/", Some("consul"))
    );
    assert!(
        data.tls
            == Tls {
                authority: Some(CERTIFICATE.to_owned()),
                client_identity: Some(Secret::new(format!("{CERTIFICATE}\nkey\n"))),
                server_name: None,
                insecure: true,
                proxy: Some(Secret::new("socks5://user:canary@10.0.0.9:1080")),
            }
    );
    home.write(".kube/token", "of-file\n");
    assert_eq!(
        headers(data).await.unwrap(),
        ["authorization: Bearer of-file"]
    );
}

#[tokio::test]
async fn of_several_files_the_first_with_an_entry_wins_and_missing_ones_are_skipped() {
    let home = Home::new(Some(CONFIG));
    home.write(
        "other",
        "{current-context: data, contexts: [{name: files, context: {cluster: data}}]}",
    );
    let connect = |context: Option<&str>| {
        let config = KubernetesConfig {
            kubeconfig: Some("~/other:/nowhere/config:~/.kube/config".to_owned()),
            context: context.map(str::to_owned),
            ..KubernetesConfig::default()
        };
        home.connect(config, &[])
    };
    let current = connect(None).await.unwrap();
    assert_eq!(current.namespace.as_deref(), Some("consul"));
    let files = connect(Some("files")).await.unwrap();
    assert_eq!(files.server.as_str(), "https://k8s.example/");
}

#[tokio::test]
async fn the_service_account_is_used_when_there_is_no_kubeconfig() {
    let home = Home::new(None);
    let variables = [
        ("KUBERNETES_SERVICE_HOST", "fd00::1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
    ];
    let connect = || home.connect(KubernetesConfig::default(), &variables);
    let error = connect().await.err().unwrap();
    assert!(
        error.contains("`automountServiceAccountToken: false`"),
        "{error}"
    );
    home.write("serviceaccount/token", "token");
    home.write("serviceaccount/ca.crt", CERTIFICATE);
    home.write("serviceaccount/namespace", "consul\n");
    let connection = connect().await.unwrap();
    assert_eq!(
        (connection.server.as_str(), connection.namespace.as_deref()),
        ("https://[fd00::1]/", Some("consul"))
    );
    home.write("serviceaccount/token", "rotated\n");
    assert_eq!(
        headers(connection).await.unwrap(),
        ["authorization: Bearer rotated"]
    );
    // Not instead of a kubeconfig that is configured.
    let config = KubernetesConfig {
        kubeconfig: Some("/nowhere/config".to_owned()),
        ..KubernetesConfig::default()
    };
    let error = home.connect(config, &variables).await.err().unwrap();
    assert!(error.contains("there is no file /nowhere/config"));
    home.write(".kube/config", "{current-context: a}");
    assert!(connect().await.is_err());
    home.write(".kube/config", "{}");
    assert!(connect().await.is_ok());
}

#[tokio::test]
async fn no_source_at_all_is_an_error_with_every_reason() {
    let connector = Home::new(None).connector(KubernetesConfig::default(), &[]);
    let error = Error::from(connector.cluster().await.err().unwrap());
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
            "there is no context `missing`; it has `files`, `data`, `without user`, `dangling`",
        ),
        ("dangling", "there is no cluster `gone`"),
        ("without user", "there is no user `gone`"),
    ] {
        let error = home.context(Some(name)).await.err().unwrap();
        assert!(error.contains(reason), "{error}");
    }
    let plain = of_user("{}").replace("https://k8s.example", "http://canary");
    for (config, reason) in [
        ("a: [canary", "line"),
        ("canary", "it isn't a kubeconfig"),
        ("{users: [canary]}", "it isn't a kubeconfig"),
        (&of_user("{token: [canary]}"), "the user `u` has a value of"),
        (&plain, "isn't an https URL"),
        (
            &of_user("{}").replace(
                "server:",
                "tls-server-name: a, proxy-url: 'http://canary', server:",
            ),
            "`tls-server-name` and `proxy-url` exclude each other",
        ),
        (
            &of_user("{auth-provider: {name: canary}}"),
            "`auth-provider` isn't supported",
        ),
        (
            &of_user("{client-key-data: canary!}"),
            "`client-key-data` isn't base64 of PEM",
        ),
        (
            &of_user("{client-key: tls/key}"),
            "a client certificate and its key need each other",
        ),
        (&of_user("{as-groups: [canary]}"), "need `as`"),
        (
            &of_user(r#"{as: "a\nb"}"#),
            "whom `as` impersonates can't be sent",
        ),
    ] {
        let error = Home::new(Some(config)).context(None).await.err().unwrap();
        assert!(
            error.contains(reason) && !error.contains("canary"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_password_and_whom_to_impersonate_are_sent_as_client_go_sends_them() {
    let user = "{username: reader, password: hunter2, as: alice, as-uid: '7', as-groups: [a, b], \
                as-user-extra: {example.com/scopes: [x, y]}}";
    let connection = Home::new(Some(&of_user(user))).context(None).await.unwrap();
    assert_eq!(
        headers(connection).await.unwrap(),
        [
            "authorization: Basic cmVhZGVyOmh1bnRlcjI=",
            "impersonate-extra-example%2ecom%2fscopes: x",
            "impersonate-extra-example%2ecom%2fscopes: y",
            "impersonate-group: a",
            "impersonate-group: b",
            "impersonate-uid: 7",
            "impersonate-user: alice",
        ]
    );
}

#[tokio::test]
async fn a_token_of_the_config_replaces_the_credential_and_an_endpoint_gets_no_other() {
    let home = Home::new(Some(CONFIG));
    let (token, endpoint) = (
        || Some(Secret::new("t")),
        Url::parse("https://other.example").ok(),
    );
    let config = KubernetesConfig {
        token: token(),
        ..KubernetesConfig::default()
    };
    let connection = home.connect(config, &[]).await.unwrap();
    assert!(connection.tls.authority.is_some());
    assert_eq!(
        headers(connection).await.unwrap(),
        ["authorization: Bearer t"]
    );
    for (token, expected) in [(None, None), (token(), Some("authorization: Bearer t"))] {
        let config = KubernetesConfig {
            endpoint: endpoint.clone(),
            kubeconfig: Some("/nowhere".to_owned()),
            token,
            context: None,
        };
        let connection = home.connect(config, &[]).await.unwrap();
        assert!(connection.tls == Tls::default());
        assert_eq!(
            headers(connection).await.unwrap(),
            Vec::from_iter(expected.map(str::to_owned))
        );
    }
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_an_error_without_the_token() {
    let home = Home::new(Some(&of_user(r#"{token: "can\nary"}"#)));
    let error = headers(home.context(None).await.unwrap())
        .await
        .unwrap_err();
    assert!(
        error.contains("characters that a token can't have") && !error.contains("ary"),
        "{error}"
    );
}
