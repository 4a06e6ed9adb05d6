//! `Retry-After` and its relatives with any value: a delay or none, and never longer than
//! a date can express.
//!
//! The input is four header values, a line each: Retry-After, Date, retry-after-ms,
//! x-ms-retry-after-ms.

#![no_main]

use std::time::{Duration, SystemTime};

use cloud_autojoin_core::http::retry_after;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["retry-after", "date", "retry-after-ms", "x-ms-retry-after-ms"];

fuzz_target!(|input: &[u8]| {
    let mut headers = HeaderMap::new();
    for (name, value) in NAMES.iter().zip(input.split(|byte| *byte == b'\n')) {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_bytes(value)) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let wait = retry_after(&headers, now);
    if headers.is_empty() {
        assert_eq!(wait, None);
    }
    // The same headers give the same result.
    assert_eq!(wait, retry_after(&headers, now));
});
