//! JSON from a server or a program, with a limit on its memory.

use serde::de::{DeserializeOwned, Error as _};
use serde_json::Value;

/// The maximum number of values in a JSON text. A limit on bytes isn't enough: 64 MiB of `{}` are
/// 20 million values, each of which may take hundreds of bytes when decoded. Real pages have up to
/// 100,000.
pub const MAX_JSON_VALUES: usize = 2_000_000;

/// Decodes a JSON text. A UTF-8 byte order mark before it is skipped.
///
/// # Errors
///
/// It isn't JSON, not what `T` expects, or has more than [`MAX_JSON_VALUES`].
pub fn decode_json<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    if has_too_many_values(body) {
        return Err(serde_json::Error::custom(format_args!(
            "more than {MAX_JSON_VALUES} values"
        )));
    }
    decode_unlimited(body)
}

pub(super) fn decode_unlimited<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    let body = without_bom(body);
    // Validating the text once is faster than validating each string. Invalid UTF-8 is allowed in
    // fields that aren't read.
    let decoded = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    match decoded {
        Err(error) if error.is_data() => decode_without_nulls(body).ok_or(error),
        decoded => decoded,
    }
}

/// Decodes a body in which a field is `null` that could be absent: for services that write it so,
/// such as `nil` lists of Go. Fields of objects are dropped, items of lists aren't.
fn decode_without_nulls<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let mut value = serde_json::from_slice(body).ok()?;
    if !remove_nulls(&mut value) {
        return None;
    }
    // As text: some types borrow from it.
    serde_json::from_str(&value.to_string()).ok()
}

/// Removes the fields that are `null`; whether there was one.
fn remove_nulls(value: &mut Value) -> bool {
    let mut any = false;
    match value {
        Value::Object(fields) => fields.retain(|_, field| {
            any |= field.is_null() || remove_nulls(field);
            !field.is_null()
        }),
        Value::Array(items) => items.iter_mut().for_each(|item| any |= remove_nulls(item)),
        _ => {}
    }
    any
}

/// The text without a UTF-8 byte order mark, which some servers and editors write.
pub fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)
}

/// Whether there are more than [`MAX_JSON_VALUES`]. Each except the first follows a comma or opens
/// a list or an object; those inside strings are counted too, which makes this cheap.
pub(super) fn has_too_many_values(body: &[u8]) -> bool {
    // A value takes at least two bytes with its separator, so bodies below 4 MB, which are most
    // pages, are not scanned.
    body.len() / 2 > MAX_JSON_VALUES
        && body.chunks(u8::MAX.into()).map(values_in).sum::<usize>() > MAX_JSON_VALUES
}

/// The number of values that begin in a piece of at most 255 bytes: a counter of one byte lets the
/// compiler count many bytes at once, a tenth of the instructions.
fn values_in(piece: &[u8]) -> usize {
    let bytes = piece.iter();
    let count: u8 = bytes
        .map(|byte| u8::from(matches!(byte, b',' | b'[' | b'{')))
        .sum();
    count.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(
            decode_json::<Vec<u8>>(b"\xEF\xBB\xBF[1,2]").ok(),
            Some(vec![1, 2])
        );
        assert!(decode_json::<Vec<u8>>(b"\xEF\xBB\xBF").is_err_and(|error| error.is_eof()));
    }

    #[derive(Debug, serde::Deserialize, PartialEq)]
    struct Server {
        id: u8,
        #[serde(default)]
        tags: Vec<String>,
        other: Option<Value>,
    }

    #[test]
    fn null_counts_as_absent_where_the_type_does_not_take_it() {
        let decode = |text: &str| decode_json::<Vec<Server>>(text.as_bytes());
        let other = Some(serde_json::json!({}));
        let server = |other| Server {
            id: 1,
            tags: Vec::new(),
            other,
        };
        let found = decode(r#"[{"id": 1, "tags": null, "other": {"a": null}}]"#);
        assert_eq!(found.ok(), Some(vec![server(other)]));
        for hole in [
            r#"[{"id": null}]"#,
            "[null]",
            r#"[{"id": 1, "tags": [null]}]"#,
        ] {
            let error = decode(hole).map(|_| ()).map_err(|error| error.to_string());
            assert!(
                error.is_err_and(|error| error.contains("invalid type: null")),
                "{hole}"
            );
        }
    }

    #[test]
    fn a_list_without_end_is_refused_before_it_takes_memory() {
        let list = |items: usize| format!("[{}{{}}]", "{},".repeat(items - 1));
        let error = decode_json::<Vec<serde_json::Map<String, serde_json::Value>>>(
            list(2_000_000).as_bytes(),
        )
        .map(|_| ());
        assert_eq!(
            error.map_err(|error| error.to_string()),
            Err("more than 2000000 values".to_owned())
        );
        let values = decode_json::<Vec<serde::de::IgnoredAny>>(list(900_000).as_bytes());
        assert_eq!(values.map(|values| values.len()).ok(), Some(900_000));
    }

    #[test]
    fn every_value_of_a_long_list_is_counted() {
        let list = format!("[{}]", vec!["0"; MAX_JSON_VALUES].join(","));
        assert!(!has_too_many_values(list.as_bytes()));
        let list = list.replacen('0', "[0]", 1);
        assert!(has_too_many_values(list.as_bytes()));
        // Nothing but separators.
        assert!(has_too_many_values(&vec![b','; 2 * MAX_JSON_VALUES + 2]));
    }

    #[test]
    fn a_long_text_is_no_list() {
        let text = format!("\"{}\"", "x".repeat(5_000_000));
        assert_eq!(
            decode_json::<String>(text.as_bytes())
                .map(|text| text.len())
                .ok(),
            Some(5_000_000)
        );
    }
}
