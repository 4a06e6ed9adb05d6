//! HTTP, once, for every provider: one client with deadlines, retries, caps and a record of what was asked.
//!
//! `client.rs` sends a request until it has a final answer; `retry.rs` and `backoff.rs` say what is tried again and when; `page.rs` follows next links within one origin;
//! `redact.rs` makes URLs fit to be shown; `transport.rs` is the wire (reqwest), behind a trait so that tests can put another one there.

mod backoff;
mod client;
mod page;
mod redact;
mod request;
mod retry;
mod settings;
mod transport;

pub use backoff::Backoff;
pub use client::HttpClient;
pub use page::{NextLink, PageLimits, Pages};
pub use redact::{origin_of, shown_url};
pub use request::{Request, Response};
pub use retry::{RetryPolicy, retry_after};
pub use settings::HttpSettings;
pub use transport::{RawResponse, Transport, TransportCause};
