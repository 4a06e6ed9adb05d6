//! Removes secrets from URLs and from the errors of services, for logs, errors and
//! `discover explain`.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use url::Url;

use super::Request;
use crate::secret::Secret;

/// Shorter texts aren't masked: they also occur in ordinary words.
const SHORTEST_SECRET: usize = 4;

/// The secrets that a request carried: its service may repeat them in an error.
#[derive(Debug, Clone, Default)]
pub(crate) struct SentSecrets(Vec<Secret>);

impl SentSecrets {
    /// Those of `request`: its sensitive headers, and [`Request::with_secret`].
    pub(super) fn of(request: &Request) -> Self {
        let mut secrets: Vec<Secret> = request.secrets().to_vec();
        let values = request.headers().values();
        for value in values.filter(|value| value.is_sensitive()) {
            secrets.extend(secrets_of_header(value));
        }
        secrets.retain(|secret| secret.expose().len() >= SHORTEST_SECRET);
        // A secret may contain another one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self(secrets)
    }

    /// `text` with `...` in place of each of them.
    pub(crate) fn mask(&self, text: &str) -> String {
        let mask = |text: String, secret: &Secret| match text.contains(secret.expose()) {
            true => text.replace(secret.expose(), "..."),
            false => text,
        };
        self.0.iter().fold(text.to_owned(), mask)
    }
}

/// The value, what follows its scheme (`Bearer ...`) or its name (`session=...`), and the password
/// of `Basic ...`.
fn secrets_of_header(value: &HeaderValue) -> impl Iterator<Item = Secret> {
    let text = value.to_str().unwrap_or_default();
    let after = |sign| {
        text.split_once(sign)
            .map(|(_, rest)| rest.trim_matches('"'))
    };
    let basic = text
        .strip_prefix("Basic ")
        .and_then(|encoded| STANDARD.decode(encoded).ok());
    let basic = basic.and_then(|pair| String::from_utf8(pair).ok());
    let password = basic.as_ref().and_then(|pair| pair.split_once(':'));
    [
        Some(text),
        after(' '),
        after('='),
        password.map(|(_, password)| password),
    ]
    .map(|secret| secret.map(Secret::new))
    .into_iter()
    .flatten()
}

/// The URL without user information and fragment, and with `...` for the values of query parameters
/// except `shown_parameters`, which are compared case-insensitively.
pub fn shown_url(url: &Url, shown_parameters: &[&str]) -> String {
    let mut shown = origin_of(url);
    shown.push_str(url.path());
    let Some(query) = url.query() else {
        return shown;
    };
    for (index, parameter) in query.split('&').enumerate() {
        shown.push(if index == 0 { '?' } else { '&' });
        let (name, value) = parameter
            .split_once('=')
            .map_or((None, parameter), |(name, value)| {
                (Some(name.replace("%24", "$")), value)
            });
        // A parameter without a name is only a value.
        let Some(name) = name else {
            shown.push_str("...");
            continue;
        };
        let value = if shown_parameters
            .iter()
            .any(|parameter| parameter.eq_ignore_ascii_case(&name))
        {
            value
        } else {
            "..."
        };
        _ = write!(shown, "{name}={value}");
    }
    shown
}

/// Scheme, host and port (if it isn't the scheme's default): what errors show of a URL.
pub fn origin_of(url: &Url) -> String {
    let origin = url.origin();
    if origin.is_tuple() {
        origin.ascii_serialization()
    } else {
        format!("{}:", url.scheme())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_a_service_repeats_of_a_request_is_masked() {
        let mut basic =
            HeaderValue::from_str(&format!("Basic {}", STANDARD.encode("me:pass/wörd"))).unwrap();
        basic.set_sensitive(true);
        let mut cookie = HeaderValue::from_static("session=\"canary-1\"");
        cookie.set_sensitive(true);
        let request = Request::get("list", Url::parse("https://h.example").unwrap())
            .bearer(&Secret::new("canary-2"))
            .header(http::header::PROXY_AUTHORIZATION, basic)
            .header(http::header::COOKIE, cookie)
            .header(http::header::ACCEPT, HeaderValue::from_static("text/plain"))
            .with_secret("canary")
            .with_secret("on");
        let secrets = SentSecrets::of(&request);
        assert_eq!(
            secrets
                .mask("on: canary-1, `Bearer canary-2`, canary-2, canary, pass/wörd; text/plain"),
            "on: ..., `...`, ..., ..., ...; text/plain"
        );
        assert!(!format!("{secrets:?}").contains("canary"));
    }

    fn shown(url: &str) -> String {
        shown_url(&Url::parse(url).unwrap(), &["api-version", "$filter"])
    }

    #[test]
    fn possible_secrets_are_removed_and_the_rest_stays() {
        assert_eq!(
            shown(
                "https://user:canary@h.example:443/a/b?api-version=2024-05-01&$skiptoken=canary#canary"
            ),
            "https://h.example/a/b?api-version=2024-05-01&$skiptoken=..."
        );
        assert_eq!(
            shown("http://127.0.0.1:8080/x?%24Filter=a%20eq%20b&sig=canary&canary"),
            "http://127.0.0.1:8080/x?$Filter=a%20eq%20b&sig=...&..."
        );
        assert_eq!(shown("https://h.example"), "https://h.example/");
        assert_eq!(
            shown("https://h.example/?=canary"),
            "https://h.example/?=..."
        );
    }

    #[test]
    fn the_origin_has_no_path_and_no_user() {
        assert_eq!(
            origin_of(&Url::parse("https://canary@h.example:8443/canary?canary").unwrap()),
            "https://h.example:8443"
        );
        assert_eq!(origin_of(&Url::parse("data:canary").unwrap()), "data:");
    }
}
