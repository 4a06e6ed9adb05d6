//! Text that must not be seen: client secrets, tokens, keys.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text, wiped from memory when it is dropped.
///
/// It has no `Display` and no `Serialize`, and its `Debug` says nothing of the value, so it cannot
/// reach a log, an error or a metric by accident. [`Secret::expose`] is the one way to the text; a
/// search for `expose(` finds every place that uses one.
///
/// ```
/// let secret = cloud_autojoin_core::Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "Secret");
/// assert_eq!(secret.expose(), "hunter2");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes `text` as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that sends it to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}
