//! XML bodies, by quick-xml's serde support.

use cloud_autojoin_core::http::{BodyError, MAX_JSON_VALUES, without_bom};
use memchr::{memchr, memchr_iter, memmem};
use quick_xml::de::DeError;
use quick_xml::errors::{Error, SyntaxError};
use quick_xml::escape::unescape;
use serde::de::DeserializeOwned;

/// Decodes a body. Text of the body is in no error. It may have as many tags as JSON has values.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, BodyError> {
    decode_elements(body, "")
}

/// As [`decode`], of the root and the elements of these names alone, which spaces separate; without
/// any, of all.
pub(super) fn decode_elements<T: DeserializeOwned>(
    body: &[u8],
    names: &str,
) -> Result<T, BodyError> {
    // The shortest tag has three bytes.
    if body.len() / 3 > MAX_JSON_VALUES && memchr_iter(b'<', body).count() > MAX_JSON_VALUES {
        return Err(BodyError::TooManyValues);
    }
    let Ok(text) = std::str::from_utf8(without_bom(body)) else {
        return Err(BodyError::Invalid("the body isn't UTF-8".into()));
    };
    let names: Vec<&str> = names.split_whitespace().collect();
    let reduced = (!names.is_empty()).then(|| reduced(text, &names));
    let reduced = reduced.flatten();
    let text = reduced.as_deref().unwrap_or(text);
    quick_xml::de::from_str(text).map_err(|error| match error {
        DeError::UnexpectedEof => truncated(),
        DeError::InvalidXml(Error::IllFormed(_)) => truncated(),
        DeError::InvalidXml(Error::Syntax(
            SyntaxError::UnclosedTag | SyntaxError::UnclosedComment | SyntaxError::UnclosedCData,
        )) => truncated(),
        _ => BodyError::Invalid("the body isn't the XML expected".into()),
    })
}

/// The text of the first element that the last of these names has; none if there is none or it is
/// empty. Where another than the caller reads has the name, that costs a request.
pub(super) fn find(body: &[u8], path: &[&str]) -> Option<String> {
    let start = format!("<{}>", path.last()?);
    let at = memmem::find(body, start.as_bytes())? + start.len();
    let text = &body[at..at + memchr(b'<', &body[at..])?];
    let text = unescape(std::str::from_utf8(text).ok()?).ok()?;
    (!text.is_empty()).then(|| text.into_owned())
}

/// `text` with the root and these elements alone, of those that are in them, and the text of those
/// that have no elements; none where that isn't certain: it has comments, CDATA or instructions,
/// attributes of an element that is left out, or ends early.
///
/// Every `<` is the start of a tag then, so most of the text is skipped by looking for the next.
fn reduced(text: &str, names: &[&str]) -> Option<String> {
    let content = text.strip_prefix("<?xml").unwrap_or(text).as_bytes();
    let mut marks = [b"<!", b"<?"].into_iter();
    if marks.any(|mark| memmem::find(content, mark).is_some()) {
        return None;
    }
    let mut reduced = String::with_capacity(text.len() / 4);
    let (mut rest, mut has_root, mut is_in_leaf) = (text, false, false);
    while let Some(at) = memchr(b'<', rest.as_bytes()) {
        let end = at + memchr(b'>', &rest.as_bytes()[at..])? + 1;
        let tag = &rest[at + 1..end - 1];
        let after_tag = &rest[end..];
        if tag.starts_with(['/', '?']) {
            reduced.push_str(&rest[if is_in_leaf { 0 } else { at }..end]);
            (rest, is_in_leaf) = (after_tag, false);
            continue;
        }
        let name = tag.strip_suffix('/').unwrap_or(tag);
        let is_empty = name.len() < tag.len();
        if !has_root || names.contains(&name) {
            reduced.push_str(&rest[at..end]);
            (rest, has_root, is_in_leaf) = (after_tag, true, !is_empty);
        } else if name.contains(char::is_whitespace) {
            return None;
        } else {
            is_in_leaf = false;
            rest = if is_empty {
                after_tag
            } else {
                after(after_tag, name)?
            };
        }
    }
    reduced.push_str(rest);
    Some(reduced)
}

/// What follows the end of the element `name`, in whose content `rest` begins; none where it has no
/// end, or another of the name with attributes in it.
fn after<'a>(mut rest: &'a str, name: &str) -> Option<&'a str> {
    let mut depth = 1;
    while depth > 0 {
        rest = &rest[memchr(b'<', rest.as_bytes())? + 1..];
        let (tag, change) = match rest.strip_prefix('/') {
            Some(tag) => (tag, -1),
            None => (rest, 1),
        };
        let Some(after) = tag.strip_prefix(name) else {
            continue;
        };
        if let Some(after) = after.strip_prefix('>') {
            depth += change;
            rest = after;
        } else if after.starts_with(char::is_whitespace) {
            return None;
        }
    }
    Some(rest)
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
    fn elements_that_are_not_read_are_left_out() {
        let reduced = |text| reduced(text, &["list", "item"]);
        assert_eq!(
            reduced("<?xml version=\"1.0\"?><r a=\"1\"><list>\n <item> a </item> <no><item>b</item><no/><no>x</no></no><n/><nope>c</nope></list></r>\n").unwrap(),
            "<?xml version=\"1.0\"?><r a=\"1\"><list><item> a </item></list></r>\n"
        );
        for uncertain in [
            "<r><no><!-- </no> --></no></r>",
            "<r><no><![CDATA[</no>]]></no></r>",
            "<r><no><?x </no> ?></no></r>",
            "<r><no a=\">\"></no></r>",
            "<r><no><no a=\"1\"></no></no></r>",
            "<r><no><no></no></r>",
            "<r><item",
        ] {
            assert_eq!(reduced(uncertain), None, "{uncertain}");
        }
    }

    #[test]
    fn a_page_of_which_elements_are_left_out_is_decoded_as_the_whole() {
        for body in [
            "<list><item>a</item><item>c</item><other><item>b</item></other></list>",
            "<list><item>a</item><item>c</item><!-- <other> --><other><item>b</item></other></list>",
        ] {
            let list: List = decode_elements(body.as_bytes(), "item").unwrap();
            assert_eq!(list.item, ["a", "c"]);
        }
        for cut in [
            "<list><item>a</item><other>",
            "<list><other>a</oth",
            "<list><item>a",
        ] {
            assert!(
                matches!(
                    decode_elements::<List>(cut.as_bytes(), "item"),
                    Err(BodyError::Truncated(_))
                ),
                "{cut}"
            );
        }
    }

    #[test]
    fn the_token_is_found_before_a_page_is_decoded() {
        let found = |body: &str| find(body.as_bytes(), &["next"]);
        assert_eq!(
            found("<r><a/><next>x&amp;y=</next>!").as_deref(),
            Some("x&y=")
        );
        for absent in [
            "<r><a/></r>",
            "<r><next/></r>",
            "<r><next></next></r>",
            "<r><next>a",
        ] {
            assert_eq!(found(absent), None, "{absent}");
        }
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
