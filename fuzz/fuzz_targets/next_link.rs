//! A link that is followed leads to the origin of the list and carries no user information.
//!
//! The input is the page's URL, a line end, and the link.

#![no_main]

use cloud_autojoin_core::http::NextLink;
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|input: &str| {
    let Some((page, link)) = input.split_once('\n') else { return };
    let Ok(page) = Url::parse(page) else { return };
    match NextLink::resolve(&page, Some(link)) {
        NextLink::Page(next) => {
            assert_eq!(next.origin(), page.origin());
            assert!(next.username().is_empty() && next.password().is_none() && next.fragment().is_none(), "{next}");
        }
        // Shown to people: on one line.
        NextLink::Foreign(words) => assert!(!words.contains('\n'), "{words}"),
        NextLink::End => assert!(link.trim().is_empty()),
    }
});
