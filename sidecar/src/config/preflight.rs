//! `--check`: whether a configuration works on this machine. It doesn't poll and writes nothing;
//! files are rendered in memory with sample addresses.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use cloud_autojoin::{Address, Context};
use rustix::fs::{Access, access};
use tokio::net::TcpListener;

use super::section::Section;
use crate::agent::Agent;
use crate::failure::Failure;
use crate::output::{Kind, Output, View};

/// What the checks of a part need.
#[derive(Clone, Copy)]
pub(super) struct Preflight<'a> {
    pub(super) context: &'a Context,
    /// The name of the watch.
    pub(super) watch: &'a str,
}

impl Preflight<'_> {
    /// Checks that the file can be rendered and written.
    pub(super) fn output(self, section: &mut Section<'_>, output: &Output) {
        if let Err(failure) = output.check_access() {
            add(section, "path", &failure);
        }
        let addresses: Vec<Address> = (4..7).map(sample).collect();
        let view = View {
            watch: self.watch,
            provider: "sample",
            subject: "sample addresses",
            addresses: &addresses,
        };
        let key = if matches!(output.kind, Kind::Vault { .. } | Kind::Template(_)) {
            "template"
        } else {
            "path"
        };
        match output.render(&view) {
            // It may select real instances by name.
            Ok(text) if text.trim().is_empty() => {
                section.warn_at(key, "the template makes an empty file of sample addresses")
            }
            Ok(text) => {
                if let Err(failure) = output.verify(&view, &text) {
                    add(
                        section,
                        key,
                        &named(&failure, "the file made of sample addresses is wrong"),
                    );
                }
            }
            Err(failure) => add(
                section,
                key,
                &named(&failure, "cannot make the file of sample addresses"),
            ),
        }
    }

    /// Checks that the token and the certificates can be read.
    pub(super) async fn agent(self, section: &mut Section<'_>, agent: &Agent) {
        if let Err(failure) = agent.client.check_files().await {
            section.problem(&failure, failure.hint().map(str::to_owned));
        }
    }

    /// Checks that the program exists.
    pub(super) fn command(self, section: &mut Section<'_>, words: &[String]) {
        let Some(program) = words.first() else { return };
        let is_program = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
        if program.contains('/') {
            let path = Path::new(program);
            if !path.exists() {
                section.problem_at(
                    "command",
                    format!("there is no program {program}"),
                    Some("check its path".to_owned()),
                );
            } else if !is_program(path) {
                section.problem_at(
                    "command",
                    format!("{program} can't be executed"),
                    Some(format!(
                        "name a program; make a script one with `chmod +x {program}`"
                    )),
                );
            }
            return;
        }
        let search = self.context.env().filled("PATH").unwrap_or_default();
        if !std::env::split_paths(&search).any(|directory| is_program(&directory.join(program))) {
            section.problem_at(
                "command",
                format!("there is no program {program} on PATH"),
                Some("give its whole path".to_owned()),
            );
        }
    }
}

/// Checks that the address can be bound. One in use is fine: the running sidecar may have it.
pub(super) async fn listen(section: &mut Section<'_>, listen: Option<SocketAddr>) {
    let Some(address) = listen else { return };
    match TcpListener::bind(address).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            section.problem_at(
                "listen",
                format!("cannot listen on {address}: {error}"),
                Some("choose another address, or `none`".to_owned()),
            );
        }
        _ => {}
    }
}

/// Checks that the directory exists or can be created.
pub(super) fn state_directory(section: &mut Section<'_>, directory: Option<&Path>) {
    let Some(directory) = directory else { return };
    let Some(present) = directory.ancestors().find(|ancestor| ancestor.exists()) else {
        return;
    };
    let shown = directory.display();
    if !present.is_dir() {
        section.problem_at(
            "state_directory",
            format!("cannot make {shown}: {} is no directory", present.display()),
            None,
        );
    } else if let Err(error) = access(present, Access::WRITE_OK | Access::EXEC_OK) {
        let hint = format!("give this user the right to write in {}", present.display());
        section.problem_at(
            "state_directory",
            format!("cannot write in {shown}: {}", io::Error::from(error)),
            Some(hint),
        );
    }
}

/// Checks that the cache's directory belongs to this user alone.
pub(super) fn cache_directory(section: &mut Section<'_>, directory: Option<&Path>) {
    let opened = directory.map(cloud_autojoin::cache::Cache::open_existing);
    if let Some(Err(error)) = opened {
        let hint = error.hint().map(str::to_owned);
        section.problem_at("cache_directory", error, hint);
    }
}

fn sample(last: u8) -> Address {
    Address::ip([10, 0, 0, last].into()).with_instance(format!("sample-{last}"))
}

fn named(failure: &Failure, what: &str) -> Failure {
    let named = Failure::new(format!("{what}: {failure}"));
    match failure.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}

fn add(section: &mut Section<'_>, key: &str, failure: &Failure) {
    section.problem_at(key, failure, failure.hint().map(str::to_owned));
}
