//! Which api-version a Resource Manager understands, when it refuses the one that was requested.
//!
//! Azure Stack Hub knows older versions than Azure. Its refusal lists them, and the newest is used
//! from then on for that kind of resource.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cloud_autojoin_core::http::Request;

use super::api::action;
use super::error_body;

const PARAMETER: &str = "api-version";

/// The versions that were learned, by the action that a request needs, which names the type of the
/// resource.
#[derive(Debug, Default)]
pub(super) struct ApiVersions(Mutex<BTreeMap<String, String>>);

impl ApiVersions {
    /// `request` with the version that was learned for its type of resource, if one was.
    pub(super) fn apply(&self, request: Request) -> Request {
        let learned = self.learned();
        if learned.is_empty() {
            return request;
        }
        match learned.get(&action(&request)) {
            Some(version) => with_version(request, version),
            None => request,
        }
    }

    /// Learns the version from `body`, which refuses `request`. Returns the request to send
    /// instead.
    pub(super) fn learn(&self, request: &Request, body: &[u8]) -> Option<Request> {
        let mut query = request.url().query_pairs();
        let (_, requested) = query.find(|(name, _)| name == PARAMETER)?;
        let version = newest_supported(&error_body::read(body).message?, &requested)?;
        let action = action(request);
        tracing::info!(action, %requested, version, "the Resource Manager doesn't know the api-version and names another");
        let request = with_version(request.clone(), &version);
        self.learned().insert(action, version);
        Some(request)
    }

    fn learned(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest version that a refusal names, a released one if there is any:
/// `NoRegisteredProviderFound` and `InvalidResourceType` have `The supported api-versions are
/// '...'`, `InvalidApiVersionParameter` `The supported versions are '...'`. None when `requested`
/// is among them: then something else is refused.
///
/// shape: reported Azure Stack Hub refusal (`NoRegisteredProviderFound`)
fn newest_supported(message: &str, requested: &str) -> Option<String> {
    let (_, list) = message
        .split_once("supported api-versions are '")
        .or_else(|| message.split_once("supported versions are '"))?;
    let (list, _) = list.split_once('\'')?;
    let versions = list.split(',').map(str::trim);
    let versions: Vec<&str> = versions.filter(|version| is_version(version)).collect();
    if versions.contains(&requested) {
        return None;
    }
    // A preview has a word behind the date.
    let newest = versions
        .iter()
        .max_by_key(|version| (is_date(version), **version));
    newest.map(|version| (*version).to_owned())
}

fn is_date(version: &str) -> bool {
    version.len() == "2018-11-01".len()
}

/// A date, with or without a word behind it (`2019-02-01-preview`).
fn is_version(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut is_number = |length| {
        let digits = parts.next().unwrap_or_default().bytes();
        digits.len() == length && digits.into_iter().all(|byte| byte.is_ascii_digit())
    };
    is_number(4)
        && is_number(2)
        && is_number(2)
        && parts.all(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The same request for another version, everything else as it is written.
fn with_version(request: Request, version: &str) -> Request {
    let replace = |pair: &str| match pair.split_once('=') {
        Some((PARAMETER, _)) => format!("{PARAMETER}={version}"),
        _ => pair.to_owned(),
    };
    let mut url = request.url().clone();
    let query = url.query().unwrap_or_default();
    let query: Vec<String> = query.split('&').map(replace).collect();
    url.set_query(Some(&query.join("&")));
    request.with_url(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn newest(list: &str) -> Option<String> {
        let message = format!(
            "No registered resource provider found for location 'local' and API version '2024-05-01' for type 'networkInterfaces'. The supported api-versions are '{list}'. The supported locations are 'local'."
        );
        newest_supported(&message, "2024-05-01")
    }

    #[test]
    fn the_newest_released_version_is_taken_and_a_preview_only_where_there_is_no_other() {
        assert_eq!(
            newest("2015-06-15, 2018-11-01, 2017-10-01").as_deref(),
            Some("2018-11-01")
        );
        assert_eq!(
            newest("2015-06-15,2017-10-01,2018-11-01-preview").as_deref(),
            Some("2017-10-01")
        );
        assert_eq!(
            newest("2015-06-15-preview,2016-01-01-preview").as_deref(),
            Some("2016-01-01-preview")
        );
        let invalid = "The api-version '2024-07-01' is invalid. The supported versions are '2016-09-01,2016-07-01'.";
        assert_eq!(
            newest_supported(invalid, "2024-07-01").as_deref(),
            Some("2016-09-01")
        );
    }

    #[test]
    fn a_refusal_for_another_reason_names_no_version() {
        // The location is what is not supported.
        assert_eq!(newest("2024-05-01, 2018-11-01"), None);
        assert_eq!(newest(""), None);
        assert_eq!(newest("x&$filter=y, 2018/11/01"), None);
        assert_eq!(newest_supported("not found", "2024-05-01"), None);
    }

    #[test]
    fn only_the_version_of_a_url_changes() {
        let url = url::Url::parse("https://arm.example/x?$filter=a%20eq%20%27b%27&api-version=2024-05-01&$skiptoken=c%2Bd").unwrap();
        assert_eq!(
            with_version(Request::get("x", url), "2018-11-01")
                .url()
                .query(),
            Some("$filter=a%20eq%20%27b%27&api-version=2018-11-01&$skiptoken=c%2Bd")
        );
    }
}
