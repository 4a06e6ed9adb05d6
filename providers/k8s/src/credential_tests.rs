#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cloud_autojoin_core::command::{CommandOutput, CommandRunner};
use cloud_autojoin_core::{Clock, Env};

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
async fn twice(output: CommandOutput, exec: Entry) -> (Result<ExecCredential>, usize) {
    let plugin = Arc::new(Plugin(output, AtomicUsize::new(0)));
    let context = Context::builder()
        .env(Env::empty())
        .clock(Clock::auto_advancing())
        .commands(Arc::clone(&plugin) as _)
        .build()
        .unwrap();
    let call = Call::new(context.clock(), Duration::from_secs(60));
    let authorizer = KubernetesAuthorizer {
        login: Login::Exec(exec, Value::Null),
        context,
        cache: Arc::default(),
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

fn exec() -> Entry {
    let mut exec = Entry::default();
    exec.values.insert("command".to_owned(), json!("plugin"));
    exec.values.insert("args".to_owned(), json!(["canary"]));
    exec
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
    let mut needs_terminal = exec();
    needs_terminal
        .values
        .insert("interactiveMode".to_owned(), json!("Always"));
    for (output, exec, reason) in [
        (
            CommandOutput::new(3, "canary", "canary"),
            exec(),
            "`plugin` ended with status 3",
        ),
        (
            CommandOutput::new(0, "canary", ""),
            exec(),
            "`plugin` didn't print an ExecCredential",
        ),
        (
            printing(json!({"clientCertificateData": "canary"})),
            exec(),
            "`plugin` didn't print an ExecCredential",
        ),
        (
            printing(json!({"token": "canary"})),
            needs_terminal,
            "`plugin` needs a terminal",
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
