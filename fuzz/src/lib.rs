//! What the targets share: a provider whose responses are made up, without a network.
//!
//! [`FakeAzure`] replaces the transport. One kind of request gets the fuzzer's bytes, the
//! others get what a well-behaved Azure would send, so that the bytes reach the decoder that they
//! are meant for. Nothing here needs an entry point that programs do not have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_azure::SPEC;
use cloud_autojoin_core::http::{HttpClient, HttpSettings, RawResponse, Request, Transport, TransportCause};
use cloud_autojoin_core::{Call, Clock, ConfigString, Context, Detail, Env};
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::runtime::Runtime;

/// A client secret that no error may repeat.
pub const SECRET: &str = "canary-secret-of-the-fuzzer";

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Microsoft Entra ID.
    Token,
    /// A managed identity's token.
    MetadataToken,
    /// What the machine knows of itself.
    Instance,
    /// The interfaces of a Uniform set.
    UniformInterfaces,
    /// The instances of a set.
    Instances,
    /// The set itself, or the sets of a group.
    ScaleSets,
    /// A list of machines, or one of them.
    Machines,
    /// A list of interfaces, or one of them.
    Interfaces,
    /// Public addresses.
    PublicAddresses,
    /// The resource index.
    Index,
}

impl Kind {
    fn of(request: &Request) -> Self {
        let path = request.url().path().to_ascii_lowercase();
        let set = path.contains("/virtualmachinescalesets");
        match () {
            () if path.contains("/metadata/instance") => Self::Instance,
            () if path.contains("/metadata/identity") => Self::MetadataToken,
            () if !path.starts_with("/subscriptions/") => Self::Token,
            () if set && path.contains("/networkinterfaces") => Self::UniformInterfaces,
            () if path.contains("publicipaddresses") => Self::PublicAddresses,
            () if set && path.contains("/virtualmachines") => Self::Instances,
            () if set => Self::ScaleSets,
            () if path.contains("/virtualmachines") => Self::Machines,
            () if path.contains("/networkinterfaces") => Self::Interfaces,
            () => Self::Index,
        }
    }

    /// The responses of a well-behaved Azure. Shapes: Azure REST API reference, Network 2024-05-01 and
    /// Compute 2024-07-01, shortened.
    fn usual(self) -> &'static str {
        match self {
            Self::Token => r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"t"}"#,
            Self::MetadataToken => {
                r#"{"access_token":"t","client_id":"c","expires_in":"86399","expires_on":"4102444800","resource":"https://management.azure.com/","token_type":"Bearer"}"#
            }
            Self::Instance => {
                r#"{"compute":{"subscriptionId":"22222222-2222-4222-8222-222222222222","resourceGroupName":"g","vmScaleSetName":"s","virtualMachineScaleSet":{"id":""}}}"#
            }
            Self::UniformInterfaces | Self::PublicAddresses => r#"{"value":[]}"#,
            Self::Instances => {
                r#"{"value":[{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/s/virtualMachines/0","instanceId":"0"}]}"#
            }
            Self::ScaleSets => {
                r#"{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/s","name":"s","tags":{"a":"b"},"properties":{"orchestrationMode":"Flexible"},"value":[]}"#
            }
            Self::Machines => {
                r#"{"value":[{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/m","name":"m","tags":{"a":"b"},"properties":{"networkProfile":{"networkInterfaces":[{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/n"}]},"instanceView":{"statuses":[{"code":"PowerState/running"}]}}}]}"#
            }
            Self::Interfaces => {
                r#"{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/n","properties":{},"value":[{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/n","tags":{"a":"b"},"properties":{"primary":true,"ipConfigurations":[{"properties":{"privateIPAddress":"10.0.0.4","primary":true,"publicIPAddress":{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/p"}}}]}}]}"#
            }
            Self::Index => {
                r#"{"value":[{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/n","type":"Microsoft.Network/networkInterfaces"}]}"#
            }
        }
    }
}

/// A transport that sends nothing.
#[derive(Debug)]
struct FakeAzure {
    kind: Kind,
    status: StatusCode,
    header: Option<HeaderValue>,
    body: Vec<u8>,
    requests: AtomicUsize,
}

/// How often the bytes come before the usual response: two pages, and a retry.
const TIMES: usize = 3;

#[async_trait]
impl Transport for FakeAzure {
    async fn send(&self, request: &Request, _: cloud_autojoin_core::Instant) -> Result<RawResponse, TransportCause> {
        let kind = Kind::of(request);
        if kind != self.kind || self.requests.fetch_add(1, Ordering::Relaxed) >= TIMES {
            return Ok(RawResponse::new(StatusCode::OK, kind.usual()));
        }
        let mut response = RawResponse::new(self.status, self.body.clone());
        if let Some(header) = &self.header {
            for name in [http::header::RETRY_AFTER, http::header::WWW_AUTHENTICATE, HeaderName::from_static("x-ms-request-id")] {
                response = response.with_header(name, header.clone());
            }
        }
        Ok(response)
    }
}

const STATUSES: [u16; 12] = [200, 200, 200, 200, 200, 400, 401, 403, 404, 409, 429, 503];

thread_local! {
    // Made once: a runtime costs a dozen system calls. It holds no driver of sockets, since nothing
    // here has one.
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
}

/// The join string of a target, read once. Providers are made of it anew for each input.
pub fn config(keys: &str) -> ConfigString {
    ConfigString::parse(&format!("provider=azure {keys}")).expect("written here")
}

/// Runs one discovery, with the fuzzer's bytes as the response to requests of one kind, and checks what must
/// hold whatever Azure responds.
///
/// The first byte of `input` chooses the status; then comes a header, up to a line end; the rest is
/// the body.
pub fn run_query(config: &ConfigString, kind: Kind, input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let (header, body) = rest.iter().position(|byte| *byte == b'\n').map_or((&[][..], rest), |end| (&rest[..end], &rest[end + 1..]));
    let azure = FakeAzure {
        kind,
        status: StatusCode::from_u16(STATUSES[usize::from(*first) % STATUSES.len()]).unwrap_or_default(),
        header: HeaderValue::from_bytes(header).ok().filter(|header| !header.is_empty()),
        body: body.to_vec(),
        requests: AtomicUsize::new(0),
    };
    let clock = Clock::auto_advancing();
    let http = HttpClient::with_transport(Arc::new(azure), HttpSettings::default());
    let context = Context::builder().http_client(http).env(Env::empty()).clock(clock.clone()).build().expect("nothing is opened");
    let provider = SPEC.build(config, &context).expect("written here");
    let call = Call::new(&clock, Duration::from_secs(60)).with_detail(Detail::Everything);
    let found = RUNTIME.with(|runtime| {
        let found = runtime.block_on(provider.discover(&call));
        // A task that went on would run into the next input.
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
        found
    });
    match found {
        Ok(discovery) => {
            let _ = (discovery.summary(), format!("{discovery:?}"));
            let addresses = discovery.addresses();
            assert!(addresses.is_sorted_by(|one, other| one != other), "an address is duplicated: {addresses:?}");
        }
        Err(error) => {
            let mut text = format!("{error} {error:?} {:?}", error.hint());
            let mut cause = std::error::Error::source(&error);
            while let Some(next) = cause {
                text.push_str(&next.to_string());
                cause = next.source();
            }
            assert!(!text.contains(SECRET), "the secret is in {text}");
            assert!(!error.to_string().contains('\n'), "more than one line: {error}");
        }
    }
    let _ = call.requests();
}

/// The key pairs of an application with a secret.
pub fn application() -> String {
    format!(
        "subscription_id=22222222-2222-4222-8222-222222222222 tenant_id=11111111-1111-4111-8111-111111111111 client_id=33333333-3333-4333-8333-333333333333 secret_access_key={SECRET}"
    )
}
