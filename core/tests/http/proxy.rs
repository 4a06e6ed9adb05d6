//! Proxies of the environment. reqwest reads them from the process, so the client runs in a process of its own here: this test binary, started again.

use cloud_autojoin_core::Env;
use tokio::process::Command;

use crate::server::{Server, answer, call, client, request};

const LOOPBACK_URL: &str = "CLOUD_AUTOJOIN_TEST_LOOPBACK_URL";

async fn ask_both_in_a_process_of_its_own(proxy: &Server, origin: &Server, inner: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", inner, "--ignored", "--nocapture"]).env(LOOPBACK_URL, origin.url("/loopback"));
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        command.env(variable, proxy.url(""));
    }
    for variable in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        command.env_remove(variable);
    }
    let output = command.kill_on_drop(true).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_asked_for_the_cloud_and_never_for_loopback() {
    let proxy = Server::start([answer("200 OK", "", "by proxy")]).await;
    let origin = Server::start([answer("200 OK", "", "directly")]).await;
    ask_both_in_a_process_of_its_own(&proxy, &origin, "proxy::ask_loopback_and_a_cloud").await;
    let (through_proxy, directly) = (proxy.heard(), origin.heard());
    assert!(through_proxy.len() == 1 && through_proxy[0].starts_with("GET http://cloud.invalid/list "), "{through_proxy:?}");
    assert!(directly.len() == 1 && directly[0].starts_with("GET /loopback "), "{directly:?}");
}

#[tokio::test]
#[ignore = "runs in a process with a proxy in its environment, started by the test above"]
async fn ask_loopback_and_a_cloud() {
    let loopback = Env::Process.filled(LOOPBACK_URL).unwrap();
    let (client, call) = (client(|_| {}), call());
    let response = client.send(&request(&loopback), &call).await.unwrap();
    assert_eq!(&*response.body, b"directly");
    let response = client.send(&request("http://cloud.invalid/list"), &call).await.unwrap();
    assert_eq!(&*response.body, b"by proxy");
    // A client that does not look at the environment has no way to that name.
    let apart = self::client(|settings| settings.proxy_from_environment = false);
    apart.send(&request("http://cloud.invalid/list"), &call).await.unwrap_err();
}
