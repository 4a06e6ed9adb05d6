#![allow(clippy::unwrap_used, reason = "tests")]

use async_trait::async_trait;
use cloud_autojoin::{Call, Clock, Discovery, Env, Provider, Result as Answer};

use super::*;
use crate::watch::config;

/// Panics, as a dependency might on an answer that it doesn't expect.
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

    async fn discover(&self, _: &Call) -> Answer<Discovery> {
        panic!("overflow when adding duration to instant");
    }
}

async fn configuration(directory: &std::path::Path, context: &Context) -> Config {
    let text = format!(
        "listen = \"127.0.0.1:0\"\n[[watch]]\njoin = \"provider=azure subscription_id=22222222-2222-4222-8222-222222222222 resource_group=a vm_scale_set=b\"\n\
         [[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n",
        directory.join("a").display()
    );
    config::judge(text.parse::<toml::Table>().unwrap().into(), config::Depth::Text, context).await.unwrap().config
}

#[tokio::test(start_paused = true)]
async fn a_watch_task_that_panics_ends_the_daemon_with_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let context = Context::builder().env(Env::empty()).clock(Clock::system()).build().unwrap();
    let mut config = configuration(directory.path(), &context).await;
    config.watches[0].provider = Arc::new(Panicking);
    let reread: Reread = Box::new(|| std::future::pending().boxed());
    let daemon = Daemon { config, context, reread, hangups: futures::stream::pending() };
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), run(daemon, std::future::pending()));
    let failure = ended.await.unwrap().unwrap_err().to_string();
    assert!(failure.starts_with("a task of watch `peers` ended unexpectedly: ") && failure.contains("panicked"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_ends_ends_the_daemon_with_an_error() {
    let board = Board::new(&Clock::system());
    let mut admin = None;
    Admin::change(&mut admin, "127.0.0.1:0".parse().ok(), &board).await.unwrap();
    admin.as_ref().unwrap().task.abort();
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let mut work = Work { board, context, keepers: Vec::new(), admin };
    let failure = work.task_ended().await.to_string();
    assert!(failure.starts_with("the status listener ended unexpectedly: "), "{failure}");
}
