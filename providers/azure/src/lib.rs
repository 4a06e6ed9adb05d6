//! Microsoft Azure.
