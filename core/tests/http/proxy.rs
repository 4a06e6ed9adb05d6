//! Proxies of the environment. reqwest reads them from the process, so the client runs in a process
//! of its own here: this test binary, started again.

use cloud_autojoin_core::http::{HttpClient, HttpSettings, RetryPolicy};
use cloud_autojoin_core::{Env, TransportFailure};
use tokio::process::Command;

use crate::server::{Server, call, client, error_parts, request, response, transport_error};

const LOOPBACK_URL: &str = "CLOUD_AUTOJOIN_TEST_LOOPBACK_URL";

const STATUS: &str = "CLOUD_AUTOJOIN_TEST_STATUS";

/// Runs a test of this binary in a process that has these variables and no others of proxies.
async fn run_inner(inner: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", inner, "--ignored", "--nocapture"]);
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command
            .env_remove(variable)
            .env_remove(variable.to_lowercase());
    }
    command
        .env_remove("REQUEST_METHOD")
        .envs(variables.iter().copied());
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_used_for_the_cloud_and_never_for_loopback() {
    let proxy = Server::start([response("200 OK", "", "by proxy")]).await;
    let origin = Server::start([response("200 OK", "", "directly")]).await;
    let (loopback, proxy_url) = (origin.url("/loopback"), proxy.url(""));
    let variables = [
        (LOOPBACK_URL, &*loopback),
        ("http_proxy", &*proxy_url),
        ("HTTP_PROXY", "http://other.invalid"),
        ("NO_PROXY", "*.exempt.invalid:80"),
    ];
    run_inner("proxy::send_to_loopback_and_a_cloud", &variables).await;
    let (through_proxy, directly) = (proxy.heard(), origin.heard());
    assert!(
        through_proxy.len() == 1 && through_proxy[0].starts_with("GET http://cloud.invalid/list "),
        "{through_proxy:?}"
    );
    assert!(
        directly.len() == 1 && directly[0].starts_with("GET /loopback "),
        "{directly:?}"
    );
}

#[tokio::test]
#[ignore = "runs in a process with a proxy in its environment, started by the test above"]
async fn send_to_loopback_and_a_cloud() {
    let loopback = Env::Process.filled(LOOPBACK_URL).unwrap();
    let (client, call) = (client(|_| {}), call());
    let response = client.send(&request(&loopback), &call).await.unwrap();
    assert_eq!(&*response.body, b"directly");
    let response = client
        .send(&request("http://cloud.invalid/list"), &call)
        .await
        .unwrap();
    assert_eq!(&*response.body, b"by proxy");
    // An exception has no way to that name either.
    let once = request("http://cloud.exempt.invalid/list").retry(RetryPolicy::none());
    assert_eq!(
        error_parts(client.send(&once, &call).await.unwrap_err()).0,
        TransportFailure::Connect
    );
    // Neither has a request that bypasses proxies, although others to that host use one.
    let direct = request("http://cloud.invalid/metadata")
        .no_proxy()
        .retry(RetryPolicy::none());
    assert_eq!(
        error_parts(client.send(&direct, &call).await.unwrap_err()).0,
        TransportFailure::Connect
    );
    // A client that does not look at the environment has no way to that name.
    let apart = self::client(|settings| settings.proxy_from_environment = false);
    apart
        .send(&request("http://cloud.invalid/list"), &call)
        .await
        .unwrap_err();
}

#[tokio::test]
async fn the_status_of_a_proxy_that_opens_no_tunnel_is_in_the_error() {
    for (status, tries) in [
        ("407 Proxy Authentication Required", 1),
        ("403 Forbidden", 1),
        ("502 Bad Gateway", 5),
    ] {
        // Each attempt requests the tunnel once and the status once.
        let proxy = Server::start((0..2 * tries).map(|_| response(status, "", ""))).await;
        let proxy_url = proxy.url("").replace("//", "//user:canary@");
        run_inner(
            "proxy::send_through_a_refused_tunnel",
            &[(STATUS, &status[..3]), ("HTTPS_PROXY", &proxy_url)],
        )
        .await;
        let heard = proxy.heard();
        assert_eq!(heard.len(), 2 * tries, "{heard:?}");
        for request in heard {
            let request = request.to_lowercase();
            assert!(
                request.starts_with("connect cloud.invalid:443 http/1.1\r\n"),
                "{request}"
            );
            assert!(
                request.contains("\r\nproxy-authorization: basic dxnlcjpjyw5hcnk=\r\n")
                    && !request.contains("\r\nauthorization:"),
                "{request}"
            );
        }
    }
}

#[tokio::test]
#[ignore = "runs in a process with a proxy in its environment, started by the test above"]
async fn send_through_a_refused_tunnel() {
    let status = Env::Process.filled(STATUS).unwrap();
    let error = client(|_| {})
        .send(&request("https://cloud.invalid/list"), &call())
        .await
        .unwrap_err();
    let hint = error.hint().unwrap().into_owned();
    let (failure, _, text) = error_parts(error);
    assert_eq!(
        failure,
        TransportFailure::ProxyStatus(status.parse().unwrap())
    );
    let start = format!(
        "cannot list things: the proxy returned status {status} for https://cloud.invalid (the proxy http://127.0.0.1:"
    );
    assert!(
        text.starts_with(&start) && text.contains(" from `HTTPS_PROXY`)"),
        "{text}"
    );
    assert!(
        hint.contains(if status == "407" {
            "http://USER:PASSWORD@HOST:PORT"
        } else {
            "`NO_PROXY`"
        }),
        "{hint}"
    );
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap().to_string();
    drop(listener);
    run_inner(
        "proxy::send_through_an_unreachable_proxy",
        &[("ALL_PROXY", &proxy)],
    )
    .await;
}

#[tokio::test]
#[ignore = "runs in a process with a proxy in its environment, started by the test above"]
async fn send_through_an_unreachable_proxy() {
    for url in ["https://cloud.invalid/list", "http://cloud.invalid/list"] {
        let (failure, _, text) = error_parts(
            client(|_| {})
                .send(&request(url), &call())
                .await
                .unwrap_err(),
        );
        assert_eq!(failure, TransportFailure::Connect);
        assert!(
            text.contains(" (through the proxy http://127.0.0.1:")
                && text.contains(" from `ALL_PROXY`)"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_unusable_proxy_is_an_error_and_no_direct_connection() {
    let proxies = [
        ("HTTPS_PROXY", "ftp://user:canary@127.0.0.1:21"),
        ("http_proxy", "http://user:canary@127.0.0.1:99999"),
    ];
    run_inner("proxy::send_past_an_unusable_proxy", &proxies).await;
}

#[tokio::test]
#[ignore = "runs in a process with a proxy in its environment, started by the test above"]
async fn send_past_an_unusable_proxy() {
    for (url, variable) in [
        ("https://cloud.invalid/", "HTTPS_PROXY"),
        ("http://cloud.invalid/", "http_proxy"),
    ] {
        let error = transport_error(
            client(|_| {})
                .send(&request(url), &call())
                .await
                .unwrap_err(),
        );
        assert_eq!(
            (error.failure(), error.attempts()),
            (TransportFailure::InvalidRequest, 1)
        );
        let text = error_parts(error.into()).2;
        assert!(
            text.contains(&format!(
                "the value of `{variable}` is not the URL of a proxy"
            )),
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_proxy_of_the_settings_is_used_for_every_host() {
    let proxy = Server::start((0..2).map(|_| response("200 OK", "", "by proxy"))).await;
    let url = proxy.url("").replace("//", "//user:canary@");
    let client = client(|settings| settings.proxy = Some(url.into()));
    for url in ["http://127.0.0.1:9/loopback", "http://cloud.invalid/list"] {
        let response = client.send(&request(url), &call()).await.unwrap();
        assert_eq!(&*response.body, b"by proxy");
    }
    let heard = proxy.heard();
    assert!(
        heard[0].starts_with("GET http://127.0.0.1:9/loopback ")
            && heard[1].contains("roxy-authorization: Basic dXNlcjpjYW5hcnk="),
        "{heard:?}"
    );
    assert!(!format!("{client:?}").contains("canary"));
}

#[test]
fn a_proxy_of_the_settings_that_can_not_be_used_is_an_error_without_its_password() {
    for (proxy, name, problem) in [
        (
            "ftp://user:canary@127.0.0.1:21",
            None,
            "the setting `proxy` is not the URL of a proxy",
        ),
        (
            "http://127.0.0.1",
            Some("api"),
            "a proxy and a server name exclude each other",
        ),
    ] {
        let mut settings = HttpSettings::default();
        settings.proxy = Some(proxy.to_owned().into());
        settings.server_name = name.map(str::to_owned);
        let error = HttpClient::new(settings).unwrap_err();
        let text = error.chain();
        assert!(text.contains(problem) && !text.contains("canary"), "{text}");
    }
}
