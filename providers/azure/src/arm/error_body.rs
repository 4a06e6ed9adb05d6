//! What Azure says in the body of an error.
//!
//! Four shapes are recorded: ARM's `{"error":{"code","message","details"}}`, App Service's `{"Code","Message"}` without envelope, HTML from the front door, and nothing at all.

use std::borrow::Cow;
use std::fmt;

use cloud_autojoin_core::http::without_bom;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The longest message that is passed on, in characters.
const LONGEST: usize = 600;

/// The most details of an error that are read: one resource that fails may have thousands.
const MAX_DETAILS: usize = 16;

/// The most bytes of a body that isn't JSON that are looked at.
const MAX_TEXT: usize = 64 << 10;

/// The error code and the words of Azure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ErrorBody {
    /// `AuthorizationFailed`.
    pub code: Option<String>,
    /// In Azure's own words, with the details behind them where they say more.
    pub message: Option<String>,
}

impl ErrorBody {
    /// Reads any body; what cannot be read is `None`. Takes time by the size of the body, and
    /// memory for what is kept.
    pub(crate) fn read(body: &[u8]) -> Self {
        let body = without_bom(body);
        let read = match std::str::from_utf8(body) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_str(&String::from_utf8_lossy(body)),
        };
        if let Ok(Field::Object(object)) = read {
            return Self::of_object(*object);
        }
        let text = String::from_utf8_lossy(&body[..body.len().min(MAX_TEXT)]);
        let text = text.trim();
        let words = if text.starts_with('<') { words_of_html(text) } else { Cow::Borrowed(text) };
        Self { code: None, message: filled(&words) }
    }

    fn of_object(mut object: Object) -> Self {
        if let Some(Field::Object(error)) = object.error.take() {
            object = *error;
        }
        let code = object.code.and_then(Field::text);
        let mut message = object.message.and_then(Field::text);
        if let Some(Field::Objects(details)) = object.details {
            for detail in details {
                let Some(words) = detail.message.and_then(Field::text) else { continue };
                let code = detail.code.and_then(Field::text);
                message = Some(match message {
                    // App Service repeats its message among the details.
                    Some(message) if message.contains(words.as_str()) => message,
                    Some(message) => match code {
                        Some(code) => format!("{message} ({code}: {words})"),
                        None => format!("{message} ({words})"),
                    },
                    None => words,
                });
            }
        }
        Self { code, message: message.as_deref().and_then(filled) }
    }

    /// The action that the identity lacks, as the message of an `AuthorizationFailed` names it: `Microsoft.Network/networkInterfaces/read`.
    pub(crate) fn missing_action(&self) -> Option<&str> {
        let (_, rest) = self.message.as_deref()?.split_once("perform action '")?;
        let (action, _) = rest.split_once('\'')?;
        (!action.is_empty() && !action.contains(char::is_whitespace)).then_some(action)
    }
}

/// The fields of an error that are read. Their names differ in case between services (`code`,
/// `Code`); of several the exact one counts.
#[derive(Default)]
struct Object {
    error: Option<Field>,
    code: Option<Field>,
    message: Option<Field>,
    details: Option<Field>,
}

/// The value of such a field, whatever it is.
enum Field {
    Text(String),
    Object(Box<Object>),
    /// The first objects of a list.
    Objects(Vec<Object>),
    Null,
    Other,
}

impl Field {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => filled(&text),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor;

        impl<'de> Visitor<'de> for FieldVisitor {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Field, E> {
                Ok(filled(text).map_or(Field::Other, Field::Text))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
                Ok(Field::Text(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Field, E> {
                Ok(Field::Text(number.to_string()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Field, E> {
                Ok(Field::Text(number.to_string()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Field, E> {
                Ok(Field::Other)
            }

            fn visit_unit<E>(self) -> Result<Field, E> {
                Ok(Field::Null)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Field, A::Error> {
                let mut objects = Vec::new();
                while objects.len() < MAX_DETAILS {
                    match list.next_element()? {
                        Some(Field::Object(object)) => objects.push(*object),
                        Some(_) => {}
                        None => return Ok(Field::Objects(objects)),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Field::Objects(objects))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
                let mut object = Object::default();
                while let Some(name) = map.next_key::<Cow<'_, str>>()? {
                    let slot = match name.to_ascii_lowercase().as_str() {
                        "error" => &mut object.error,
                        "code" => &mut object.code,
                        "message" => &mut object.message,
                        "details" => &mut object.details,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    let is_exact = !name.bytes().any(|byte| byte.is_ascii_uppercase());
                    match map.next_value()? {
                        Field::Null => {}
                        value if is_exact || slot.is_none() => *slot = Some(value),
                        _ => {}
                    }
                }
                Ok(Field::Object(Box::new(object)))
            }
        }

        deserializer.deserialize_any(FieldVisitor)
    }
}

/// The text on one line and not endless; `None` when it says nothing.
fn filled(text: &str) -> Option<String> {
    let mut words = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
            length += 1;
        }
        for character in word.chars() {
            if length == LONGEST {
                words.push_str(" ...");
                return Some(words);
            }
            words.push(character);
            length += 1;
        }
    }
    (!words.is_empty()).then_some(words)
}

/// What a reader sees of a page of HTML: the text outside tags, without style and script.
fn words_of_html(html: &str) -> Cow<'_, str> {
    let mut words = String::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        words.push_str(&rest[..start]);
        words.push(' ');
        rest = &rest[start..];
        let silent = ["style", "script", "title"].into_iter().find(|name| rest.get(1..=name.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(name)));
        let end = match silent {
            Some(name) => rest.find(&format!("</{name}")).map_or(rest.len(), |end| end + 2),
            None => 0,
        };
        rest = rest[end..].find('>').map_or("", |close| &rest[end + close + 1..]);
    }
    words.push_str(rest);
    Cow::Owned(words.replace("&#39;", "'").replace("&quot;", "\"").replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (Option<String>, Option<String>) {
        let ErrorBody { code, message } = ErrorBody::read(body.as_bytes());
        (code, message)
    }

    fn some(code: &str, message: &str) -> (Option<String>, Option<String>) {
        (Some(code.to_owned()), Some(message.to_owned()))
    }

    #[test]
    fn code_and_message_stand_in_the_envelope() {
        let body = r#"{"error":{"code":"ResourceGroupNotFound","message":"Resource group 'prod' could not be found.","details":[]}}"#;
        assert_eq!(read(body), some("ResourceGroupNotFound", "Resource group 'prod' could not be found."));
    }

    #[test]
    fn details_are_added_where_they_say_more() {
        // shape: recorded azure-cli test_network_vpn_connection_nat_rule, 2023
        let body = r#"{"error":{"code":"RetryableError","message":"A retryable error occurred.","details":[{"code":"RetryableErrorDueToAnotherOperation","message":"Another one runs."}]}}"#;
        assert_eq!(read(body), some("RetryableError", "A retryable error occurred. (RetryableErrorDueToAnotherOperation: Another one runs.)"));
    }

    #[test]
    fn capital_names_without_envelope_are_read_and_not_repeated() {
        // shape: recorded azure-cli test_config_backup_delete, 2023
        let body = r#"{"Code":"429","Message":"Locked.","Target":null,"Details":[{"Message":"Locked."},{"Code":"429"},{"ErrorEntity":{}}],"Innererror":null}"#;
        assert_eq!(read(body), some("429", "Locked."));
    }

    #[test]
    fn html_gives_its_words() {
        // shape: recorded azure-cli test_dns_zone2_import, 2023
        let body = "<!DOCTYPE html PUBLIC 'x'><html><head><style type='text/css'>body > p {color:#000}</style><title>AzureResourceManager</title></head>\
                    <body><h2>Our services aren't available right now</h2><p>Please check &amp; come back.</p></body></html>";
        assert_eq!(read(body), (None, Some("Our services aren't available right now Please check & come back.".to_owned())));
    }

    #[test]
    fn text_and_nothing_and_broken_json_are_read_too() {
        assert_eq!(read("upstream connect error\n"), (None, Some("upstream connect error".to_owned())));
        assert_eq!(read(""), (None, None));
        assert_eq!(read(r#"{"error":null}"#), (None, None));
        assert_eq!(read(r#"{"error":{"code":"#).1.as_deref(), Some(r#"{"error":{"code":"#));
        assert_eq!(read("<"), (None, None));
        assert_eq!(read("<style>é"), (None, None));
    }

    #[test]
    fn of_thousands_of_details_only_the_first_are_kept() {
        let details: Vec<String> = (0..20_000).map(|number| format!(r#"{{"code":"C{number}","message":"{number} {}"}}"#, "x".repeat(300))).collect();
        let body = format!(r#"{{"error":{{"details":[{}],"code":"Conflict","message":"Many."}}}}"#, details.join(","));
        let Ok(Field::Object(object)) = serde_json::from_str(&body) else { panic!("no object") };
        let Some(Field::Object(error)) = object.error else { panic!("no error") };
        assert!(matches!(error.details, Some(Field::Objects(details)) if details.len() == MAX_DETAILS));
        let (code, message) = read(&body);
        let message = message.unwrap_or_default();
        assert_eq!((code.as_deref(), message.starts_with("Many. (C0: 0 xxx")), (Some("Conflict"), true), "{message}");
        assert_eq!(message.chars().count(), LONGEST + 4);
    }

    #[test]
    fn an_endless_message_is_cut() {
        let message = read(&"é".repeat(10_000)).1.unwrap_or_default();
        assert_eq!(message.chars().count(), LONGEST + 4);
    }

    #[test]
    fn the_missing_action_is_read_from_the_refusal() {
        // shape: recorded azure-cli test_backup_csr, 2023
        let body = r#"{"error":{"code":"AuthorizationFailed","message":"The client 'x' with object id 'y' does not have authorization to perform action 'Microsoft.Network/networkInterfaces/read' over scope '/subscriptions/s' or the scope is invalid. If access was recently granted, please refresh your credentials."}}"#;
        assert_eq!(ErrorBody::read(body.as_bytes()).missing_action(), Some("Microsoft.Network/networkInterfaces/read"));
        assert_eq!(ErrorBody::read(br#"{"error":{"code":"AuthorizationFailed","message":"no"}}"#).missing_action(), None);
    }

    #[test]
    fn every_recorded_error_gives_its_code_and_words() {
        macro_rules! body {
            ($name:literal) => {
                read(include_str!(concat!("../../tests/fixtures/error-", $name)))
            };
        }
        for (body, code, words) in [
            (body!("401-expired.json"), "ExpiredAuthenticationToken", "expiry UTC time"),
            (body!("403.json"), "AuthorizationFailed", "perform action"),
            (body!("404-resource-group.json"), "ResourceGroupNotFound", "'prod' could not be found"),
            (body!("404-resource.json"), "ResourceNotFound", "virtualMachineScaleSets/web"),
            (body!("404-network.json"), "NotFound", "virtualMachineScaleSets/web not found"),
            (body!("404-parent.json"), "ParentResourceNotFound", "'web' not found"),
            (body!("409.json"), "OperationNotAllowed", "not allowed"),
            (body!("429-network.json"), "RetryableError", "(RetryableErrorDueToAnotherOperation: Operation PutSomething"),
            (body!("429-other-shape.json"), "429", "Cannot acquire exclusive lock"),
            (body!("500.json"), "InternalServerError", "tracking id"),
            (body!("503.html"), "", "Our services aren't available right now Please check back soon. Ref A: 0"),
        ] {
            assert_eq!(body.0.unwrap_or_default(), code);
            assert!(body.1.as_deref().unwrap_or_default().contains(words), "{:?}", body.1);
        }
    }
}
