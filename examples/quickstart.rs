//! What does it do, and does it work here? Nothing but Rust is needed.
//!
//! Starts a simulated Azure inside this process: a resource group with a Flexible scale set of
//! three Consul servers, which go-discover finds nothing in. Then resolves its join string through
//! the same code as for the real Azure, and shows the requests and the addresses.
//!
//! Run it: `cargo run --example quickstart`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use cloud_autojoin::http::HttpSettings;
use cloud_autojoin::{Call, Context, DEFAULT_TIMEOUT, Detail, Registry, RequestOutcome};
use cloud_autojoin_simulator::azure::{Simulator, world::World};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let azure = Simulator::start(World::shipped("nomad-consul")?).await?;
    let join_string = "provider=azure subscription_id=22222222-2222-4222-8222-222222222222 resource_group=cluster vm_scale_set=consul-servers";
    println!("join string   {join_string}\n");

    // The simulated Azure has endpoints and a certificate of its own; on the real one these lines
    // are not there, and `Context::from_process()` serves.
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
    let registry = Registry::compiled_in();
    let config = registry.parse(&format!("{join_string} {}", azure.join_settings()))?;

    let provider = registry.build(&config, &context)?;
    let call = Call::new(context.clock(), DEFAULT_TIMEOUT).with_detail(Detail::Everything);
    let discovery = provider.discover(&call).await?;

    println!("requests");
    for request in call.requests() {
        let outcome = match request.outcome {
            RequestOutcome::Status(status) => status.to_string(),
            RequestOutcome::Cancelled => "cancelled: another response was complete".to_owned(),
            other => format!("{other:?}"),
        };
        println!(
            "  {:>4} ms +{:>3} ms  {:<62} {outcome}",
            request.started.as_millis(),
            request.elapsed.as_millis(),
            request.operation
        );
    }

    println!("\nfound for {}", discovery.subject());
    for node in discovery.nodes().iter().filter(|node| node.is_match()) {
        let addresses: Vec<String> = node.addresses.iter().map(ToString::to_string).collect();
        println!(
            "  {:<12} instance {}  zone {}",
            addresses.join(" "),
            node.parent("instance").unwrap_or("-"),
            node.attribute("zone").unwrap_or("-")
        );
    }

    let addresses: Vec<String> = discovery
        .require_addresses()?
        .iter()
        .map(ToString::to_string)
        .collect();
    println!("\n`discover addrs` prints\n  {}", addresses.join(" "));
    Ok(())
}
