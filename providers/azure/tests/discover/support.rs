//! A simulated cloud and a provider for it.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::Duration;

use cloud_autojoin_azure::SPEC;
use cloud_autojoin_core::http::{HttpSettings, RetryPolicy};
use cloud_autojoin_core::{
    Call, Clock, ConfigString, Context, Detail, Discovery, Env, Error, Node, Provider,
};
use cloud_autojoin_simulator::azure::Operation;
use cloud_autojoin_simulator::azure::world::World;
use cloud_autojoin_simulator::azure::{Endpoint, Simulator};

pub(crate) const SUBSCRIPTION: &str = "22222222-2222-4222-8222-222222222222";

/// The client secret of every world here: it must not be seen anywhere.
pub(crate) const SECRET: &str = "canary-secret-of-discover";

const HEAD: &str = "\
tenant_id = '11111111-1111-4111-8111-111111111111'
subscription_id = '22222222-2222-4222-8222-222222222222'
";

const PRINCIPAL: &str = "
[[principal]]
name = 'discover'
client_id = '33333333-3333-4333-8333-333333333333'
object_id = '33333333-aaaa-4333-8333-333333333333'
client_secret = 'canary-secret-of-discover'
";

const IDENTITY: &str =
    "tenant_id=11111111-1111-4111-8111-111111111111 client_id=33333333-3333-4333-8333-333333333333";

/// A simulated cloud.
pub(crate) struct Cloud {
    pub(crate) simulator: Simulator,
    pub(crate) clock: Clock,
    http: HttpSettings,
}

impl Cloud {
    /// A cloud whose world is `toml`, without the head that all have: tenant, subscription, one
    /// principal.
    pub(crate) async fn of(toml: &str) -> Self {
        Self::of_world(World::from_toml(&format!("{HEAD}{toml}{PRINCIPAL}")).unwrap()).await
    }

    pub(crate) async fn of_world(world: World) -> Self {
        let simulator = Simulator::builder(world)
            .endpoints(&[Endpoint::Arm, Endpoint::Authority])
            .start()
            .await
            .unwrap();
        let mut http = HttpSettings::default();
        http.certificate_authorities = vec![simulator.ca_pem().as_bytes().to_vec()];
        http.proxy_from_environment = false;
        Self {
            simulator,
            clock: Clock::auto_advancing(),
            http,
        }
    }

    /// The same cloud seen by a client that gives up soon: real time passes while nothing comes.
    /// Not so soon that a machine under load is taken for one that hangs.
    pub(crate) fn impatient(mut self) -> Self {
        self.http.idle_timeout = Duration::from_secs(2);
        self.http.first_byte_timeout = Some(Duration::from_secs(2));
        self.http.retry = RetryPolicy::default().with_max_retries(1);
        self
    }

    /// A provider with these keys beside identity and endpoints.
    pub(crate) fn provider(&self, keys: &str) -> Box<dyn Provider> {
        let subscription = if keys.contains("subscription_id=") {
            String::new()
        } else {
            format!("subscription_id={SUBSCRIPTION}")
        };
        let string = format!(
            "provider=azure {subscription} {IDENTITY} secret_access_key={SECRET} {} {keys}",
            self.simulator.join_settings()
        );
        let config = ConfigString::parse(&string).unwrap();
        let context = Context::builder()
            .http(self.http.clone())
            .env(Env::empty())
            .clock(self.clock.clone())
            .build()
            .unwrap();
        SPEC.build(&config, &context).unwrap()
    }

    pub(crate) fn call(&self) -> Call {
        Call::new(&self.clock, Duration::from_secs(3600)).with_detail(Detail::Everything)
    }

    pub(crate) async fn discover(&self, keys: &str) -> Result<Discovery, Error> {
        self.provider(keys).discover(&self.call()).await
    }

    /// The addresses found, as they are printed.
    pub(crate) async fn addresses(&self, keys: &str) -> Vec<String> {
        let found = self.discover(keys).await.unwrap_or_else(|error| {
            panic!("{keys}: {}\n{}", shown(&error), self.simulator.summary())
        });
        printed(&found)
    }

    /// The error, with causes and hint.
    pub(crate) async fn error(&self, keys: &str) -> String {
        match self.discover(keys).await {
            Ok(found) => panic!(
                "{keys}: found {:?}\n{}",
                printed(&found),
                self.simulator.summary()
            ),
            Err(error) => shown(&error),
        }
    }

    /// How many requests ARM got.
    pub(crate) fn arm_requests(&self) -> usize {
        self.simulator.arm_requests().len()
    }

    pub(crate) fn count(&self, operation: Operation) -> usize {
        self.simulator.count(operation)
    }

    /// Every response takes a while, so that depth can be measured; no timeout is reached.
    pub(crate) fn slow(&self) {
        self.simulator.set_latency(Duration::from_millis(500));
    }
}

pub(crate) fn printed(found: &Discovery) -> Vec<String> {
    found.addresses().iter().map(ToString::to_string).collect()
}

/// Everything an operator sees of an error.
pub(crate) fn shown(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

/// What an operator sees when nothing matched.
pub(crate) fn nothing(found: Discovery) -> String {
    assert!(found.addresses().is_empty(), "{:?}", printed(&found));
    shown(&found.require_addresses().unwrap_err())
}

pub(crate) fn node<'a>(found: &'a Discovery, name: &str) -> &'a Node {
    found
        .nodes()
        .iter()
        .find(|node| node.name == name)
        .unwrap_or_else(|| panic!("no node {name} in {:?}", found.nodes()))
}

/// Why the node was left out, in words.
pub(crate) fn reasons(node: &Node) -> Vec<String> {
    node.excluded.iter().map(ToString::to_string).collect()
}
