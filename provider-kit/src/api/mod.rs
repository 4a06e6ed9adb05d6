//! One cloud's HTTP API: requests, pages, errors.
//!
//! `client.rs` sends and decodes, `pages.rs` follows a list to its end (`page_token.rs` and
//! `xml.rs` find the next page early), `error_body.rs` reads error bodies, `class.rs` classifies
//! their codes, `rate_limit.rs` reads the wait that a throttling response requests; `json_api.rs`
//! describes an API by a table.

mod class;
mod client;
mod error_body;
mod json_api;
mod page_token;
mod pages;
mod rate_limit;
#[cfg(feature = "xml")]
mod xml;

pub use class::class_of_code;
pub use client::{Api, ApiClient};
pub use error_body::ErrorBody;
pub use json_api::{Advice, JsonApi};
pub use pages::Pages;
pub use rate_limit::retry_after_or_reset;
