//! XML bodies, by quick-xml's serde support.

use cloud_autojoin_core::http::{BodyError, MAX_JSON_VALUES};
use quick_xml::de::DeError;
use quick_xml::errors::{Error, SyntaxError};
use serde::de::DeserializeOwned;

/// Decodes a body. Text of the body is in no error. It may have as many tags as JSON has values.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, BodyError> {
    if body.len() > MAX_JSON_VALUES
        && body.iter().filter(|byte| **byte == b'<').count() > MAX_JSON_VALUES
    {
        return Err(BodyError::TooManyValues);
    }
    let Ok(text) = std::str::from_utf8(body) else {
        return Err(BodyError::Invalid("the body isn't UTF-8".into()));
    };
    quick_xml::de::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| match error {
        DeError::UnexpectedEof => truncated(),
        DeError::InvalidXml(Error::IllFormed(_)) => truncated(),
        DeError::InvalidXml(Error::Syntax(
            SyntaxError::UnclosedTag | SyntaxError::UnclosedComment | SyntaxError::UnclosedCData,
        )) => truncated(),
        _ => BodyError::Invalid("the body isn't the XML expected".into()),
    })
}

fn truncated() -> BodyError {
    BodyError::Truncated("the XML ends early".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    struct List {
        #[serde(default)]
        item: Vec<String>,
    }

    #[test]
    fn xml_is_decoded_and_a_truncated_body_differs_from_another_format() {
        let body =
            "\u{feff}<?xml version=\"1.0\"?><list><item>a</item><item>b</item><other/></list>";
        assert_eq!(decode::<List>(body.as_bytes()).unwrap().item, ["a", "b"]);
        for cut in ["<list><item>a</item>", "<list><item>a</it", "<list><ite"] {
            assert!(
                matches!(decode::<List>(cut.as_bytes()), Err(BodyError::Truncated(_))),
                "{cut}"
            );
        }
        assert!(decode::<List>(b"not xml").is_err());
        let endless = format!("<list>{}</list>", "<item/>".repeat(MAX_JSON_VALUES));
        assert!(matches!(
            decode::<List>(endless.as_bytes()),
            Err(BodyError::TooManyValues)
        ));
    }
}
