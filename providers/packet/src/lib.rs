#![doc = include_str!("../README.md")]

mod keys;

use cloud_autojoin_core::{ConfigProblem, ConfigString, Context, Provider, ProviderSpec, Result};
use cloud_autojoin_provider_kit::Options;

pub use keys::KEYS;

/// The name after `provider=`.
const NAME: &str = "packet";

/// Packet as the registry knows it: a name whose every join string is refused with what to do.
pub const SPEC: ProviderSpec = ProviderSpec::new(NAME, "Packet (Equinix Metal)", KEYS, build)
    .with_summary("reports that the service ended on 2026-06-30, and what to use instead")
    .with_notes("Equinix Metal, formerly Packet, ended on 2026-06-30. A join string with `provider=packet` is refused before any request.")
    .with_go_discover(compare_with_go_discover);

fn build(options: &mut Options<'_>, _: &Context) -> Result<Box<dyn Provider>> {
    let problem = ConfigProblem::of_key(
        "provider",
        "`packet`: Equinix Metal, formerly Packet, ended on 2026-06-30",
    );
    options.add_problem(problem.with_hint(
        "use the provider of the cloud that the machines have moved to, `provider=dns` or `provider=srv` for names of your own, or \
         `provider=exec` for a program that prints addresses; `discover providers` lists all",
    ));
    options.finish(|| None)
}

/// What go-discover does differently with the same string.
fn compare_with_go_discover(_: &ConfigString, _: &Context) -> Vec<String> {
    vec!["go-discover still requests `api.packet.net`".to_owned()]
}
