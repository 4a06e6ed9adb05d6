//! HTTP signatures (draft-cavage-http-signatures-12): a signature over some headers of a request,
//! in the header `Authorization`.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::http::Request;
use http::header::{AUTHORIZATION, DATE, HeaderValue};
use url::Position;

/// Sets the header `Date` and returns the text to sign: a line for each of `names`, which are
/// headers, `host` or `(request-target)`.
pub fn text_to_sign(request: &mut Request, names: &[&str], now: SystemTime) -> String {
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(now)) {
        request.set_header(DATE, date);
    }
    let url = request.url();
    let line = |name: &&str| {
        let value = match *name {
            "host" => url[Position::BeforeHost..Position::AfterPort].to_owned(),
            "(request-target)" => {
                let method = request.method().as_str().to_lowercase();
                format!(
                    "{method} {}",
                    &url[Position::BeforePath..Position::AfterQuery]
                )
            }
            name => {
                let value = request.headers().get(name);
                let value = value.and_then(|value| value.to_str().ok());
                value.unwrap_or_default().to_owned()
            }
        };
        format!("{name}: {value}")
    };
    names.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Sets the header `Authorization` of a signature over `names`. `parameters` are those of the
/// service, `version="1"`; neither they nor `key_id` may hold line breaks.
pub fn set_signature(
    request: &mut Request,
    parameters: &[(&str, &str)],
    key_id: &str,
    names: &[&str],
    (algorithm, signature): (&str, &[u8]),
) {
    let names = names.join(" ");
    let signature = STANDARD.encode(signature);
    let all = [
        ("keyId", key_id),
        ("algorithm", algorithm),
        ("headers", &names),
        ("signature", &signature),
    ];
    let all = parameters.iter().chain(&all);
    let all: Vec<String> = all
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    // A value that no header can carry is left out: the service then refuses the request.
    if let Ok(mut value) = HeaderValue::from_str(&format!("Signature {}", all.join(","))) {
        value.set_sensitive(true);
        request.set_header(AUTHORIZATION, value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;

    /// The request of the draft's appendix C, whose date is 1388957512.
    fn request() -> Request {
        let url = "https://example.com/foo?param=value&pet=dog"
            .parse()
            .unwrap();
        Request::post_json("test", url, &serde_json::json!({}))
    }

    #[test]
    fn the_text_to_sign_is_that_of_the_draft() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_388_957_512);
        let mut request = request();
        let names = ["(request-target)", "host", "date", "content-type"];
        assert_eq!(
            text_to_sign(&mut request, &names, now),
            "(request-target): post /foo?param=value&pet=dog\nhost: example.com\n\
             date: Sun, 05 Jan 2014 21:31:52 GMT\ncontent-type: application/json"
        );
    }

    #[test]
    fn the_header_names_key_algorithm_and_headers() {
        let mut request = request();
        let parameters = [("version", "1")];
        let signature = ("rsa-sha256", &b"abc"[..]);
        set_signature(
            &mut request,
            &parameters,
            "a/b",
            &["date", "host"],
            signature,
        );
        assert_eq!(
            request.headers()[AUTHORIZATION],
            "Signature version=\"1\",keyId=\"a/b\",algorithm=\"rsa-sha256\",headers=\"date host\",signature=\"YWJj\""
        );
    }
}
