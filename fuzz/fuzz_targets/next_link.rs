//! A link that is followed leads to where the list came from, and carries nobody's name.
//!
//! The input is the page's URL, a line end, and the link.

#![no_main]

use cloud_autojoin_core::http::{NextLink, PageLimits, Pages};
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
        // Said to people: on one line.
        NextLink::Foreign(words) => assert!(!words.contains('\n'), "{words}"),
        NextLink::End => assert!(link.trim().is_empty()),
    }
    // However the link goes on, the pages end.
    let mut pages = Pages::new("list", page, PageLimits { max_pages: 5 });
    let mut asked = 0;
    while pages.next_url().is_some() {
        asked += 1;
        assert!(asked <= 5);
        if pages.advance(Some(link)).is_err() {
            break;
        }
    }
});
