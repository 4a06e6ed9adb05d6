//! What an error code of the cloud means.

use cloud_autojoin_core::http::ResponseClass;

/// The class of the first row with a word that `code` begins with, for clouds whose codes say more
/// than their statuses do.
pub fn class_of_code(code: &str, table: &[(ResponseClass, &[&str])]) -> Option<ResponseClass> {
    let begins = |words: &[&str]| words.iter().any(|word| code.starts_with(word));
    let row = table.iter().find(|(_, words)| begins(words));
    row.map(|(class, _)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_that_fits_counts() {
        const TABLE: &[(ResponseClass, &[&str])] = &[
            (
                ResponseClass::PermissionDenied,
                &["AuthFailure.Unauthorized"],
            ),
            (ResponseClass::ExpiredCredential, &["AuthFailure", "Token"]),
        ];
        let class = |code| class_of_code(code, TABLE);
        assert_eq!(
            class("AuthFailure.UnauthorizedOperation"),
            Some(ResponseClass::PermissionDenied)
        );
        assert_eq!(
            class("AuthFailure.SignatureFailure"),
            Some(ResponseClass::ExpiredCredential)
        );
        assert_eq!(class(""), None);
    }
}
