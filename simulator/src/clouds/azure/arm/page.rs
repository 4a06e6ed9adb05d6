//! Pages of lists: `value`, `nextLink`, and ARM's special cases (empty pages with a link, the port
//! in the link).

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use url::form_urlencoded::Serializer;

use super::error::ArmError;
use super::{ArmBody, ArmContext, write};
use crate::clouds::azure::world::{EmptyPages, LastNextLink, Listing};

const SKIP_TOKEN: &str = "$skiptoken";

/// The requested page of a list. `items` returns the whole list and isn't called for a cached page;
/// `show` is called for the items of the page.
///
/// Callers that may see the same groups get the same pages.
pub(super) fn list<T, InterfaceJson: Serialize>(
    context: &ArmContext<'_>,
    listing: Listing,
    items: impl FnOnce() -> Vec<T>,
    show: impl FnMut(T) -> InterfaceJson,
) -> Result<ArmBody, ArmError> {
    let all = context.groups.len() == context.subscription.resource_groups.len();
    let seen_by: String = if all {
        String::new()
    } else {
        context
            .groups
            .iter()
            .map(|group| format!("{}/", group.name))
            .collect()
    };
    list_seen_by(context, listing, &seen_by, items, show)
}

/// As [`list`], for a list that differs between callers: `seen_by` distinguishes them.
pub(super) fn list_seen_by<T, InterfaceJson: Serialize>(
    context: &ArmContext<'_>,
    listing: Listing,
    seen_by: &str,
    items: impl FnOnce() -> Vec<T>,
    show: impl FnMut(T) -> InterfaceJson,
) -> Result<ArmBody, ArmError> {
    let key = format!(
        "{} {} {:?} {seen_by}",
        context.request.origin, context.request.path, context.request.query
    );
    if let Some(page) = context.world.pages().find(&key) {
        return Ok(ArmBody::Page(page));
    }
    let settings = context.world.settings();
    let mut items = items();
    let spans = spans(
        items.len(),
        settings.page_size(listing),
        settings.empty_pages,
    );
    let number = match context.request.query(SKIP_TOKEN) {
        Some(token) => parse_token(token)
            .filter(|number| *number < spans.len())
            .ok_or_else(ArmError::invalid_skip_token)?,
        None => 0,
    };
    let span = spans.get(number).cloned().unwrap_or_default();
    let next_link = match (number + 1 < spans.len(), settings.last_next_link) {
        (true, _) => Some(Some(next_link(context, number + 1))),
        (false, LastNextLink::Absent) => None,
        (false, LastNextLink::Null) => Some(None),
        (false, LastNextLink::Empty) => Some(Some(String::new())),
    };
    let body = write(&Body {
        value: items.drain(span).map(show).collect::<Vec<_>>(),
        next_link,
    })?;
    Ok(ArmBody::Page(context.world.pages().keep(key, body)))
}

/// One page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<InterfaceJson> {
    value: Vec<InterfaceJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_link: Option<Option<String>>,
}

/// Which items each page holds.
fn spans(total: usize, size: usize, empty: Option<EmptyPages>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    if empty == Some(EmptyPages::Before) {
        spans.push(0..0);
    }
    let mut start = 0;
    loop {
        let end = (start + size).min(total);
        spans.push(start..end);
        if end == total {
            break;
        }
        if empty == Some(EmptyPages::Between) {
            spans.push(end..end);
        }
        start = end;
    }
    if empty == Some(EmptyPages::After) {
        spans.push(total..total);
    }
    spans
}

/// The URL of the request with another `$skiptoken`: ARM's links also contain `api-version` and
/// `$filter` (recorded 2023 for the resource index).
fn next_link(context: &ArmContext<'_>, number: usize) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(
        context
            .request
            .query
            .iter()
            .filter(|(key, _)| !key.eq_ignore_ascii_case(SKIP_TOKEN)),
    );
    query.append_pair(SKIP_TOKEN, &STANDARD.encode(format!("page {number}")));
    let origin = &context.request.origin;
    let port = match (
        context.world.settings().next_link_port,
        origin.split_once("://"),
    ) {
        (true, Some(("https", host))) if !has_port(host) => ":443",
        (true, Some(("http", host))) if !has_port(host) => ":80",
        _ => "",
    };
    format!("{origin}{port}{}?{}", context.request.path, query.finish())
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn parse_token(token: &str) -> Option<usize> {
    String::from_utf8(STANDARD.decode(token).ok()?)
        .ok()?
        .strip_prefix("page ")?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_pages_follow_the_settings() {
        assert_eq!(spans(3, 2, None), [0..2, 2..3]);
        assert_eq!(spans(4, 2, None), [0..2, 2..4]);
        assert_eq!(spans(3, 2, Some(EmptyPages::Before)), [0..0, 0..2, 2..3]);
        assert_eq!(spans(3, 2, Some(EmptyPages::Between)), [0..2, 2..2, 2..3]);
        assert_eq!(spans(3, 2, Some(EmptyPages::After)), [0..2, 2..3, 3..3]);
        assert_eq!(spans(0, 2, None).len(), 1);
        assert_eq!(spans(0, 2, Some(EmptyPages::After)), [0..0, 0..0]);
    }

    #[test]
    fn a_port_is_a_number_after_the_last_colon() {
        assert!(has_port("127.0.0.1:8080"));
        assert!(!has_port("management.azure.com"));
        assert!(!has_port("[::1]"));
        assert!(!has_port("management.azure.com:"));
        assert!(has_port("[::1]:80"));
    }
}
