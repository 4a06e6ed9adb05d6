//! Durations as Go's `time.ParseDuration` reads them, except negative ones.

use std::time::Duration;

/// Go counts nanoseconds in an `int64`.
const LONGEST: u64 = i64::MAX as u64;

/// Reads `[+](NUMBER UNIT)+` or `0`; a number may have a fraction on either side of the point.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    match rest {
        "" => return None,
        "0" => return Some(Duration::ZERO),
        _ => {}
    }
    let mut total = 0_u128;
    while !rest.is_empty() {
        let (nanoseconds, after) = term(rest)?;
        total = total.checked_add(nanoseconds)?;
        rest = after;
    }
    u64::try_from(total)
        .ok()
        .filter(|&nanoseconds| nanoseconds <= LONGEST)
        .map(Duration::from_nanos)
}

/// Reads one number with its unit, in whole nanoseconds.
fn term(text: &str) -> Option<(u128, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest
        .find(|letter: char| letter == '.' || letter.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let unit: u128 = match unit {
        "ns" => 1,
        // The micro sign and the Greek letter mu look the same.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3600 * 1_000_000_000,
        _ => return None,
    };
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?
    };
    // An hour has 3.6e12 nanoseconds: digits past the 18th change nothing.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = if fraction.is_empty() {
        0
    } else {
        fraction.parse::<u128>().ok()?
    };
    Some((u128::from(whole) * unit + fraction * unit / scale, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_durations_are_read() {
        let cases = [
            ("0", Duration::ZERO),
            ("+0", Duration::ZERO),
            ("0s", Duration::ZERO),
            ("1ns", Duration::from_nanos(1)),
            ("1us", Duration::from_micros(1)),
            ("1µs", Duration::from_micros(1)),
            ("1μs", Duration::from_micros(1)),
            ("300ms", Duration::from_millis(300)),
            ("+30s", Duration::from_secs(30)),
            ("1m30s", Duration::from_secs(90)),
            ("1h1m1s1ms", Duration::from_millis(3_661_001)),
            ("1.5h", Duration::from_secs(5400)),
            (".5s", Duration::from_millis(500)),
            ("5.s", Duration::from_secs(5)),
            (
                "0.3333333333333333333h",
                Duration::from_secs(1200) - Duration::from_nanos(1),
            ),
            ("1s1s", Duration::from_secs(2)),
            (
                "9223372036854775807ns",
                Duration::from_nanos(i64::MAX as u64),
            ),
        ];
        for (text, duration) in cases {
            assert_eq!(parse(text), Some(duration), "{text:?}");
        }
    }

    #[test]
    fn other_text_is_no_duration() {
        for text in [
            "",
            "+",
            "-",
            "30",
            "-1s",
            "1 s",
            " 1s",
            "s",
            ".s",
            "1x",
            "1S",
            "1d",
            "1.2.3s",
            "++1s",
            "1s-1s",
            "é",
            "9223372036854775808ns",
            "99999999999999999999h",
            "2562048h",
            "one minute",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
