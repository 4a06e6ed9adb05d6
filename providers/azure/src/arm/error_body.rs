//! Reads the code and the message from the body of an error.
//!
//! Four shapes are recorded: ARM's `{"error":{"code","message","details"}}`, App Service's
//! `{"Code","Message"}` without envelope, HTML from the front door, and an empty body.

use cloud_autojoin_core::http::{decode_json, without_bom};
use cloud_autojoin_provider_kit::ErrorBody;
use serde_json::Value;

/// The most details of an error that are read: one resource that fails may have thousands.
const MAX_DETAILS: usize = 16;

/// Reads any body; what can't be read is `None`.
pub(super) fn read(body: &[u8]) -> ErrorBody {
    let body = without_bom(body);
    let object: Value = match decode_json(String::from_utf8_lossy(body).as_bytes()) {
        Ok(object @ Value::Object(_)) => object,
        _ => return ErrorBody::from_text(body),
    };
    let error = field(&object, "error").filter(|error| error.is_object());
    let error = error.unwrap_or(&object);
    let details = field(error, "details").and_then(Value::as_array);
    let details = details.into_iter().flatten().take(MAX_DETAILS);
    let details =
        details.filter_map(|detail| Some((text(detail, "message")?, text(detail, "code"))));
    let message = details.fold(text(error, "message"), |message, (words, code)| {
        Some(match (message, code) {
            // App Service repeats its message among the details.
            (Some(message), _) if message.contains(&words) => message,
            (Some(message), Some(code)) => format!("{message} ({code}: {words})"),
            (Some(message), None) => format!("{message} ({words})"),
            (None, _) => words,
        })
    });
    ErrorBody {
        code: text(error, "code"),
        message,
        ..ErrorBody::default()
    }
}

/// A field that isn't `null`. Names differ in case between services (`code`, `Code`); of several
/// the exact one counts.
fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let present = |value: &&Value| !value.is_null();
    let other_case = || {
        let mut fields = object.as_object()?.iter();
        let found = fields.find(|(key, value)| key.eq_ignore_ascii_case(name) && present(value));
        found.map(|(_, value)| value)
    };
    object.get(name).filter(present).or_else(other_case)
}

fn text(object: &Value, name: &str) -> Option<String> {
    match field(object, name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The action that the identity lacks, as the message of an `AuthorizationFailed` names it:
/// `Microsoft.Network/networkInterfaces/read`.
pub(super) fn missing_action(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("perform action '")?;
    let (action, _) = rest.split_once('\'')?;
    (!action.is_empty() && !action.contains(char::is_whitespace)).then_some(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (Option<String>, Option<String>) {
        let ErrorBody { code, message, .. } = super::read(body.as_bytes());
        (code, message)
    }

    fn some(code: &str, message: &str) -> (Option<String>, Option<String>) {
        (Some(code.to_owned()), Some(message.to_owned()))
    }

    #[test]
    fn code_and_message_stand_in_the_envelope() {
        let body = r#"{"error":{"code":"ResourceGroupNotFound","message":"Resource group 'prod' could not be found.","details":[]}}"#;
        assert_eq!(
            read(body),
            some(
                "ResourceGroupNotFound",
                "Resource group 'prod' could not be found."
            )
        );
    }

    #[test]
    fn details_are_added_where_they_say_more() {
        // shape: recorded azure-cli test_network_vpn_connection_nat_rule, 2023
        let body = r#"{"error":{"code":"RetryableError","message":"A retryable error occurred.","details":[{"code":"RetryableErrorDueToAnotherOperation","message":"Another one runs."}]}}"#;
        assert_eq!(
            read(body),
            some(
                "RetryableError",
                "A retryable error occurred. (RetryableErrorDueToAnotherOperation: Another one runs.)"
            )
        );
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
        assert_eq!(
            read(body),
            (
                None,
                Some(
                    "Our services aren't available right now Please check & come back.".to_owned()
                )
            )
        );
    }

    #[test]
    fn text_and_nothing_and_broken_json_are_read_too() {
        assert_eq!(
            read("upstream connect error\n"),
            (None, Some("upstream connect error".to_owned()))
        );
        assert_eq!(read(""), (None, None));
        assert_eq!(read(r#"{"error":null}"#), (None, None));
        assert_eq!(
            read(r#"{"error":{"code":"#).1.as_deref(),
            Some(r#"{"error":{"code":"#)
        );
        assert_eq!(read("<"), (None, None));
        assert_eq!(read("<style>é"), (None, None));
    }

    #[test]
    fn of_thousands_of_details_only_the_first_are_shown() {
        let details: Vec<String> = (0..20_000)
            .map(|number| {
                format!(
                    r#"{{"code":"C{number}","message":"{number} {}"}}"#,
                    "x".repeat(300)
                )
            })
            .collect();
        let body = format!(
            r#"{{"error":{{"details":[{}],"code":"Conflict","message":"Many."}}}}"#,
            details.join(",")
        );
        let (code, message) = read(&body);
        let message = message.unwrap_or_default();
        assert_eq!(
            (code.as_deref(), message.starts_with("Many. (C0: 0 xxx")),
            (Some("Conflict"), true),
            "{message}"
        );
        assert!(message.contains("C15") && !message.contains("C16"));
    }

    #[test]
    fn the_missing_action_is_read_from_the_refusal() {
        // shape: recorded azure-cli test_backup_csr, 2023
        let body = r#"{"error":{"code":"AuthorizationFailed","message":"The client 'x' with object id 'y' does not have authorization to perform action 'Microsoft.Network/networkInterfaces/read' over scope '/subscriptions/s' or the scope is invalid. If access was recently granted, please refresh your credentials."}}"#;
        assert_eq!(
            missing_action(&read(body).1.unwrap_or_default()),
            Some("Microsoft.Network/networkInterfaces/read")
        );
        assert_eq!(missing_action("no"), None);
    }

    #[test]
    fn every_recorded_error_gives_its_code_and_words() {
        macro_rules! body {
            ($name:literal) => {
                read(include_str!(concat!("../../tests/fixtures/error-", $name)))
            };
        }
        for (body, code, words) in [
            (
                body!("401-expired.json"),
                "ExpiredAuthenticationToken",
                "expiry UTC time",
            ),
            (body!("403.json"), "AuthorizationFailed", "perform action"),
            (
                body!("404-resource-group.json"),
                "ResourceGroupNotFound",
                "'prod' could not be found",
            ),
            (
                body!("404-resource.json"),
                "ResourceNotFound",
                "virtualMachineScaleSets/web",
            ),
            (
                body!("404-network.json"),
                "NotFound",
                "virtualMachineScaleSets/web not found",
            ),
            (
                body!("404-parent.json"),
                "ParentResourceNotFound",
                "'web' not found",
            ),
            (body!("409.json"), "OperationNotAllowed", "not allowed"),
            (
                body!("429-network.json"),
                "RetryableError",
                "(RetryableErrorDueToAnotherOperation: Operation PutSomething",
            ),
            (
                body!("429-other-shape.json"),
                "429",
                "Cannot acquire exclusive lock",
            ),
            (body!("500.json"), "InternalServerError", "tracking id"),
            (
                body!("503.html"),
                "",
                "Our services aren't available right now Please check back soon. Ref A: 0",
            ),
        ] {
            assert_eq!(body.0.unwrap_or_default(), code);
            assert!(
                body.1.as_deref().unwrap_or_default().contains(words),
                "{:?}",
                body.1
            );
        }
    }
}
