//! HTTP, once, for every provider: one client with deadlines, retries, caps and a record of what
//! was asked.
//!
//! `client.rs` sends a request until it has a final answer; `retry.rs` and `backoff.rs` say what is
//! tried again and when; `answer.rs` and `json.rs` decode JSON; `page.rs` follows next links within
//! one origin; `redact.rs` makes URLs fit to be shown; `transport.rs` is the seam to the wire,
//! `reqwest_transport.rs` the real one (reqwest) with its connections (`connection_coalescer.rs`),
//! its TLS (`tls_config.rs`, `roots.rs`, `server_name.rs`), its proxies (`proxy.rs`) and what never
//! goes through them (`route.rs`).

mod answer;
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
mod retry;
mod roots;
mod route;
mod server_name;
mod settings;
#[cfg_attr(
    not(all(unix, not(target_os = "android"), not(target_vendor = "apple"))),
    path = "platform_roots.rs"
)]
mod system_roots;
mod tls_config;
mod transport;

pub use answer::{BodyError, BoxError, JsonResponse};
pub use authorize::Authorizer;
pub use backoff::Backoff;
pub use classify::{ByStatus, ResponseClass, ResponseClassifier};
pub use client::HttpClient;
pub use json::{MAX_JSON_VALUES, decode_json, without_bom};
pub use page::{NextLink, PageLimits};
pub use redact::{origin_of, shown_url};
pub use request::{Request, Response};
pub use retry::{MAX_OUTAGE_WAIT, RetryPolicy, retry_after};
pub use settings::HttpSettings;
pub use transport::{RawResponse, Transport, TransportCause};
