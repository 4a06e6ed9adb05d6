//! JSON responses: decoded, or returned as they are if the status isn't a successful one.

use serde::de::{DeserializeOwned, Error as _};

use super::Response;
use super::json::{decode_unlimited, has_too_many_values};
use super::transport::RawResponse;
use crate::error::Result;

/// The response to a request for JSON.
#[derive(Debug)]
pub enum JsonResponse<T> {
    /// A successful status, with the decoded body; the response's own body is empty.
    Success(T, Response),
    /// Any other status, with the complete response.
    Failure(Response),
}

/// The result of decoding the body of one attempt.
pub(super) enum DecodeAttempt<T> {
    /// The result is final.
    Final(T),
    /// The body is truncated; a retry may succeed.
    Truncated(BoxError),
    /// It has more values than [`MAX_JSON_VALUES`](super::MAX_JSON_VALUES).
    TooManyValues,
}

/// An error of a body decoder.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why a body can't be decoded. The cause must not show values: they may be a token.
#[derive(Debug)]
pub enum BodyError {
    /// The body is truncated: a retry may succeed.
    Truncated(BoxError),
    /// The body isn't what the decoder expects.
    Invalid(BoxError),
    /// It has more values than [`MAX_JSON_VALUES`](super::MAX_JSON_VALUES).
    TooManyValues,
}

/// Decodes a successful response by `decode`; others are final.
pub(super) fn judge<T>(
    raw: &RawResponse,
    decode: impl Fn(&[u8]) -> Result<T, BodyError>,
) -> DecodeAttempt<Option<Result<T, BoxError>>> {
    if !raw.status.is_success() || raw.status == http::StatusCode::NO_CONTENT {
        return DecodeAttempt::Final(None);
    }
    match decode(&raw.body) {
        Ok(value) => DecodeAttempt::Final(Some(Ok(value))),
        Err(BodyError::Truncated(error)) => DecodeAttempt::Truncated(error),
        Err(BodyError::Invalid(error)) => DecodeAttempt::Final(Some(Err(error))),
        Err(BodyError::TooManyValues) => DecodeAttempt::TooManyValues,
    }
}

/// Decodes the JSON of a response within the limits. The error shows no values.
///
/// # Errors
///
/// The body is truncated, not what `T` expects, or has too many values.
pub fn decode_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, BodyError> {
    if has_too_many_values(body) {
        return Err(BodyError::TooManyValues);
    }
    decode_unlimited(body).map_err(|error: serde_json::Error| {
        if error.is_eof() {
            BodyError::Truncated(error.into())
        } else {
            BodyError::Invalid(without_values(&error).into())
        }
    })
}

/// The same error without quoted text: serde shows the unexpected value, which may be a token.
fn without_values(error: &serde_json::Error) -> serde_json::Error {
    let text = error.to_string();
    match (text.find('"'), text.rfind('"')) {
        (Some(start), Some(end)) if start < end => {
            serde_json::Error::custom(format!("{}...{}", &text[..=start], &text[end..]))
        }
        _ => serde_json::Error::custom(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use http::StatusCode;

    use super::*;

    fn judged(status: u16, body: &str) -> DecodeAttempt<Option<Result<Vec<u8>, BoxError>>> {
        judge(
            &RawResponse::new(StatusCode::from_u16(status).unwrap(), body.to_owned()),
            decode_body,
        )
    }

    #[test]
    fn valid_json_is_decoded_and_truncated_json_is_distinguished_from_invalid() {
        assert!(
            matches!(judged(200, "[1,2]"), DecodeAttempt::Final(Some(Ok(numbers))) if numbers == [1, 2])
        );
        for cut in ["", "[1,", "[1,2", "[\"a"] {
            assert!(
                matches!(judged(200, cut), DecodeAttempt::Truncated(_)),
                "{cut}"
            );
        }
        assert!(
            matches!(judged(200, "\u{feff}[1,2]"), DecodeAttempt::Final(Some(Ok(numbers))) if numbers == [1, 2])
        );
        assert!(matches!(
            judged(200, "\u{feff}[1,"),
            DecodeAttempt::Truncated(_)
        ));
        for nonsense in ["<html>", "[1]]", "{}"] {
            assert!(
                matches!(judged(200, nonsense), DecodeAttempt::Final(Some(Err(_)))),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn other_responses_are_not_decoded() {
        for status in [204, 400, 401, 503] {
            assert!(
                matches!(judged(status, "[1"), DecodeAttempt::Final(None)),
                "{status}"
            );
        }
    }

    #[test]
    fn a_decode_error_shows_the_path_without_the_value() {
        let DecodeAttempt::Final(Some(Err(error))) = judged(200, r#"["canary \"x"]"#) else {
            panic!("decoded")
        };
        assert_eq!(
            error.to_string(),
            r#"invalid type: string "...", expected u8 at line 1 column 13"#
        );
    }
}
