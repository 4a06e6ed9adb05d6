//! What every provider needs of credentials: a chain of sources, and a cache of the tokens they
//! give.
//!
//! `chain.rs` asks sources in order until one is configured; `token_cache.rs` asks once for many
//! callers and renews in time. The sources themselves are the providers'.
//!
//! ```
//! use cloud_autojoin_core::credential::{AccessToken, Chain, TokenCache};
//! use cloud_autojoin_core::{Call, Result};
//!
//! /// The token at hand, or one from the chain; after a 401, `cache.invalidate(...)` and once more.
//! async fn token(cache: &TokenCache, chain: &Chain, call: &Call) -> Result<AccessToken> {
//!     let scope = "https://api.example/.default";
//!     cache.token(scope, call, async |call| chain.token(scope, &call).await).await
//! }
//! ```

pub mod chain;
pub mod token_cache;

pub use chain::{Chain, Source};
pub use token_cache::{AccessToken, Expiring, TokenCache};
