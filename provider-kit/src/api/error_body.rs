//! Reads the cloud's error code and message from the body of an error response.

use cloud_autojoin_core::http::{Response, without_bom};
use serde_json::Value;

/// The most bytes of a body without a format that are looked at.
const MAX_TEXT: usize = 64 << 10;

/// The content of an error body, as the cloud sent it: [`ApiError`] truncates and masks it.
///
/// [`ApiError`]: cloud_autojoin_core::ApiError
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The cloud's error code, `Forbidden`.
    pub code: Option<String>,
    /// The cloud's message.
    pub message: Option<String>,
    /// The request id, for the cloud's support.
    pub request_id: Option<String>,
}

impl ErrorBody {
    /// Reads a JSON body; `code`, `message` and `request_id` are JSON pointers (RFC 6901), the
    /// first that leads to a string or number counts.
    ///
    /// A body that isn't JSON, such as a proxy's HTML page, is read by [`ErrorBody::from_text`].
    pub fn from_json(body: &[u8], code: &[&str], message: &[&str], request_id: &[&str]) -> Self {
        let body = without_bom(body);
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Self::from_text(body);
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
            message: find(message),
            request_id: find(request_id),
        }
    }

    /// The same error with the request id of a header, if the response has it.
    #[must_use]
    pub fn with_request_id(mut self, response: &Response, header: &str) -> Self {
        let id = response.headers.get(header).and_then(|id| id.to_str().ok());
        self.request_id = id.map(str::to_owned).or(self.request_id);
        self
    }

    /// Takes a body that isn't the API's own format for the message: plain text, or what a reader
    /// sees of a page of HTML. It comes from a proxy, or from the front end of a cloud.
    pub fn from_text(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&body[..body.len().min(MAX_TEXT)]);
        let text = text.trim();
        let words = if text.starts_with('<') {
            words_of_html(text)
        } else {
            text.to_owned()
        };
        let words: Vec<&str> = words.split_whitespace().collect();
        Self {
            message: (!words.is_empty()).then(|| words.join(" ")),
            ..Self::default()
        }
    }

    /// Reads the text of the first element of each name from an XML body, wherever it is.
    #[cfg(feature = "xml")]
    pub fn from_xml(body: &[u8], code: &str, message: &str, request_id: &[&str]) -> Self {
        use quick_xml::escape::resolve_xml_entity;
        use quick_xml::events::Event;

        let mut found = Self::default();
        let Ok(body) = std::str::from_utf8(body) else {
            return found;
        };
        let mut reader = quick_xml::Reader::from_str(body.trim_start_matches('\u{feff}'));
        let (mut element, mut content) = (String::new(), String::new());
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Start(start) => {
                    start.local_name().as_ref().clone_into(&mut element);
                    content.clear();
                }
                Event::Text(text) => content.push_str(&text),
                Event::CData(text) => content.push_str(&text),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(character)) => content.push(character),
                    _ => content.push_str(resolve_xml_entity(&reference).unwrap_or_default()),
                },
                Event::End(_) => {
                    let text = std::mem::take(&mut content);
                    let element = std::mem::take(&mut element);
                    let slot = if element == code {
                        &mut found.code
                    } else if element == message {
                        &mut found.message
                    } else if request_id.contains(&element.as_str()) {
                        &mut found.request_id
                    } else {
                        continue;
                    };
                    if slot.is_none() && !text.trim().is_empty() {
                        *slot = Some(text.trim().to_owned());
                    }
                }
                Event::Eof => break,
                Event::Empty(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_) => {}
            }
        }
        if found == Self::default() {
            return Self::from_text(body.as_bytes());
        }
        found
    }
}

/// What a reader sees of a page of HTML: the text outside tags, without style, script and title.
fn words_of_html(html: &str) -> String {
    let mut words = String::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        words.push_str(&rest[..start]);
        words.push(' ');
        rest = &rest[start..];
        let is_of = |name: &&str| {
            let tag = rest.get(1..=name.len());
            tag.is_some_and(|tag| tag.eq_ignore_ascii_case(name))
        };
        let silent = ["style", "script", "title"].into_iter().find(is_of);
        let end = silent.map_or(0, |name| {
            let end = rest.find(&format!("</{name}"));
            end.map_or(rest.len(), |end| end + 2)
        });
        let close = rest[end..].find('>');
        rest = close.map_or("", |close| &rest[end + close + 1..]);
    }
    words.push_str(rest);
    [
        ("&#39;", "'"),
        ("&quot;", "\""),
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(words, |words, (entity, text)| words.replace(entity, text))
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
            "<html><title>502</title></html>",
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

    #[test]
    fn a_body_in_another_format_is_the_message_as_it_reads() {
        let message =
            |body: &str| ErrorBody::from_json(body.as_bytes(), &["/id"], &["/m"], &[]).message;
        let text = "Client sent an HTTP request to an HTTPS server.";
        assert_eq!(message(&format!("{text}\n")).as_deref(), Some(text));
        let page = message("<html><body><h1>403 Forbidden</h1>by policy</body></html>");
        assert_eq!(page.as_deref(), Some("403 Forbidden by policy"));
    }

    #[test]
    fn text_and_the_words_of_html_are_the_message() {
        let read = |body: &str| ErrorBody::from_text(body.as_bytes()).message;
        let page = "<!DOCTYPE html PUBLIC 'x'><html><head><style type='text/css'>body > p {color:#000}</style><title>Gateway</title></head>\
                    <body><h2>Our services aren't available right now</h2><p>Please check &amp; come back.</p></body></html>";
        assert_eq!(
            read(page).as_deref(),
            Some("Our services aren't available right now Please check & come back.")
        );
        assert_eq!(
            read("upstream  connect error\n").as_deref(),
            Some("upstream connect error")
        );
        for nothing in ["", " \n", "<", "<style>é"] {
            assert_eq!(read(nothing), None, "{nothing:?}");
        }
        let long = read(&"é".repeat(100_000)).unwrap_or_default();
        assert_eq!(long.len(), MAX_TEXT);
    }

    #[cfg(feature = "xml")]
    #[test]
    fn an_xml_body_is_read_by_the_names_of_its_elements() {
        let body =
            b"<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>not &quot;allowed&quot; &#x26; <![CDATA[<b>]]></Message></Error></Errors><RequestID>r-1</RequestID></Response>";
        let text = |text: &str| Some(text.to_owned());
        let expected = ErrorBody {
            code: text("UnauthorizedOperation"),
            message: text("not \"allowed\" & <b>"),
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
}
