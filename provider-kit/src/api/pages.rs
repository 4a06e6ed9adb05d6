//! A list that comes in pages: by next link, page token, page number or marker. `ahead.rs` requests
//! them.

mod ahead;

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use cloud_autojoin_core::http::{NextLink, PageLimits, Request, Response, origin_of};
use cloud_autojoin_core::{Call, Result, TransportError, TransportFailure};
use futures::future::BoxFuture;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use url::Url;

use super::ApiClient;
use ahead::Token;

/// The pages of one list, requested one after the other.
///
/// After each page the caller sets the next one by one of the `follow_` methods; otherwise the list
/// has ended. An empty page isn't the end, and a page that was requested before is an error: an
/// endless list would otherwise hang, and one that starts again would look complete.
///
/// ```no_run
/// # use cloud_autojoin_provider_kit::ApiClient;
/// # use cloud_autojoin_core::{Call, Result};
/// #[derive(serde::Deserialize)]
/// struct Servers { servers: Vec<String>, next_page_token: Option<String> }
///
/// async fn list(client: &ApiClient, call: &Call) -> Result<Vec<String>> {
///     let mut servers = Vec::new();
///     let mut pages = client.pages(client.get("list servers", &["servers"], &[]), call);
///     while let Some(page) = pages.next_json::<Servers>().await? {
///         servers.extend(page.servers);
///         pages.follow_query("page_token", page.next_page_token)?;
///     }
///     Ok(servers)
/// }
/// ```
pub struct Pages<'a> {
    client: &'a ApiClient,
    call: &'a Call,
    next: Option<Request>,
    current: Option<Request>,
    token: Option<Token<'a>>,
    /// The request for the next page, which is in flight, and its hash.
    ahead: Option<(u64, BoxFuture<'a, Result<Response>>)>,
    // Hashes: ten thousand links of a kilobyte each aren't worth keeping.
    seen: HashSet<u64>,
    hasher: RandomState,
    limits: PageLimits,
    headers: HeaderMap,
    #[cfg(feature = "xml")]
    elements: &'static str,
}

impl<'a> Pages<'a> {
    pub(super) fn new(client: &'a ApiClient, first: Request, call: &'a Call) -> Self {
        let mut pages = Self {
            client,
            call,
            next: None,
            current: None,
            token: None,
            ahead: None,
            seen: HashSet::new(),
            hasher: RandomState::new(),
            limits: PageLimits::default(),
            headers: HeaderMap::new(),
            #[cfg(feature = "xml")]
            elements: "",
        };
        pages.seen.insert(pages.hash(&first));
        pages.next = Some(first);
        pages
    }

    /// Whether there is another page to request.
    pub fn has_more(&self) -> bool {
        self.next.is_some()
    }

    /// The request for the next page, for a caller that sends it itself; `None` when the list has
    /// ended.
    pub fn next_request(&mut self) -> Option<Request> {
        self.current.clone_from(&self.next);
        self.next.take()
    }

    /// A header of the page that [`Pages::next_json`] returned last: the token of the next page,
    /// for services that put it there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The number in a header of the page that [`Pages::next_json`] returned last: the length of
    /// the whole list, for services that send it there.
    pub fn header_number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// The items of all pages. `read` takes those of one page and sets the next one.
    ///
    /// # Errors
    ///
    /// As [`Pages::next_json`], and those of `read`.
    pub async fn collect<P: DeserializeOwned, T>(
        mut self,
        mut read: impl FnMut(P, &mut Self) -> Result<Vec<T>>,
    ) -> Result<Vec<T>> {
        let mut items = Vec::new();
        while let Some(page) = self.next_json().await? {
            items.extend(read(page, &mut self)?);
        }
        Ok(items)
    }

    /// The items of all pages. `read` gives the value of the query parameter `name` on the next
    /// page, as in [`Pages::follow_query`], and the items of a page.
    ///
    /// # Errors
    ///
    /// As [`Pages::next_json`] and [`Pages::follow_query`].
    pub async fn collect_by_query<P: DeserializeOwned, T, N: ToString>(
        self,
        name: &str,
        mut read: impl FnMut(P, &Self) -> (Option<N>, Vec<T>),
    ) -> Result<Vec<T>> {
        let read = |page, pages: &mut Self| {
            let (next, items) = read(page, pages);
            pages.follow_query(name, next)?;
            Ok(items)
        };
        self.collect(read).await
    }

    /// Where the next page begins, for a service that counts items: after `size` times the pages
    /// so far. The list goes on if it has more than that in `total`, or, where the service doesn't
    /// say how many it has, if the last page was full.
    pub fn next_offset(&self, size: u64, found: usize, total: Option<u64>) -> Option<u64> {
        let offset = size * self.seen.len() as u64;
        let has_next = total.map_or(found as u64 >= size, |total| offset < total);
        has_next.then_some(offset)
    }

    /// The next page is where `link` points; absent or empty means the list has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`](cloud_autojoin_core::Error::Transport) for a link to another origin,
    /// which would receive the credential, and for a page that was requested before.
    pub fn follow_link(&mut self, link: Option<&str>) -> Result<()> {
        let Some(current) = &self.current else {
            return Ok(());
        };
        match NextLink::resolve(current.url(), link) {
            NextLink::End => Ok(()),
            NextLink::Page(url) => self.follow_request(current.clone().with_url(url)),
            NextLink::Foreign(detail) => {
                Err(self.failed(TransportFailure::CrossOriginLink, detail))
            }
        }
    }

    /// The next page is the current one with the query parameter `name` set to `value`: a page
    /// token, a marker, a page number. Absent or empty means the list has ended.
    ///
    /// # Errors
    ///
    /// For a page that was requested before.
    pub fn follow_query(&mut self, name: &str, value: Option<impl ToString>) -> Result<()> {
        let value = value
            .map(|value| value.to_string())
            .filter(|value| !value.is_empty());
        let (Some(current), Some(value)) = (&self.current, value) else {
            return Ok(());
        };
        let url = with_parameter(current.url(), name, &value);
        self.follow_request(current.clone().with_url(url))
    }

    /// The next page is the response to `request`: for a page token in the body of a `POST`.
    ///
    /// # Errors
    ///
    /// For a page that was requested before.
    pub fn follow_request(&mut self, request: Request) -> Result<()> {
        if self.seen.len() >= self.limits.max_pages {
            let detail = format!("more than {} pages", self.limits.max_pages);
            return Err(self.failed(TransportFailure::PaginationLimit, detail));
        }
        if !self.seen.insert(self.hash(&request)) {
            let detail = format!("page {} leads back to one before it", self.seen.len());
            return Err(self.failed(TransportFailure::PaginationLimit, detail));
        }
        self.next = Some(request);
        Ok(())
    }

    fn hash(&self, request: &Request) -> u64 {
        self.hasher.hash_one((request.url(), request.body()))
    }

    fn failed(&self, failure: TransportFailure, detail: String) -> cloud_autojoin_core::Error {
        let (operation, origin) = self
            .current
            .as_ref()
            .map_or(("list", String::new()), |request| {
                (request.operation(), origin_of(request.url()))
            });
        TransportError::new(operation, origin, failure)
            .with_detail(detail)
            .into()
    }
}

/// `url` with the query parameter `name` set to `value`.
fn with_parameter(url: &Url, name: &str, value: &str) -> Url {
    let mut changed = url.clone();
    let others = url.query_pairs().filter(|(key, _)| key != name);
    changed
        .query_pairs_mut()
        .clear()
        .extend_pairs(others)
        .append_pair(name, value);
    changed
}

impl fmt::Debug for Pages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("next", &self.next)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
