//! Lists whose next page is the same request with another query parameter.

use cloud_autojoin_core::Result;
use serde::de::DeserializeOwned;

use super::Pages;

impl Pages<'_> {
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
}
