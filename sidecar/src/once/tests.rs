#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin::error::SourceReport;
use cloud_autojoin::{
    Address, Call, Clock, ConfigError, ConfigProblem, CredentialError, Detail, Discovery, Env,
    Instant, Node, Provider, TransportError, TransportFailure,
};
use tempfile::TempDir;

use super::*;
use crate::config::{CheckDepth, ConfigSource};

const SECOND: Duration = Duration::from_secs(1);

/// What the provider gives, by the time since the start.
type Script = fn(Duration) -> Reply;

enum Reply {
    Found(u8),
    Unreachable,
    NoCredential,
    Misconfigured,
    Hang,
}

struct Scripted {
    script: Script,
    start: Instant,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

#[async_trait]
impl Provider for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn subject(&self) -> String {
        "anything".to_owned()
    }

    async fn discover(&self, _: &Call) -> cloud_autojoin::Result<Discovery> {
        match (self.script)(self.start.elapsed()) {
            Reply::Found(number) => {
                let mut discovery = Discovery::new("scripted", "anything", Detail::Addresses);
                let mut node = Node::new("instance", "a", "a");
                node.addresses.push(Address::ip([10, 0, 0, number].into()));
                discovery.record(node);
                Ok(discovery)
            }
            Reply::Unreachable => Err(TransportError::new(
                "request a token",
                "http://metadata",
                TransportFailure::Deadline,
            )
            .into()),
            Reply::NoCredential => Err(CredentialError::new(
                "scripted",
                vec![SourceReport::not_configured(
                    "environment",
                    "`SECRET_ID` is not set",
                )],
            )
            .into()),
            Reply::Misconfigured => Err(ConfigError::new(
                None,
                ConfigProblem::new("`subscription_id` is missing"),
            )
            .into()),
            Reply::Hang => std::future::pending().await,
        }
    }
}

/// Runs it once; gives the outcome, the content of the file, and how long it took.
async fn run(
    directory: &TempDir,
    timeout: Duration,
    script: Script,
) -> (Result<(), OnceError>, Option<String>, Duration) {
    let context = Context::builder()
        .env(Env::empty())
        .clock(Clock::system())
        .build()
        .unwrap();
    let (file, state) = (directory.path().join("a"), directory.path().join("state"));
    let text = format!(
        "state_directory = \"{}\"\n[[watch]]\njoin = \"provider=azure subscription_id=22222222-2222-4222-8222-222222222222 resource_group=a vm_scale_set=b\"\n\
         timeout = \"{}s\"\n[[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n",
        state.display(),
        timeout.as_secs(),
        file.display()
    );
    let mut config = ConfigSource::from(text.parse::<toml::Table>().unwrap())
        .check(CheckDepth::Text, &context)
        .await
        .unwrap()
        .config;
    let start = Instant::now();
    config.watches[0].provider = Arc::new(Scripted { script, start });
    let outcome = once(&config.watches[0], &context).await;
    (outcome, std::fs::read_to_string(file).ok(), start.elapsed())
}

/// A directory in which an earlier run left its last good result and no file.
async fn after_a_run() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    run(&directory, 10 * SECOND, |_| Reply::Found(1))
        .await
        .0
        .unwrap();
    std::fs::remove_file(directory.path().join("a")).unwrap();
    directory
}

#[tokio::test(start_paused = true)]
async fn a_metadata_service_that_is_late_is_waited_for() {
    let directory = after_a_run().await;
    let script: Script = |now| {
        if now < 5 * SECOND {
            Reply::Unreachable
        } else {
            Reply::Found(2)
        }
    };
    let (outcome, file, took) = run(&directory, 60 * SECOND, script).await;
    outcome.unwrap();
    assert_eq!(file.as_deref(), Some("10.0.0.2\n"));
    assert!(took <= 8 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn every_failure_but_a_configuration_error_falls_back_to_the_last_good_result() {
    let (unreachable, no_credential, hang): (Script, Script, Script) = (
        |_| Reply::Unreachable,
        |_| Reply::NoCredential,
        |_| Reply::Hang,
    );
    for (script, expected) in [
        (unreachable, 2 * SECOND),
        (no_credential, Duration::ZERO),
        (hang, 2 * SECOND),
    ] {
        let directory = after_a_run().await;
        let (outcome, file, took) = run(&directory, 2 * SECOND, script).await;
        outcome.unwrap();
        assert_eq!(
            (file.as_deref(), took.as_secs()),
            (Some("10.0.0.1\n"), expected.as_secs())
        );
    }
    let directory = after_a_run().await;
    let (outcome, file, _) = run(&directory, 2 * SECOND, |_| Reply::Misconfigured).await;
    let end = outcome.unwrap_err();
    assert_eq!((end.is_nothing_matched, file), (false, None));
    assert!(
        end.failures[0]
            .to_string()
            .contains("`subscription_id` is missing"),
        "{:?}",
        end.failures
    );
}

#[tokio::test(start_paused = true)]
async fn without_an_earlier_result_the_failure_is_the_result() {
    let directory = tempfile::tempdir().unwrap();
    let (outcome, file, took) = run(&directory, 2 * SECOND, |_| Reply::NoCredential).await;
    assert!(
        outcome.unwrap_err().failures[0]
            .to_string()
            .contains("`SECRET_ID` is not set")
    );
    assert_eq!((file, took.as_secs()), (None, 0));
    let (outcome, _, took) = run(&directory, 2 * SECOND, |_| Reply::Hang).await;
    assert_eq!(
        outcome.unwrap_err().failures[0].to_string(),
        "no result within 2 s"
    );
    assert_eq!(took.as_secs(), 2);
}
