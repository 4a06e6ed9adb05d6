//! Following the next links of a list: within one origin, never in a circle, never without end.
//!
//! A credential goes with every page, so a link that a server gives is followed only to the origin the list was asked from.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use url::Url;

use super::origin_of;
use crate::error::{Result, TransportError, TransportFailure};

/// Where a page's next link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextLink {
    /// There is no next page: the link is absent, null or empty.
    End,
    /// The next page, of the same origin.
    Page(Url),
    /// Elsewhere; the text says where, as `the link names evil.example`.
    Foreign(String),
}

impl NextLink {
    /// Reads the link that stands on `page`. Relative links are taken from there.
    ///
    /// Scheme, host (without case) and effective port must be those of `page`: `https://h:443/` is `https://h/`. A link with user information is foreign wherever it leads.
    pub fn resolve(page: &Url, link: Option<&str>) -> Self {
        let Some(link) = link.map(str::trim).filter(|link| !link.is_empty()) else { return Self::End };
        let Ok(mut url) = page.join(link) else { return Self::Foreign("the link is no URL".to_owned()) };
        if page.origin() != url.origin() {
            return Self::Foreign(format!("the link names {}", origin_of(&url)));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Self::Foreign("the link carries user information".to_owned());
        }
        url.set_fragment(None);
        Self::Page(url)
    }
}

/// How far next links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimits {
    /// The most pages of one list; default 10,000.
    pub max_pages: usize,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self { max_pages: 10_000 }
    }
}

/// The pages of one list, asked for one after the other by whoever drives this.
///
/// ```
/// # use cloud_autojoin_core::http::{PageLimits, Pages};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut pages = Pages::new("list network interfaces", "https://h.example/list".parse()?, PageLimits::default());
/// let mut asked = Vec::new();
/// while let Some(url) = pages.next_url() {
///     asked.push(url.to_string()); // ask for it and decode it here
///     let next_link = (asked.len() == 1).then_some("https://h.example:443/list?page=2");
///     pages.advance(next_link)?;
/// }
/// assert_eq!(asked, ["https://h.example/list", "https://h.example/list?page=2"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pages {
    operation: String,
    next: Option<Url>,
    // Hashes, since ten thousand links of a kilobyte each are worth nothing else.
    seen: HashSet<u64>,
    hasher: RandomState,
    limits: PageLimits,
}

impl Pages {
    /// The list that starts at `first`; `operation` is for errors, as `list network interfaces`.
    pub fn new(operation: impl Into<String>, first: Url, limits: PageLimits) -> Self {
        let hasher = RandomState::new();
        let seen = HashSet::from([hasher.hash_one(&first)]);
        Self { operation: operation.into(), next: Some(first), seen, hasher, limits }
    }

    /// The page to ask for now; none when the list has ended.
    pub fn next_url(&self) -> Option<&Url> {
        self.next.as_ref()
    }

    /// How many pages were found so far, the one to ask for now among them.
    pub fn count(&self) -> usize {
        self.seen.len()
    }

    /// Goes on from the page just read to the one its link names.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`](crate::Error::Transport): the link leaves the list's origin (`ForeignLink`, with the foreign host in its text), names a page that was there already, or
    /// there are more pages than the limit (`EndlessPages`). The list has ended then.
    pub fn advance(&mut self, link: Option<&str>) -> Result<()> {
        let Some(page) = self.next.take() else { return Ok(()) };
        let (failure, detail) = match NextLink::resolve(&page, link) {
            NextLink::End => return Ok(()),
            NextLink::Foreign(detail) => (TransportFailure::ForeignLink, detail),
            NextLink::Page(_) if self.seen.len() >= self.limits.max_pages => {
                (TransportFailure::EndlessPages, format!("more than {} pages", self.limits.max_pages))
            }
            NextLink::Page(next) => {
                if self.seen.insert(self.hasher.hash_one(&next)) {
                    self.next = Some(next);
                    return Ok(());
                }
                (TransportFailure::EndlessPages, format!("page {} links back to one before it", self.seen.len()))
            }
        };
        Err(TransportError::new(self.operation.clone(), origin_of(&page), failure).with_detail(detail).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::error::Error;

    fn resolve(link: &str) -> NextLink {
        NextLink::resolve(&"https://management.example/list?a=1".parse().unwrap(), Some(link))
    }

    fn page(url: &str) -> NextLink {
        NextLink::Page(url.parse().unwrap())
    }

    #[test]
    fn links_to_the_same_origin_are_followed_however_it_is_written() {
        assert_eq!(resolve("https://management.example:443/list?b=2"), page("https://management.example/list?b=2"));
        assert_eq!(resolve("HTTPS://Management.EXAMPLE/list?b=2#x"), page("https://management.example/list?b=2"));
        assert_eq!(resolve("/list?b=2"), page("https://management.example/list?b=2"));
        assert_eq!(resolve("?b=2"), page("https://management.example/list?b=2"));
    }

    #[test]
    fn an_absent_or_empty_link_is_the_end() {
        assert_eq!(NextLink::resolve(&"https://h.example/".parse().unwrap(), None), NextLink::End);
        assert_eq!((resolve(""), resolve(" ")), (NextLink::End, NextLink::End));
    }

    #[test]
    fn links_elsewhere_are_foreign_and_say_where_they_lead() {
        for (link, detail) in [
            ("https://evil.example/list", "the link names https://evil.example"),
            ("//evil.example/list", "the link names https://evil.example"),
            ("http://management.example/list", "the link names http://management.example"),
            ("https://management.example:8443/list", "the link names https://management.example:8443"),
            ("https://management.example.evil.example/", "the link names https://management.example.evil.example"),
            ("https://management.example@evil.example/", "the link names https://evil.example"),
            ("https://user:canary@management.example/list", "the link carries user information"),
            ("data:canary", "the link names data:"),
            ("https://", "the link is no URL"),
        ] {
            assert_eq!(resolve(link), NextLink::Foreign(detail.to_owned()), "{link}");
        }
    }

    fn failure(result: Result<()>) -> (TransportFailure, String) {
        match result {
            Err(Error::Transport(error)) => (error.failure(), error.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn pages(max_pages: usize) -> Pages {
        Pages::new("list network interfaces", "https://h.example/list?page=1".parse().unwrap(), PageLimits { max_pages })
    }

    #[test]
    fn a_list_that_links_back_is_an_error_and_ends() {
        let mut pages = pages(10);
        pages.advance(Some("?page=2")).unwrap();
        let (failure, text) = failure(pages.advance(Some("https://h.example:443/list?page=1")));
        assert_eq!(failure, TransportFailure::EndlessPages);
        assert_eq!(text, "cannot list network interfaces: the pages of https://h.example do not end (page 2 links back to one before it)");
        assert_eq!(pages.next_url(), None);
    }

    #[test]
    fn more_pages_than_the_limit_are_an_error_and_exactly_the_limit_is_none() {
        let mut pages = pages(2);
        pages.advance(Some("?page=2")).unwrap();
        assert_eq!(failure(pages.advance(Some("?page=3"))).0, TransportFailure::EndlessPages);
        let mut exact = self::pages(2);
        exact.advance(Some("?page=2")).unwrap();
        exact.advance(None).unwrap();
        assert_eq!((exact.next_url(), exact.count()), (None, 2));
    }

    #[test]
    fn a_link_to_another_host_is_an_error_that_names_it() {
        let (failure, text) = failure(pages(10).advance(Some("https://evil.example/list?page=2&sig=canary")));
        assert_eq!(failure, TransportFailure::ForeignLink);
        assert_eq!(text, "cannot list network interfaces: the next page's link leaves https://h.example (the link names https://evil.example)");
    }
}
