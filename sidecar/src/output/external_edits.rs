//! Notices that someone else writes a file that the sidecar keeps: another sidecar, a configuration
//! management tool, a person.

use std::sync::Arc;

use cloud_autojoin::Address;

use super::Written;

/// What a file was last made of, and whether a warning about it was given.
#[derive(Debug, Default)]
pub(crate) struct ExternalEdits {
    last: Option<[Arc<[Address]>; 2]>,
    is_known: bool,
}

impl ExternalEdits {
    /// Takes in that the file made of these addresses was written, or was found to be right. True
    /// when someone else changed it: once until the addresses change.
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
        let of = |last: u8| [Arc::from([Address::ip([10, 0, 0, last].into())]), Arc::from([])];
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
            assert_eq!(edits.note(of(address), written), is_news, "{address} {written:?}");
        }
    }
}
