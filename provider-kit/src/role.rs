//! Text of roles that providers write.

use serde_json::Value;

/// `text` as a string of HCL: as in JSON, except for `${` and `%{`, which begin a template. A name
/// has neither, and is the same string in YAML.
pub fn hcl_string(text: &str) -> String {
    Value::from(text)
        .to_string()
        .replace("${", "$${")
        .replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_the_string_or_begins_a_template() {
        assert_eq!(hcl_string("a b"), r#""a b""#);
        assert_eq!(hcl_string("a\"\\\n${b}%{c}"), r#""a\"\\\n$${b}%%{c}""#);
    }
}
