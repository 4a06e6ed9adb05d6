//! `discover-sim worlds`: the worlds that ship with the program.

use std::io::Write;

use clap::Args;
use cloud_autojoin_simulator::azure::world::World;

use crate::CommandError;

/// Lists the worlds that ship with the program, or prints one as TOML, as a start for your own.
#[derive(Debug, Args)]
pub(crate) struct Worlds {
    /// The world to print
    name: Option<String>,
}

/// Lists or prints.
pub(crate) fn worlds(worlds: &Worlds) -> Result<(), CommandError> {
    let text = match &worlds.name {
        Some(name) => World::shipped_text(name)
            .map_err(|error| {
                CommandError::from(error.to_string()).with_hint("`discover-sim worlds` lists them")
            })?
            .to_owned(),
        None => World::shipped_names().map(line).collect(),
    };
    // A reader may close the pipe early, as `head` does.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

/// The name and the first line of the file, which describes the world.
fn line(name: &str) -> String {
    let text = World::shipped_text(name).unwrap_or_default();
    format!(
        "{name:<14} {}\n",
        text.lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches(['#', ' '])
    )
}
