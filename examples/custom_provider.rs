//! How does one add a provider from outside this workspace?
//!
//! This one reads a hosts file: `provider=hosts path=/etc/hosts suffix=.cluster` gives the address
//! of every name with that suffix. It is a whole provider: its keys are in a table that help,
//! checks and completions read; it reports all problems of a string at once; it reports of every
//! line why it is in or out.
//!
//! Run it: `cargo run --example custom_provider`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::PathBuf;

use async_trait::async_trait;
use cloud_autojoin::config::{KeySpec, Options};
use cloud_autojoin::error::ConfigProblem;
use cloud_autojoin::{
    Address, Call, ConfigString, Context, DEFAULT_TIMEOUT, DecodeError, Discovery, Exclusion, Node,
    Provider, ProviderSpec, Registry, Result,
};

/// The keys, once: the parser below, help and the check of unknown keys all read this table.
const PATH: KeySpec = KeySpec::new("path", "the hosts file to read").default("/etc/hosts");
const SUFFIX: KeySpec = KeySpec::new("suffix", "what the name of a member ends with").required();
const KEYS: &[KeySpec] = &[PATH, SUFFIX];

const SPEC: ProviderSpec = ProviderSpec::new("hosts", "Hosts file", KEYS, build)
    .with_summary("Members are the names of a hosts file with a given suffix.");

/// From the options to a configured value. The table above has found missing and empty keys
/// already; all problems come at once, and nothing is read yet.
fn build(options: &mut Options<'_>, _context: &Context) -> Result<Box<dyn Provider>> {
    let (suffix, path) = (
        options.text(&SUFFIX).unwrap_or_default(),
        PathBuf::from(options.text(&PATH).unwrap_or_default()),
    );
    if !path.is_absolute() {
        options.add_problem(ConfigProblem::of_key(
            "path",
            format!("`path` is not absolute: `{}`", path.display()),
        ));
    }
    options.check()?;
    Ok(Box::new(Hosts { path, suffix }))
}

#[derive(Debug)]
struct Hosts {
    path: PathBuf,
    suffix: String,
}

#[async_trait]
impl Provider for Hosts {
    fn name(&self) -> &'static str {
        "hosts"
    }

    fn subject(&self) -> String {
        format!(
            "names ending in `{}` in {}",
            self.suffix,
            self.path.display()
        )
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let text = tokio::fs::read_to_string(&self.path)
            .await
            .map_err(|error| {
                DecodeError::new(
                    "hosts",
                    format!("read {}", self.path.display()),
                    error.to_string(),
                )
            })?;
        let mut discovery = Discovery::new("hosts", self.subject(), call.detail());
        for (number, line) in text.lines().enumerate() {
            let mut words = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace();
            let Some(address) = words.next() else {
                continue;
            };
            for name in words {
                let mut node = Node::new(
                    "name",
                    format!("{}:{}", self.path.display(), number + 1),
                    name,
                );
                match address.parse() {
                    Ok(ip) if name.ends_with(&self.suffix) => {
                        node.addresses.push(Address::ip(ip).with_instance(name))
                    }
                    Ok(_) => node.excluded.push(Exclusion::NotMember {
                        of: format!("`{}`", self.suffix),
                    }),
                    Err(_) => node.excluded.push(Exclusion::Other(
                        format!("`{address}` is no IP address").into(),
                    )),
                }
                discovery.record(node);
            }
        }
        Ok(discovery)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let hosts = folder.path().join("hosts");
    tokio::fs::write(&hosts, "127.0.0.1 localhost\n10.0.0.4 a.cluster  # the first\n10.0.0.5 b.cluster\n10.0.0.6 printer.office\n").await?;

    let registry = Registry::empty().with(SPEC);
    let context = Context::from_process()?;
    let config: ConfigString =
        format!("provider=hosts path={} suffix=.cluster", hosts.display()).parse()?;

    let provider = registry.build(&config, &context)?;
    let discovery = provider
        .discover(&Call::new(context.clock(), DEFAULT_TIMEOUT))
        .await?;
    for node in discovery.nodes() {
        match node.excluded.first() {
            None => println!("in   {:<16} {}", node.name, node.addresses[0]),
            Some(reason) => println!("out  {:<16} {reason}", node.name),
        }
    }

    // A string with mistakes: all of them are named, and a mistyped key is found.
    let wrong: ConfigString = "provider=hosts path=hosts sufix=.cluster".parse()?;
    for unknown in registry.unknown_keys(&wrong)? {
        println!(
            "unknown key `{}`, nearest `{}`",
            unknown.key,
            unknown.nearest.as_deref().unwrap_or("none")
        );
    }
    if let Err(error) = registry.build(&wrong, &context) {
        println!("error: {error}");
    }
    Ok(())
}
