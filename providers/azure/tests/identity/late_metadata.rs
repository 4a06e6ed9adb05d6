//! A metadata service that is late, slow or being updated, in virtual time.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_azure::SPEC;
use cloud_autojoin_core::error::TransportFailure;
use cloud_autojoin_core::http::{
    HttpClient, HttpSettings, RawResponse, Request, Transport, TransportCause,
};
use cloud_autojoin_core::{Call, Clock, Context, Discovery, Env, Error, Instant, Provider};
use http::StatusCode;

use crate::stage::{Commands, SUBSCRIPTION};

const TOKEN: &str = r#"{"access_token":"t","expires_in":"84513","expires_on":"1637168788","resource":"https://management.azure.com/","token_type":"Bearer"}"#;
const NO_HEADER: &str =
    r#"{"error":"invalid_request","error_description":"Required metadata header not specified"}"#;

type Answer = Result<RawResponse, TransportCause>;

/// A machine's network: `metadata` decides what the metadata service does by the time since the
/// start, ARM answers with one tagged interface.
struct Network {
    clock: Clock,
    metadata: Box<dyn Fn(Duration) -> Option<Answer> + Send + Sync>,
    latency: Duration,
    requests: AtomicUsize,
    arm: Mutex<Vec<String>>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

fn body(status: u16, body: impl Into<String>) -> Answer {
    Ok(RawResponse::new(
        StatusCode::from_u16(status).unwrap(),
        body.into(),
    ))
}

fn refused() -> Answer {
    Err(TransportCause::new(TransportFailure::Connect))
}

/// `None` of the script gives the documented responses.
fn documented(request: &Request) -> Answer {
    if request.headers().get("metadata").is_none() {
        return body(400, NO_HEADER);
    }
    if request.url().path() == "/metadata/instance" {
        let set = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/web"
        );
        return body(
            200,
            format!(
                r#"{{"compute":{{"name":"a","subscriptionId":"{SUBSCRIPTION}","resourceGroupName":"g","virtualMachineScaleSet":{{"id":"{set}"}}}}}}"#
            ),
        );
    }
    body(200, TOKEN)
}

#[async_trait]
impl Transport for Network {
    async fn send(&self, request: &Request, _first_byte_by: Instant) -> Answer {
        if request.url().path().starts_with("/metadata/") {
            self.requests.fetch_add(1, Ordering::Relaxed);
            self.clock.sleep(self.latency).await;
            let since_start = self
                .clock
                .wall()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap();
            return (self.metadata)(since_start).unwrap_or_else(|| documented(request));
        }
        self.arm
            .lock()
            .unwrap()
            .push(request.url().path().to_owned());
        let interface = format!(
            r#"{{"id":"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/a","tags":{{"consul":"server"}},
                "properties":{{"ipConfigurations":[{{"properties":{{"privateIPAddress":"10.0.0.4"}}}}]}}}}"#
        );
        body(200, format!(r#"{{"value":[{interface}]}}"#))
    }
}

struct Machine {
    clock: Clock,
    network: Arc<Network>,
    provider: Box<dyn Provider>,
}

impl Machine {
    fn new(
        keys: &str,
        latency: Duration,
        metadata: impl Fn(Duration) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let clock = Clock::system();
        let start = clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap();
        let metadata = Box::new(move |now: Duration| metadata(now.saturating_sub(start)));
        let network = Arc::new(Network {
            clock: clock.clone(),
            metadata,
            latency,
            requests: AtomicUsize::new(0),
            arm: Mutex::default(),
        });
        let context = Context::builder()
            .env(Env::empty())
            .http_client(HttpClient::with_transport(
                Arc::clone(&network) as _,
                HttpSettings::default(),
            ))
            .clock(clock.clone())
            .commands(Commands::none())
            .build()
            .unwrap();
        let string = format!(
            "provider=azure tag_name=consul tag_value=server metadata_endpoint=http://127.0.0.1:9 {keys}"
        );
        let provider = SPEC.build(&string.parse().unwrap(), &context).unwrap();
        Self {
            clock,
            network,
            provider,
        }
    }

    async fn discover(&self, timeout: Duration) -> (Result<Discovery, Error>, Duration) {
        let call = Call::new(&self.clock, timeout);
        (self.provider.discover(&call).await, call.elapsed())
    }
}

const MINUTE: Duration = Duration::from_secs(60);

fn subscription(keys: &str) -> String {
    format!("subscription_id={SUBSCRIPTION} {keys}")
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_up_yet_is_a_transient_failure_and_is_used_once_it_is_up() {
    let selections = [
        subscription(""),
        subscription("token_credentials=ManagedIdentityCredential"),
        subscription("identity_resource_id=r"),
        String::new(),
        "resource_group=self".to_owned(),
    ];
    for keys in selections {
        let machine = Machine::new(&keys, Duration::ZERO, |now| {
            (now < Duration::from_secs(2)).then(refused)
        });
        let (result, elapsed) = machine.discover(MINUTE).await;
        let error = result.unwrap_err();
        assert!(
            error.is_transient() && !matches!(error, Error::Config(_)),
            "{keys}: {error:?}"
        );
        // Soon enough for a watch to poll again.
        assert!(elapsed < Duration::from_secs(1), "{keys}: {elapsed:?}");
        machine.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(
            machine.discover(MINUTE).await.0.unwrap().addresses().len(),
            1,
            "{keys}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_probe_counts_only_where_another_source_follows() {
    let slow = Duration::from_millis(1500);
    for keys in [
        subscription("token_credentials=ManagedIdentityCredential"),
        subscription("token_credentials=prod"),
        subscription("identity_resource_id=r"),
        subscription("identity_object_id=o"),
        "token_credentials=ManagedIdentityCredential".to_owned(),
        "token_credentials=ManagedIdentityCredential resource_group=self".to_owned(),
    ] {
        let machine = Machine::new(&keys, slow, |_| None);
        let (result, elapsed) = machine.discover(MINUTE).await;
        assert_eq!(result.unwrap().addresses().len(), 1, "{keys}");
        assert!(elapsed < Duration::from_secs(2), "{keys}: {elapsed:?}");
    }
    // With `self` the service shows by its other answer that it is there.
    for keys in ["", "resource_group=self"] {
        let machine = Machine::new(keys, slow, |_| None);
        let (result, elapsed) = machine.discover(MINUTE).await;
        assert_eq!(result.unwrap().addresses().len(), 1, "{keys}");
        assert!(elapsed < Duration::from_secs(4), "{keys}: {elapsed:?}");
    }
    let machine = Machine::new(&subscription(""), slow, |_| None);
    let (result, elapsed) = machine.discover(MINUTE).await;
    assert!(
        result.unwrap_err().is_transient() && elapsed <= Duration::from_millis(1001),
        "{elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_update_of_the_service_is_waited_for_as_long_as_it_is_documented_to_take() {
    for keys in [
        subscription(""),
        subscription("token_credentials=ManagedIdentityCredential"),
        String::new(),
    ] {
        let machine = Machine::new(&keys, Duration::ZERO, |now| {
            (now < Duration::from_secs(69)).then(|| body(410, ""))
        });
        let (result, _) = machine.discover(3 * MINUTE).await;
        assert_eq!(result.unwrap().addresses().len(), 1, "{keys}");
    }
    let machine = Machine::new(&subscription(""), Duration::ZERO, |_| Some(body(410, "")));
    let error = machine.discover(3 * MINUTE).await.0.unwrap_err();
    assert!(
        error.is_transient()
            && error
                .hint()
                .is_some_and(|hint| hint.contains("being updated")),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_api_version_is_final_and_comes_with_a_hint() {
    for words in [
        r#"{"error":"Invalid version requested"}"#,
        "Invalid version requested",
    ] {
        for keys in [
            subscription(""),
            subscription("token_credentials=ManagedIdentityCredential"),
            subscription("resource_group=self tenant_id=t"),
        ] {
            let machine = Machine::new(&keys, Duration::ZERO, move |_| Some(body(404, words)));
            let (result, elapsed) = machine.discover(MINUTE).await;
            let error = result.unwrap_err();
            assert_eq!(elapsed, Duration::ZERO, "{keys}");
            assert!(
                error
                    .hint()
                    .is_some_and(|hint| hint.contains("does not know api-version 20"))
                    && !error.is_transient(),
                "{keys}: {error:?}"
            );
            assert!(
                machine.network.requests.load(Ordering::Relaxed) <= 3,
                "{keys}"
            );
        }
    }
}
