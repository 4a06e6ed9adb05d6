//! What every provider needs of credentials: a token cache and a chain of sources.

pub mod chain;
pub mod token_cache;
