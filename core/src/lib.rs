//! The contract every provider is written against.
