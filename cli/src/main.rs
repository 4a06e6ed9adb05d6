//! The command `discover`: arguments in, exit code out.
//!
//! Each subcommand has its file: `addrs.rs`, `explain.rs`, `check.rs`, `providers.rs`, `cache.rs`,
//! `completions.rs`, `man.rs`, `watch.rs`. They write to standard output through `output.rs` and to
//! standard error through `report.rs`; `usage.rs` reports an invalid command line.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::process::ExitCode;

mod addrs;
mod arguments;
mod cache;
mod check;
mod completions;
mod explain;
mod man;
mod output;
mod providers;
mod query;
mod report;
mod status;
mod terminal;
mod usage;
#[cfg(all(feature = "sidecar", unix))]
mod watch;

use arguments::{Action, Arguments};
use report::Reporter;
use status::ExitStatus;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let arguments = match Arguments::parse_words(words.iter().cloned()) {
        Ok(arguments) => arguments,
        Err(error) => return usage::report(error, &words).into(),
    };
    let reporter = Reporter::new(&arguments);
    let cache = match cache::before_runtime(&arguments, &reporter) {
        ControlFlow::Continue(cache) => cache,
        ControlFlow::Break(status) => return status.into(),
    };
    // A call needs only one thread.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            reporter.error(&format!("cannot start: {error}"), None);
            return ExitStatus::Failed.into();
        }
    };
    let status = runtime.block_on(run(&arguments, cache.as_ref(), &reporter));
    // A blocking DNS lookup or file read that is still running must not delay the exit.
    runtime.shutdown_background();
    status.into()
}

async fn run(
    arguments: &Arguments,
    cache: Option<&cache::Settings>,
    reporter: &Reporter,
) -> ExitStatus {
    match &arguments.action {
        Action::Addrs(addrs) => interruptible(addrs::run(addrs, cache, reporter)).await,
        Action::Explain(explain) => interruptible(explain::run(explain, reporter)).await,
        Action::Check(check) => check::run(check, reporter).await,
        Action::Providers(which) => providers::run(which, reporter),
        #[cfg(unix)]
        Action::Cache(arguments) => cache::run(arguments, reporter),
        Action::Completions(completions) => completions::run(completions, reporter),
        Action::Man(man) => man::run(man, reporter),
        #[cfg(all(feature = "sidecar", unix))]
        Action::Watch(watch) if watch.once => interruptible(watch::run(watch, reporter)).await,
        #[cfg(all(feature = "sidecar", unix))]
        Action::Watch(watch) => watch::run(watch, reporter).await,
    }
}

/// Runs `work` until SIGINT or SIGTERM. Child processes have their own process groups, which a
/// terminal's Ctrl-C doesn't reach: they are killed when `work` is dropped.
#[cfg(unix)]
async fn interruptible(work: impl Future<Output = ExitStatus>) -> ExitStatus {
    use tokio::signal::unix::{SignalKind, signal};

    let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
    // Without a handler the signal ends this process only.
    let (Ok(mut on_interrupt), Ok(mut on_terminate)) = (signal(interrupt), signal(terminate))
    else {
        return work.await;
    };
    tokio::select! {
        status = work => status,
        _ = on_interrupt.recv() => ExitStatus::Interrupted(interrupt.as_raw_value()),
        _ = on_terminate.recv() => ExitStatus::Interrupted(terminate.as_raw_value()),
    }
}

#[cfg(not(unix))]
async fn interruptible(work: impl Future<Output = ExitStatus>) -> ExitStatus {
    work.await
}
