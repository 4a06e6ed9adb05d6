//! Credentials: a chain of sources, and a cache of their tokens.
//!
//! `chain.rs` attempts sources in order until one is configured; `token_cache.rs` is a
//! single-flight cache that renews tokens in time. The sources themselves are in the providers.
//!
//! ```
//! use cloud_autojoin_core::credential::{AccessToken, Chain, TokenCache};
//! use cloud_autojoin_core::{Call, Result};
//!
//! /// The cached token, or one from the chain; after a 401, call `cache.invalidate` and retry
//! /// once.
//! async fn token(cache: &TokenCache, chain: &Chain, call: &Call) -> Result<AccessToken> {
//!     let scope = "https://api.example/.default";
//!     cache.token(scope, call, async |call| chain.token(scope, &call).await).await
//! }
//! ```

pub mod chain;
pub mod token_cache;

pub use chain::{Chain, CredentialSource};
pub use token_cache::{AccessToken, Expiring, TokenCache};
