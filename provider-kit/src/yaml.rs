//! Configuration files in YAML, such as a kubeconfig or `clouds.yaml`.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};

/// The first document of `text` in JSON; null without one. Entries that are null are left out: Go
/// writes empty lists so.
///
/// # Errors
///
/// The line that isn't YAML, without a part of it: it may be a secret.
pub fn from_yaml(text: &str) -> Result<Value, String> {
    let documents = Yaml::load_from_str(text)
        .map_err(|error| format!("line {} isn't valid YAML", error.marker().line()))?;
    Ok(documents.first().map_or(Value::Null, json))
}

fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::String(text)) => Value::from(text.as_ref()),
        Yaml::Value(Scalar::Boolean(value)) => Value::from(*value),
        Yaml::Value(Scalar::Integer(number)) => Value::from(*number),
        Yaml::Value(Scalar::FloatingPoint(number)) => Value::from(number.into_inner()),
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries
                .iter()
                .filter_map(|(name, value)| Some((name.as_str()?.to_owned(), json(value))));
            let filled = entries.filter(|(_, value)| !value.is_null());
            filled.collect::<Map<_, _>>().into()
        }
        Yaml::Tagged(_, value) => json(value),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_document_is_read_without_what_is_null() {
        let text = "a: &x [1, 'two', true]\nb: *x\nc:\nd: {e: ~, f: !!str 5}\n---\nother: 1\n";
        let expected = json!({"a": [1, "two", true], "b": [1, "two", true], "d": {"f": "5"}});
        assert_eq!(from_yaml(text).unwrap(), expected);
        assert_eq!(from_yaml("").unwrap(), Value::Null);
    }

    #[test]
    fn a_line_that_is_not_yaml_is_named_and_not_repeated() {
        assert_eq!(
            from_yaml("a: 1\nb: [c4n4ry\n").unwrap_err(),
            "line 3 isn't valid YAML"
        );
    }
}
