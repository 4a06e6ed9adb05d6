#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cloud_autojoin::http::{
    HttpClient, HttpSettings, RawResponse, Request, Transport, TransportCause,
};
use cloud_autojoin::{
    Call, Clock, Discovery, Env, Instant, Provider, Result as Outcome, TransportFailure,
};

use tokio::sync::oneshot;

use super::*;
use crate::config::{CheckDepth, ConfigSource};

/// Panics, as a dependency might on an unexpected response.
#[derive(Debug)]
struct Panicking;

#[async_trait]
impl Provider for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    fn subject(&self) -> String {
        "anything".to_owned()
    }

    async fn discover(&self, _: &Call) -> Outcome<Discovery> {
        panic!("overflow when adding duration to instant");
    }
}

async fn configuration(directory: &std::path::Path, context: &Context) -> Config {
    let text = format!(
        "listen = \"127.0.0.1:0\"\n[[watch]]\njoin = \"provider=azure subscription_id=22222222-2222-4222-8222-222222222222 resource_group=a vm_scale_set=b\"\n\
         [[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n",
        directory.join("a").display()
    );
    ConfigSource::from(text.parse::<toml::Table>().unwrap())
        .check(CheckDepth::Text, context)
        .await
        .unwrap()
        .config
}

#[tokio::test(start_paused = true)]
async fn a_watch_task_that_panics_ends_the_daemon_with_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let context = Context::builder()
        .env(Env::empty())
        .clock(Clock::system())
        .build()
        .unwrap();
    let mut config = configuration(directory.path(), &context).await;
    config.watches[0].provider = Arc::new(Panicking);
    let ended = tokio::time::timeout(
        std::time::Duration::from_secs(60),
        run(config, None, (), std::future::pending()),
    );
    let failure = ended.await.unwrap().unwrap_err().to_string();
    assert!(
        failure.starts_with("a task of watch `peers` ended unexpectedly: ")
            && failure.contains("panicked"),
        "{failure}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_ends_ends_the_daemon_with_an_error() {
    let status = SidecarStatus::new(&Clock::system());
    let mut server = None;
    StatusServer::change(&mut server, "127.0.0.1:0".parse().ok(), &status)
        .await
        .unwrap();
    server.as_ref().unwrap().task.abort();
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let mut supervisor = Supervisor {
        status,
        context,
        runners: Vec::new(),
        server,
    };
    let failure = supervisor.task_ended().await.to_string();
    assert!(
        failure.starts_with("the status listener ended unexpectedly: "),
        "{failure}"
    );
}

/// Sends nothing and counts how often certificates are reloaded.
#[derive(Debug, Default)]
struct Reloads(AtomicUsize);

#[async_trait]
impl Transport for Reloads {
    async fn send(&self, _: &Request, _: Instant) -> Result<RawResponse, TransportCause> {
        Err(TransportCause::new(TransportFailure::Connect))
    }

    fn reload_trust(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Requests one reload, of a wrong configuration.
struct OneHangup(Option<oneshot::Sender<()>>);

impl ReloadSource for OneHangup {
    async fn requested(&mut self) {
        if self.0.is_none() {
            std::future::pending().await
        }
    }

    async fn read(&mut self) -> Result<CheckedConfig, Vec<ConfigProblem>> {
        _ = self.0.take().map(|read| read.send(()));
        Err(vec![ConfigProblem::new("wrong")])
    }
}

#[tokio::test(start_paused = true)]
async fn a_hangup_reloads_trust_even_if_the_new_configuration_is_wrong() {
    let reloads = Arc::new(Reloads::default());
    let context = Context::builder()
        .env(Env::empty())
        .http_client(HttpClient::with_transport(
            Arc::clone(&reloads) as _,
            HttpSettings::default(),
        ))
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = configuration(directory.path(), &context).await;
    let (read, is_read) = oneshot::channel();
    run(config, None, OneHangup(Some(read)), async move {
        is_read.await.unwrap()
    })
    .await
    .unwrap();
    assert_eq!(reloads.0.load(Ordering::SeqCst), 1);
}
