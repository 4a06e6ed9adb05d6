//! What a program prints: IP addresses separated by white space, each of which may be quoted.

use std::net::IpAddr;

use cloud_autojoin_core::{Address, DecodeError};

use crate::keys::NAME;

/// More of a word isn't shown.
const LONGEST: usize = 60;

/// Reads the addresses of `stdout`, in their order.
///
/// # Errors
///
/// One word that isn't an address fails the whole list, as in go-netaddrs.
pub(crate) fn addresses(operation: &str, stdout: &[u8]) -> Result<Vec<Address>, DecodeError> {
    let text = String::from_utf8_lossy(stdout);
    let parsed = text.split_whitespace().enumerate().map(|(index, word)| {
        address(word.trim_matches('"')).ok_or_else(|| {
            DecodeError::new(NAME, operation, format!("{} is not an IP address", shown(index, word)))
                .with_hint("let the program print IP addresses only: no ports, brackets, names or commas, and messages on standard error")
        })
    });
    parsed.collect()
}

/// An IP address; an IPv6 address may have a zone, which is kept.
fn address(text: &str) -> Option<Address> {
    match text.split_once('%') {
        None => text.parse().ok().map(Address::ip),
        Some((ip, zone)) => (ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) && !zone.is_empty())
            .then(|| Address::name(text)),
    }
}

/// The word, if it resembles an address; other output may be anything, a secret too.
fn shown(index: usize, word: &str) -> String {
    let resembles = |letter: char| letter.is_ascii_hexdigit() || ".:[]%/,\"".contains(letter);
    if word.len() <= LONGEST && word.contains(['.', ':']) && word.chars().all(resembles) {
        format!("`{word}`")
    } else {
        format!("word {} of its output", index + 1)
    }
}
