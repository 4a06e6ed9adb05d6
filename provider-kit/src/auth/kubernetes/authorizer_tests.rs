#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cloud_autojoin_core::command::{CommandOutput, CommandRunner};
use cloud_autojoin_core::{Clock, Env};

use serde_json::Value;

use super::*;

/// Prints the same at each run.
#[derive(Debug)]
struct Plugin(CommandOutput, AtomicUsize);

#[async_trait]
impl CommandRunner for Plugin {
    async fn run(&self, _: &str, _: &[&str], _: Duration) -> io::Result<CommandOutput> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(self.0.clone())
    }

    async fn run_with_env(
        &self,
        program: &str,
        arguments: &[&str],
        _: &[(String, String)],
        limit: Duration,
    ) -> io::Result<CommandOutput> {
        self.run(program, arguments, limit).await
    }
}

/// Asks twice, with some seconds in between; the second credential and how often the plugin ran.
async fn twice(output: CommandOutput, plugin: Value) -> (Result<ExecCredential>, usize) {
    let plugin: ExecPlugin = serde_json::from_value(plugin).unwrap();
    let plugin = plugin.resolved(Path::new("/kube/config"), &());
    let login = Login {
        credential: Credential::Exec(plugin),
        impersonation: Vec::new(),
    };
    let plugin = Arc::new(Plugin(output, AtomicUsize::new(0)));
    let context = Context::builder()
        .env(Env::empty())
        .clock(Clock::auto_advancing())
        .commands(Arc::clone(&plugin) as _)
        .build()
        .unwrap();
    let call = Call::new(context.clock(), Duration::from_secs(60));
    let authorizer = KubernetesAuthorizer {
        provider: "k8s",
        login,
        context,
        credentials: Arc::default(),
    };
    _ = authorizer.exec_credential(&call).await;
    call.clock().sleep(Duration::from_secs(3)).await;
    let second = authorizer
        .exec_credential(&call)
        .await
        .map(|credential| credential.unwrap());
    (second, plugin.1.load(Ordering::Relaxed))
}

fn printing(status: serde_json::Value) -> CommandOutput {
    CommandOutput::new(
        0,
        json!({"kind": "ExecCredential", "status": status}).to_string(),
        "",
    )
}

fn exec() -> Value {
    json!({"command": "plugin", "args": ["canary"]})
}

#[tokio::test]
async fn a_credential_is_kept_until_shortly_before_its_end() {
    let runs = async |status| twice(printing(status), exec()).await.1;
    let at = |after: u64| {
        humantime::format_rfc3339_seconds(Clock::system().wall() + Duration::from_secs(after))
            .to_string()
    };
    assert_eq!(runs(json!({"token": "t"})).await, 1);
    assert_eq!(
        runs(json!({"token": "t", "expirationTimestamp": at(3600)})).await,
        1
    );
    assert_eq!(
        runs(json!({"token": "t", "expirationTimestamp": at(2)})).await,
        2
    );
    assert_eq!(
        runs(json!({"token": "t", "expirationTimestamp": "tomorrow"})).await,
        2
    );
}

#[tokio::test]
async fn what_a_plugin_prints_empty_or_as_null_counts_as_absent() {
    let status = json!({"token": "t", "expirationTimestamp": "", "clientCertificateData": "", "clientKeyData": null});
    let (credential, runs) = twice(printing(status), exec()).await;
    assert!(credential.unwrap().client_identity.is_none());
    assert_eq!(runs, 1);
}

#[tokio::test]
async fn a_client_certificate_is_taken_with_its_key() {
    let (credential, _) = twice(
        printing(json!({"clientCertificateData": "CERT", "clientKeyData": "KEY"})),
        exec(),
    )
    .await;
    assert_eq!(
        credential.unwrap().client_identity.unwrap().expose(),
        "CERT\nKEY\n"
    );
}

#[tokio::test]
async fn a_failure_names_the_program_and_nothing_that_it_got_or_printed() {
    let needs_terminal = json!({"command": "./plugin", "interactiveMode": "Always"});
    for (output, exec, reason) in [
        (
            CommandOutput::new(3, "canary", "no such profile"),
            exec(),
            "`plugin` failed with status 3: no such profile",
        ),
        (
            CommandOutput::new(0, "canary", ""),
            exec(),
            "`plugin` didn't print the JSON of a credential",
        ),
        (
            printing(json!({"clientCertificateData": "canary"})),
            exec(),
            "`plugin` didn't print an ExecCredential",
        ),
        (
            printing(json!({"token": "canary"})),
            needs_terminal,
            "`/kube/./plugin` needs a terminal",
        ),
    ] {
        let error = twice(output, exec).await.0.err().unwrap();
        let text = format!("{} {:?} {error:?}", error.chain(), error.hint());
        assert!(
            text.contains(reason) && error.hint().is_some() && !text.contains("canary"),
            "{text}"
        );
    }
}
