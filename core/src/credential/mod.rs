//! What every provider needs of credentials: a chain of sources, and a cache of the tokens they give.
//!
//! `chain.rs` asks sources in order until one is configured; `token_cache.rs` asks once for many callers and renews in time. The sources themselves are the providers'.

pub mod chain;
pub mod token_cache;

pub use chain::{Chain, Source};
pub use token_cache::{AccessToken, TokenCache};
