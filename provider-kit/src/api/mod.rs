//! One cloud's HTTP API: requests, pages, errors.
//!
//! `client.rs` sends and decodes, `pages.rs` follows a list to its end, `error_body.rs` reads the
//! cloud's own words out of a refusal, `class.rs` what its code means, `rate_limit.rs` how long to
//! wait after one.

mod class;
mod client;
mod error_body;
mod pages;
mod rate_limit;
#[cfg(feature = "xml")]
mod xml;

pub use class::class_of_code;
pub use client::{Api, ApiClient};
pub use error_body::ErrorBody;
pub use pages::Pages;
pub use rate_limit::retry_after_or_reset;
