//! `discover watch`: the sidecar. It asks the cloud again and again and keeps files and running agents up to date.
//!
//! The asking is the library's (`cloud_autojoin::watch`); here is what is done with the answers. The way in: `arguments.rs` or a TOML file become one table, `config` judges it,
//! `daemon.rs` runs it: a `keeper.rs` for each watch, which writes files (`output`), tells agents (`agent`) and runs commands (`on_change.rs`). `board.rs` holds how everything
//! stands; `admin` and `systemd.rs` show it.

use std::path::PathBuf;

use cloud_autojoin::{ConfigProblem, Context, file};
use futures::FutureExt;
use tokio::signal::unix::{SignalKind, signal};

use crate::report::Reporter;
use crate::status::Status;

mod admin;
mod agent;
mod arguments;
mod board;
mod config;
mod daemon;
mod failure;
mod hook_log;
mod keeper;
mod log;
mod on_change;
mod once;
mod output;
mod systemd;

pub(crate) use arguments::{Arguments, LogFormat};
pub(crate) use config::{AGENT_KINDS, FILE_KINDS};
use config::{Depth, Judged, Source};
use daemon::Daemon;

/// More than this is no configuration.
const MAX_CONFIG: u64 = 16 << 20;

/// Runs the subcommand.
pub(crate) async fn run(arguments: &Arguments, reporter: &Reporter) -> Status {
    let context = match Context::from_process() {
        Ok(context) => context,
        Err(error) => {
            reporter.failure(&error);
            return Status::Failed;
        }
    };
    let Judged { config, warnings } = match read(arguments, &context).await {
        Ok(judged) => judged,
        Err(problems) => {
            for problem in problems {
                reporter.error(&problem.message, problem.hint.as_deref());
            }
            return Status::Failed;
        }
    };
    for warning in warnings {
        reporter.warning(&warning);
    }
    if arguments.check {
        return crate::output::deliver("ok\n", "result", reporter);
    }
    if arguments.once {
        return once::run(config, &context, reporter).await;
    }
    match serve(arguments, config, context).await {
        Ok(()) => Status::Done,
        Err(failure) => {
            reporter.error(&failure.to_string(), failure.hint());
            Status::Failed
        }
    }
}

/// Works until a signal says to end.
async fn serve(arguments: &Arguments, config: config::Config, context: Context) -> Result<(), failure::Failure> {
    let listen = |kind| signal(kind).map_err(|error| failure::Failure::new(format!("cannot listen to signals: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut hangup = listen(SignalKind::hangup())?;
    let hangups = Box::pin(futures::stream::poll_fn(move |waker| hangup.poll_recv(waker)));
    let reread: daemon::Reread = match &arguments.config {
        Some(file) => {
            let (file, context) = (file.clone(), context.clone());
            Box::new(move || {
                let (file, context) = (file.clone(), context.clone());
                async move { read_file(file, Depth::Text, &context).await }.boxed()
            })
        }
        None => {
            // The flags stay; the files that they name are read again.
            let (table, context) = (arguments.table(), context.clone());
            Box::new(move || {
                let (table, context) = (table.clone(), context.clone());
                async move { config::judge(table?.into(), Depth::Text, &context).await }.boxed()
            })
        }
    };
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    daemon::run(Daemon { config, context, reread, hangups }, shutdown).await
}

async fn read(arguments: &Arguments, context: &Context) -> Result<Judged, Vec<ConfigProblem>> {
    let depth = if arguments.check { Depth::Machine } else { Depth::Text };
    match &arguments.config {
        Some(file) => read_file(file.clone(), depth, context).await,
        None => config::judge(arguments.table()?.into(), depth, context).await,
    }
}

async fn read_file(file: PathBuf, depth: Depth, context: &Context) -> Result<Judged, Vec<ConfigProblem>> {
    let text = file::read_text(&file, MAX_CONFIG).await.map_err(|error| {
        let problem = ConfigProblem::new(format!("cannot read {}: {error}", file.display()));
        vec![problem.with_hint("check that the file exists and that this user may read it")]
    })?;
    config::judge(Source::parse(&file, &text)?, depth, context).await
}
