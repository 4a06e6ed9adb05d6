//! Finds the token of the next page in a body that isn't decoded yet.

use std::fmt;

use cloud_autojoin_core::http::without_bom;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// The text or number at `path` of a JSON object; none if it is absent, null or empty. What follows
/// it isn't read, what comes before it is skipped.
pub(super) fn find(body: &[u8], path: &[&str]) -> Option<String> {
    let mut found = None;
    let finder = Finder {
        path,
        found: &mut found,
    };
    // It always ends with an error: that of the body, or the one that stops it.
    _ = finder.deserialize(&mut serde_json::Deserializer::from_slice(without_bom(body)));
    found
}

struct Finder<'a> {
    path: &'a [&'a str],
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Finder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Finder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((name, path)) = self.path.split_first() else {
            return Ok(());
        };
        while let Some(key) = map.next_key::<String>()? {
            if key != *name {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if path.is_empty() {
                *self.found = match map.next_value()? {
                    Value::String(text) if !text.is_empty() => Some(text),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                };
            } else {
                let found = self.found;
                map.next_value_seed(Finder { path, found })?;
            }
            return Err(A::Error::custom("enough"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_before_the_rest_is_read() {
        let token = |body: &str, path: &[&str]| find(body.as_bytes(), path);
        let found = Some("a\"b".to_owned());
        assert_eq!(token(r#"{"a":[{}],"next":"a\"b",!"#, &["next"]), found);
        assert_eq!(
            token(r#"{"m":{"x":1,"next":"a\"b"},!"#, &["m", "next"]),
            found
        );
        assert_eq!(
            token("\u{feff}{\"page\":2}", &["page"]),
            Some("2".to_owned())
        );
    }

    #[test]
    fn an_absent_token_is_none() {
        for body in [
            r#"{"m":{"x":1},"next":"t"}"#,
            r#"{"m":{"next":null},"next":"t"}"#,
            r#"{"m":{"next":""}}"#,
            r#"{"m":{"next":{}}}"#,
            r#"{"m":"text"}"#,
            r#"["m"]"#,
            "{",
            "",
        ] {
            assert_eq!(find(body.as_bytes(), &["m", "next"]), None, "{body}");
        }
    }
}
