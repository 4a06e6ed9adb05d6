//! Deterministic names, GUIDs and MAC addresses in Azure's format, so that tests are reproducible.

/// A 64-bit FNV-1a digest of the parts, including their boundaries, so that `["ab", "c"]` and
/// `["a", "bc"]` differ.
pub(crate) fn fingerprint(parts: &[&str]) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    // Plain loops, which are fast in unoptimised builds: a large world has a million of these.
    for part in parts {
        for byte in part.as_bytes() {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        digest = (digest ^ 0xff).wrapping_mul(0x0100_0000_01b3);
    }
    // FNV mixes its last bytes badly into the high bits, which the short names use.
    let mixed = (digest ^ (digest >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

/// Eight lower-case hexadecimal digits, as at the end of the name of a Flexible instance and its
/// interface.
pub(crate) fn eight_hex(parts: &[&str]) -> String {
    format!("{:08x}", fingerprint(parts) >> 32)
}

/// A GUID of version 4's form.
pub(crate) fn guid(parts: &[&str]) -> String {
    let high = fingerprint(parts);
    let low = high.rotate_left(29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// A MAC address in ARM's form (`00-0D-3A-31-90-69`), in Microsoft's range.
pub(crate) fn mac_address(parts: &[&str]) -> String {
    let digest = fingerprint(parts);
    format!(
        "00-0D-3A-{:02X}-{:02X}-{:02X}",
        (digest >> 16) & 0xff,
        (digest >> 8) & 0xff,
        digest & 0xff
    )
}

/// Whether `text` has the format of a GUID, which ARM's gateway checks before it looks up the
/// subscription.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if matches!(at, 8 | 13 | 18 | 23) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_guid_has_the_shape_that_arm_requires() {
        assert!(is_guid(&guid(&["a"])), "{}", guid(&["a"]));
        assert!(!is_guid("00000000-0000-0000-0000-00000000000g"));
        assert!(!is_guid("00000000000000000000000000000000"));
    }

    #[test]
    fn a_thousand_instances_of_a_set_have_a_thousand_names() {
        let names: HashSet<_> = (0..1000)
            .map(|serial| eight_hex(&["group", "set", &serial.to_string()]))
            .collect();
        assert_eq!(names.len(), 1000);
    }
}
