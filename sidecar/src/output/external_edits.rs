//! Detects that another program or person writes a file of the sidecar.

use std::sync::Arc;

use cloud_autojoin::Address;

use super::Written;

/// The addresses a file was last written with, and whether a warning was logged.
#[derive(Debug, Default)]
pub(crate) struct ExternalEdits {
    last: Option<[Arc<[Address]>; 2]>,
    is_known: bool,
}

impl ExternalEdits {
    /// Records that the file of these addresses was written or was up to date. True if someone else
    /// changed it: once until the addresses change.
    pub(crate) fn note(&mut self, addresses: [Arc<[Address]>; 2], written: Written) -> bool {
        let is_same = self.last.as_ref() == Some(&addresses);
        self.last = Some(addresses);
        self.is_known &= is_same;
        is_same && written == Written::Replaced && !std::mem::replace(&mut self.is_known, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_by_someone_else_is_news_once_until_the_addresses_change() {
        let of = |last: u8| {
            [
                Arc::from([Address::ip([10, 0, 0, last].into())]),
                Arc::from([]),
            ]
        };
        let mut edits = ExternalEdits::default();
        for (address, written, is_news) in [
            (4, Written::Replaced, false),
            (4, Written::Unchanged, false),
            (4, Written::Replaced, true),
            (4, Written::Unchanged, false),
            (4, Written::Replaced, false),
            (5, Written::Replaced, false),
            (5, Written::Replaced, true),
        ] {
            assert_eq!(
                edits.note(of(address), written),
                is_news,
                "{address} {written:?}"
            );
        }
    }
}
