//! HTTP, once, for every provider: one client with deadlines, retries, caps and a record of what was asked.
//!
//! `client.rs` sends a request until it has a final answer; `retry.rs` and `backoff.rs` say what is tried again and when; `answer.rs` and `json.rs` decode JSON; `page.rs` follows next links
//! within one origin; `redact.rs` makes URLs fit to be shown; `transport.rs` is the seam to the wire, `wire.rs` the real one (reqwest) with its
//! connections (`doorway.rs`), its TLS (`trust.rs`, `roots.rs`, `server_name.rs`), its proxies (`proxy.rs`) and what never goes through them
//! (`route.rs`).

mod answer;
mod authorize;
mod backoff;
mod classify;
mod client;
mod doorway;
mod json;
#[cfg_attr(not(all(unix, not(target_os = "android"), not(target_vendor = "apple"))), path = "platform_trust.rs")]
mod machine_trust;
mod page;
mod proxy;
mod redact;
mod request;
mod retry;
mod roots;
mod route;
mod server_name;
mod settings;
mod transport;
mod trust;
mod wire;

pub use answer::{Answer, BodyError, BoxError};
pub use authorize::Authorizer;
pub use backoff::Backoff;
pub use classify::{ByStatus, ResponseClass, ResponseClassifier};
pub use client::HttpClient;
pub use json::{MAX_JSON_VALUES, decode_json, without_bom};
pub use page::{NextLink, PageLimits, Pages};
pub use redact::{origin_of, shown_url};
pub use request::{Request, Response};
pub use retry::{MAX_OUTAGE_WAIT, RetryPolicy, retry_after};
pub use settings::HttpSettings;
pub use transport::{RawResponse, Transport, TransportCause};
