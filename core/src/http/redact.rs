//! Removes secrets from URLs for logs, errors and `discover explain`.

use std::fmt::Write;

use url::Url;

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
