//! A join string with masked values: [`Masked`].

use std::fmt;

use super::{ConfigString, escape};

/// A join string whose values are `***` unless their key is known to be safe.
///
/// Created by [`ConfigString::masked`]. `Display` looks like a join string, but doesn't parse back.
#[derive(Clone, Copy)]
pub struct Masked<'a, F> {
    config: &'a ConfigString,
    is_safe: F,
}

impl<'a, F: Fn(&str) -> bool> Masked<'a, F> {
    pub(super) fn new(config: &'a ConfigString, is_safe: F) -> Self {
        Self { config, is_safe }
    }
}

impl<F: Fn(&str) -> bool> fmt::Display for Masked<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.config.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            escape::write_text(f, key)?;
            f.write_str("=")?;
            if (self.is_safe)(key) {
                escape::write_text(f, value)?;
            } else {
                // Always the same, so that it doesn't reveal the length or whether there is a
                // value.
                f.write_str("***")?;
            }
        }
        Ok(())
    }
}

impl<F: Fn(&str) -> bool> fmt::Debug for Masked<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masked({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KeySpec;
    use crate::config::key::is_safe;

    const TABLE: &[KeySpec] = &[
        KeySpec::new("tag_name", "the tag"),
        KeySpec::new("client_secret", "the secret")
            .aliases(&["secret_access_key"])
            .secret(),
    ];

    fn config() -> ConfigString {
        ConfigString::new()
            .with("tag_name", "a b")
            .with("secret_access_key", "canary")
            .with("client_secert", "canary")
            .with("provider", "azure")
    }

    #[test]
    fn debug_shows_keys_and_no_value() {
        assert_eq!(
            format!("{:?}", config()),
            "ConfigString(provider=*** client_secert=*** secret_access_key=*** tag_name=***)"
        );
    }

    #[test]
    fn only_values_of_known_keys_that_are_no_secret_are_shown() {
        let config = config();
        let masked = config.masked(|key| is_safe(TABLE, key));
        let shown = r#"provider=azure client_secert=*** secret_access_key=*** tag_name="a b""#;
        assert_eq!(masked.to_string(), shown);
        assert_eq!(format!("{masked:?}"), format!("Masked({shown})"));
    }
}
