//! Signature version 4 of Amazon Web Services, in the `Authorization` header.
//!
//! Facts: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.

use std::time::SystemTime;

use cloud_autojoin_core::http::Request;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

pub use super::AccessKey;
use super::sign::{hex, hmac_sha256, sha256_hex};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// All characters except the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// Signs `request` for `service` in `region`, at the wall-clock time `now`.
///
/// Method, URL, body and the headers set so far are signed; headers that the transport adds aren't.
///
/// # Errors
///
/// The id of the key or the session token isn't valid in a header, because of a final newline for
/// example.
pub fn sign(
    request: &mut Request,
    key: &AccessKey,
    region: &str,
    service: &str,
    now: SystemTime,
) -> Result<(), http::header::InvalidHeaderValue> {
    // `2015-08-30T12:36:00Z` without its separators.
    let time = humantime::format_rfc3339_seconds(now)
        .to_string()
        .replace(['-', ':'], "");
    request.set_header(DATE, HeaderValue::from_str(&time)?);
    if let Some(token) = &key.session_token {
        let mut token = HeaderValue::from_str(token.expose())?;
        token.set_sensitive(true);
        request.set_header(SECURITY_TOKEN, token);
    }
    let date = time.get(..8).unwrap_or_default();
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let (canonical, signed_headers) = canonical_request(request);
    let text = format!(
        "{ALGORITHM}\n{time}\n{scope}\n{}",
        sha256_hex(canonical.as_bytes())
    );
    let first = hmac_sha256(
        format!("AWS4{}", key.secret.expose()).as_bytes(),
        date.as_bytes(),
    );
    let signing_key = [region, service, "aws4_request"]
        .iter()
        .fold(first, |key, part| hmac_sha256(&key, part.as_bytes()));
    let signature = hex(&hmac_sha256(&signing_key, text.as_bytes()));
    let header = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={signed_headers}, Signature={signature}",
        key.id
    );
    let mut header = HeaderValue::from_str(&header)?;
    header.set_sensitive(true);
    request.set_header(AUTHORIZATION, header);
    request.add_secret(&key.id);
    Ok(())
}

/// The canonical request, and the names of its headers.
fn canonical_request(request: &Request) -> (String, String) {
    let url = request.url();
    let mut headers: Vec<(&str, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), one_spaced(value)))
        .collect();
    headers.retain(|(name, _)| *name != AUTHORIZATION.as_str());
    headers.push(("host", host(url)));
    headers.sort();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let body = sha256_hex(request.body().map_or(&[], |body| body.as_ref()));
    // The path is encoded once more than it is in the URL.
    let path = utf8_percent_encode(url.path(), RESERVED_IN_PATH);
    (
        format!(
            "{}\n{path}\n{}\n{headers}\n{names}\n{body}",
            request.method(),
            canonical_query(url)
        ),
        names,
    )
}

fn canonical_query(url: &Url) -> String {
    let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let mut pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    pairs.sort();
    pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}

/// The `Host` header as HTTP clients send it: with the port unless it is the scheme's own.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn one_spaced(value: &HeaderValue) -> String {
    let value = String::from_utf8_lossy(value.as_bytes());
    value
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloud_autojoin_core::Secret;

    use super::*;

    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

    /// The signature of a request of AWS's test suite: its key, time, region and service.
    fn signature(
        method: &str,
        target: &str,
        headers: &[(&'static str, &str)],
        body: Option<&'static str>,
        token: Option<&str>,
    ) -> String {
        let url = Url::parse("https://example.amazonaws.com")
            .unwrap()
            .join(target)
            .unwrap();
        let mut request = Request::get("test", url).with_method(method.parse().unwrap());
        if let Some(body) = body {
            request = request.with_body(body);
        }
        for (name, value) in headers {
            request.set_header(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let key = AccessKey::new("AKIDEXAMPLE", secret, token.map(Secret::new));
        let time = humantime::parse_rfc3339("2015-08-30T12:36:00Z").unwrap();
        sign(&mut request, &key, "us-east-1", "service", time).unwrap();
        // What is signed is signed anew at the next attempt.
        sign(&mut request, &key, "us-east-1", "service", time).unwrap();
        let header = request.headers()[AUTHORIZATION]
            .to_str()
            .unwrap()
            .to_owned();
        header.rsplit_once("Signature=").unwrap().1.to_owned()
    }

    /// aws-signing-test-suite/v4 of github.com/awslabs/aws-c-auth, `header-signature.txt`. Left out
    /// are those whose URL isn't normalised, whose path isn't encoded or that repeat a header: no
    /// such request is made here.
    #[test]
    fn signatures_are_those_of_the_published_test_suite() {
        const UNRESERVED: &str =
            "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let get = |target: &str, headers| signature("GET", target, headers, None, None);
        let post =
            |target: &str, headers, body, token| signature("POST", target, headers, body, token);
        let form = |kind| {
            let digest = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
            let headers = [
                ("content-type", kind),
                ("content-length", "13"),
                ("x-amz-content-sha256", digest),
            ];
            signature("POST", "/", &headers, Some("Param1=value1"), None)
        };
        let vectors = [
            (
                "get-vanilla",
                get("/", &[]),
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-header-value-trim",
                get(
                    "/",
                    &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
                ),
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "get-relative-normalized",
                get("/example/..", &[]),
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-slash-pointless-dot-normalized",
                get("/./example", &[]),
                "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
            ),
            (
                "get-unreserved",
                get(&format!("/{UNRESERVED}"), &[]),
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
            (
                "get-vanilla-empty-query-key",
                get("/?Param1=value1", &[]),
                "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
            ),
            (
                "get-vanilla-query-order-encoded",
                get("/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", &[]),
                "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ),
            (
                "get-vanilla-query-order-key-case",
                get("/?Param2=value2&Param1=value1", &[]),
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-vanilla-query-unreserved",
                get(&format!("/?{UNRESERVED}={UNRESERVED}"), &[]),
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            (
                "get-vanilla-utf8-query",
                get("/?ሴ=bar", &[]),
                "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            ),
            (
                "get-vanilla-with-session-token",
                signature(
                    "GET",
                    "/",
                    &[],
                    None,
                    Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"),
                ),
                "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ),
            (
                "post-vanilla",
                post("/", &[], None, None),
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-vanilla-query",
                post("/?Param1=value1", &[], None, None),
                "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
            ),
            (
                "post-header-key-sort",
                post("/", &[("my-header1", "value1")], None, None),
                "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ),
            (
                "post-header-value-case",
                post("/", &[("my-header1", "VALUE1")], None, None),
                "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            ),
            (
                "post-sts-header-before",
                post("/", &[], None, Some(TOKEN)),
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
            (
                "post-x-www-form-urlencoded",
                form("application/x-www-form-urlencoded"),
                "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ),
            (
                "post-x-www-form-urlencoded-parameters",
                form("application/x-www-form-urlencoded; charset=utf-8"),
                "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
            ),
        ];
        for (name, found, expected) in vectors {
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn the_port_is_signed_unless_it_is_the_schemes_own_and_a_path_is_encoded_again() {
        let canonical =
            |url: &str| canonical_request(&Request::get("test", Url::parse(url).unwrap())).0;
        assert!(
            canonical("http://127.0.0.1:5000/a%20b/")
                .starts_with("GET\n/a%2520b/\n\nhost:127.0.0.1:5000\n")
        );
        assert!(canonical("https://[::1]:443/").starts_with("GET\n/\n\nhost:[::1]\n"));
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_an_error() {
        let mut request =
            Request::get("test", Url::parse("https://example.amazonaws.com").unwrap());
        let key = AccessKey::new("AKID\n", Secret::new("s"), None);
        assert!(sign(&mut request, &key, "r", "s", SystemTime::UNIX_EPOCH).is_err());
    }
}
