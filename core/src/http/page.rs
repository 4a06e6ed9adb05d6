//! Next links of pages, limited to one origin.
//!
//! Every page request carries a credential, so a next link is followed only within the origin of
//! the list.

use url::Url;

use super::origin_of;

/// The target of a page's next link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextLink {
    /// There is no next page: the link is absent, null or empty.
    End,
    /// The next page, at the same origin.
    Page(Url),
    /// Another origin; the text names it, as `the link names evil.example`.
    Foreign(String),
}

impl NextLink {
    /// Parses the link of `page`. Relative links are resolved against it.
    ///
    /// Scheme, host (case-insensitive) and effective port must be those of `page`: `https://h:443/`
    /// is `https://h/`. A link with user information is foreign.
    pub fn resolve(page: &Url, link: Option<&str>) -> Self {
        let Some(link) = link.map(str::trim).filter(|link| !link.is_empty()) else {
            return Self::End;
        };
        let Ok(mut url) = page.join(link) else {
            return Self::Foreign("the link isn't a URL".to_owned());
        };
        if page.origin() != url.origin() {
            return Self::Foreign(format!("the link names {}", origin_of(&url)));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Self::Foreign("the link contains user information".to_owned());
        }
        url.set_fragment(None);
        Self::Page(url)
    }
}

/// How far next links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimits {
    /// The maximum number of pages of a list; default 10,000.
    pub max_pages: usize,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self { max_pages: 10_000 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn resolve(link: &str) -> NextLink {
        NextLink::resolve(
            &"https://management.example/list?a=1".parse().unwrap(),
            Some(link),
        )
    }

    fn page(url: &str) -> NextLink {
        NextLink::Page(url.parse().unwrap())
    }

    #[test]
    fn links_to_the_same_origin_are_followed_however_it_is_written() {
        assert_eq!(
            resolve("https://management.example:443/list?b=2"),
            page("https://management.example/list?b=2")
        );
        assert_eq!(
            resolve("HTTPS://Management.EXAMPLE/list?b=2#x"),
            page("https://management.example/list?b=2")
        );
        assert_eq!(
            resolve("/list?b=2"),
            page("https://management.example/list?b=2")
        );
        assert_eq!(resolve("?b=2"), page("https://management.example/list?b=2"));
    }

    #[test]
    fn an_absent_or_empty_link_is_the_end() {
        assert_eq!(
            NextLink::resolve(&"https://h.example/".parse().unwrap(), None),
            NextLink::End
        );
        assert_eq!((resolve(""), resolve(" ")), (NextLink::End, NextLink::End));
    }

    #[test]
    fn links_to_another_origin_are_refused_with_their_target() {
        for (link, detail) in [
            (
                "https://evil.example/list",
                "the link names https://evil.example",
            ),
            ("//evil.example/list", "the link names https://evil.example"),
            (
                "http://management.example/list",
                "the link names http://management.example",
            ),
            (
                "https://management.example:8443/list",
                "the link names https://management.example:8443",
            ),
            (
                "https://management.example.evil.example/",
                "the link names https://management.example.evil.example",
            ),
            (
                "https://management.example@evil.example/",
                "the link names https://evil.example",
            ),
            (
                "https://user:canary@management.example/list",
                "the link contains user information",
            ),
            ("data:canary", "the link names data:"),
            ("https://", "the link isn't a URL"),
        ] {
            assert_eq!(
                resolve(link),
                NextLink::Foreign(detail.to_owned()),
                "{link}"
            );
        }
    }
}
