//! The HTTP client of every provider, with deadlines, retries, limits and a record of requests.
//!
//! `client.rs` sends and retries requests; `retry.rs` and `backoff.rs` define what is retried and
//! when; `response.rs` and `json.rs` decode JSON; `page.rs` checks next links; `redact.rs` removes
//! secrets from URLs; `transport.rs` is the trait below the client, `reqwest_transport.rs` its
//! implementation over reqwest, with connections (`connection_coalescer.rs`), TLS (`tls_config.rs`,
//! `roots.rs`, `server_verifier.rs`, `server_name.rs`), proxies (`proxy.rs`) and hosts that bypass
//! them (`route.rs`).

mod authorize;
mod backoff;
mod classify;
mod client;
mod connection_coalescer;
mod json;
mod page;
mod proxy;
mod redact;
mod request;
mod reqwest_transport;
mod response;
mod retry;
mod roots;
mod route;
mod server_name;
mod server_verifier;
mod settings;
#[cfg_attr(
    not(all(unix, not(target_os = "android"), not(target_vendor = "apple"))),
    path = "platform_roots.rs"
)]
mod system_roots;
mod tls_config;
mod transport;

pub use authorize::Authorizer;
pub use backoff::Backoff;
pub use classify::{ByStatus, ResponseClass, ResponseClassifier};
pub use client::HttpClient;
pub use json::{MAX_JSON_VALUES, decode_json, without_bom};
pub use page::{NextLink, PageLimits};
pub(crate) use redact::SentSecrets;
pub use redact::{origin_of, shown_url};
pub use request::{Request, Response};
pub use response::{BodyError, BoxError, JsonResponse, decode_body};
pub use retry::{MAX_OUTAGE_WAIT, RetryPolicy, retry_after};
pub use settings::HttpSettings;
pub use transport::{RawResponse, Transport, TransportCause};
