//! `discover-sim`: a pretend cloud for people. Arguments in, exit status out.
//!
//! `run` starts a command in it, `serve` keeps it open for whoever comes, `worlds` shows what there is; each has its file under `command/`.

mod command {
    pub(crate) mod environment;
    pub(crate) mod join_string;
    pub(crate) mod options;
    pub(crate) mod record;
    pub(crate) mod run;
    pub(crate) mod serve;
    pub(crate) mod worlds;
}

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use command::{run, serve, worlds};

/// Pretends to be a cloud, on this machine, from memory.
///
/// A join string, an agent or the Azure CLI can be tried in it without an account: nothing leaves the machine.
#[derive(Debug, Parser)]
#[command(name = "discover-sim", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Runs a command in a pretend cloud and says afterwards what it asked
    Run(run::Run),
    /// Keeps a pretend cloud open until interrupted
    Serve(serve::Serve),
    /// Lists the worlds that come with the program, or prints one
    Worlds(worlds::Worlds),
}

/// What went wrong, in one line.
type Failure = String;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    let ended = runtime.block_on(async {
        match arguments.action {
            Action::Run(run) => run::run(run).await,
            Action::Serve(serve) => serve::serve(serve).await,
            Action::Worlds(worlds) => worlds::worlds(&worlds).map(|()| ExitCode::SUCCESS),
        }
    });
    runtime.shutdown_background();
    ended.unwrap_or_else(|failure| fail(&failure))
}

fn fail(words: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "discover-sim: {words}");
    ExitCode::FAILURE
}
