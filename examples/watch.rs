//! How does a program follow a cluster, instead of querying once?
//!
//! Watches a Flexible scale set in a simulated Azure and prints which addresses join and leave,
//! while an instance is replaced and then the whole set is emptied, which takes nothing away from a
//! good answer.
//!
//! Run it: `cargo run --example watch`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use cloud_autojoin::http::{Backoff, HttpSettings};
use cloud_autojoin::watch::{Event, Watch};
use cloud_autojoin::{Address, Context, Registry};
use cloud_autojoin_simulator::azure::{Simulator, world::World};

const SET: &str = "consul-servers";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let azure = Simulator::start(World::shipped("nomad-consul")?).await?;

    // As in `quickstart.rs`: the simulated Azure has endpoints and a certificate of its own. On the
    // real one `Context::from_process()` serves.
    let mut http = HttpSettings::default();
    http.certificate_authorities = vec![azure.ca_pem().into()];
    let context = Context::builder()
        .http(http)
        .env([
            ("ARM_TENANT_ID", "11111111-1111-4111-8111-111111111111"),
            ("ARM_CLIENT_ID", "33333333-3333-4333-8333-333333333333"),
            ("ARM_CLIENT_SECRET", "example-secret-of-discover"),
        ])
        .build()?;
    let join_string = format!(
        "provider=azure subscription_id=22222222-2222-4222-8222-222222222222 resource_group=cluster vm_scale_set={SET} {}",
        azure.join_settings()
    );
    let registry = Registry::compiled_in();
    let provider = registry.build(&registry.parse(&join_string)?, &context)?;

    // A simulated cloud may be polled at any rate; the defaults are for real ones. A file
    // for `last_good` would make the addresses survive a restart while the cloud is down.
    let often = Duration::from_millis(50);
    let mut watch = Watch::builder(provider, &context)
        .interval(often)
        .retry(Backoff::new(often, often))
        .build();

    let mut changes = 0;
    loop {
        match watch.next().await {
            Event::Changed(change) => {
                println!("use {}", listed(&change.addresses));
                for (what, addresses) in [("joined", &change.joined), ("left  ", &change.left)] {
                    for address in addresses {
                        println!(
                            "  {what} {address:<10} {}",
                            address.instance.as_deref().unwrap_or("-")
                        );
                    }
                }
                changes += 1;
                azure.with_world(|world| {
                    let instances = world.instances(SET);
                    match (changes, instances.first()) {
                        (1, Some(first)) => {
                            println!("\n(the instance {first} is replaced)");
                            world.replace_instance(SET, first).map(drop)
                        }
                        _ => {
                            println!("\n(all instances are removed)");
                            instances
                                .iter()
                                .try_for_each(|instance| world.remove_instance(SET, instance))
                        }
                    }
                })?;
            }
            // Would hold back a result that lacks too many addresses at once, see `Guards`.
            Event::Held(held) => println!("held back: {}", held.reason),
            Event::Failed(failure) => {
                println!("{}\n  next poll in {:.0?}", failure.error, failure.retry_in);
                break;
            }
            _ => {}
        }
    }
    if let Some(in_use) = watch.status().read().in_use {
        println!("still in use: {}", listed(&in_use.addresses));
    }
    Ok(())
}

fn listed(addresses: &[Address]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}
