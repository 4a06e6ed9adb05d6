//! The cloud's own words for what went wrong, read from the body of an error response.

use serde_json::Value;

/// Where to cut a message: what follows is a page of HTML or a stack trace.
const MAX_MESSAGE: usize = 500;

/// What an error body says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The cloud's error code, `Forbidden`.
    pub code: Option<String>,
    /// The cloud's message.
    pub message: Option<String>,
    /// The id under which the cloud's support finds the request.
    pub request_id: Option<String>,
}

impl ErrorBody {
    /// Reads a JSON body; `code`, `message` and `request_id` are JSON pointers (RFC 6901), the
    /// first that leads to a string or number counts.
    ///
    /// A body that isn't JSON, such as a proxy's HTML page, gives nothing: it isn't the cloud's.
    pub fn from_json(body: &[u8], code: &[&str], message: &[&str], request_id: &[&str]) -> Self {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Self::default();
        };
        let find = |pointers: &[&str]| {
            pointers
                .iter()
                .find_map(|pointer| match body.pointer(pointer)? {
                    Value::String(text) if !text.is_empty() => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                })
        };
        Self {
            code: find(code),
            message: find(message).map(cut),
            request_id: find(request_id),
        }
    }

    /// Reads the text of the first element of each name from an XML body, wherever it is.
    #[cfg(feature = "xml")]
    pub fn from_xml(body: &[u8], code: &str, message: &str, request_id: &[&str]) -> Self {
        use quick_xml::events::Event;

        let mut found = Self::default();
        let Ok(body) = std::str::from_utf8(body) else {
            return found;
        };
        let mut reader = quick_xml::Reader::from_str(body.trim_start_matches('\u{feff}'));
        let mut element = String::new();
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Start(start) => element = start.local_name().as_ref().to_owned(),
                Event::End(_) => element.clear(),
                Event::Text(text) => {
                    let slot = if element == code {
                        &mut found.code
                    } else if element == message {
                        &mut found.message
                    } else if request_id.contains(&element.as_str()) {
                        &mut found.request_id
                    } else {
                        continue;
                    };
                    let text = text.trim();
                    if slot.is_none() && !text.is_empty() {
                        *slot = Some(cut(text.to_owned()));
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        found
    }
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(MAX_MESSAGE) {
        text.truncate(at);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_message_and_request_id_are_read_from_where_the_cloud_puts_them() {
        let body = br#"{"errors":[{"reason":"Invalid Token","code":401}],"id":"x"}"#;
        let found = ErrorBody::from_json(
            body,
            &["/errors/0/code"],
            &["/message", "/errors/0/reason"],
            &["/id"],
        );
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            ErrorBody {
                code: text("401"),
                message: text("Invalid Token"),
                request_id: text("x")
            }
        );
    }

    #[test]
    fn a_body_that_is_not_the_clouds_says_nothing() {
        for body in [
            "<html>Bad Gateway</html>",
            "",
            "[]",
            "null",
            "{\"message\":{}}",
        ] {
            assert_eq!(
                ErrorBody::from_json(body.as_bytes(), &["/id"], &["/message"], &[]),
                ErrorBody::default()
            );
        }
    }

    #[cfg(feature = "xml")]
    #[test]
    fn an_xml_body_is_read_by_the_names_of_its_elements() {
        let body =
            b"<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>not allowed</Message></Error></Errors><RequestID>r-1</RequestID></Response>";
        let text = |text: &str| Some(text.to_owned());
        let expected = ErrorBody {
            code: text("UnauthorizedOperation"),
            message: text("not allowed"),
            request_id: text("r-1"),
        };
        assert_eq!(
            ErrorBody::from_xml(body, "Code", "Message", &["RequestId", "RequestID"]),
            expected
        );
        assert_eq!(
            ErrorBody::from_xml(b"<html>", "Code", "Message", &[]),
            ErrorBody::default()
        );
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let body = format!("{{\"message\":\"{}\"}}", "ä".repeat(2000));
        let message = ErrorBody::from_json(body.as_bytes(), &[], &["/message"], &[])
            .message
            .unwrap_or_default();
        assert_eq!(message.chars().count(), MAX_MESSAGE + 3);
    }
}
