//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values};

/// The name after `provider=`.
pub(crate) const NAME: &str = "exec";

pub(crate) const COMMAND: KeySpec = KeySpec::new(
    "command",
    "the program and its arguments, split at white space; there is no shell and no quoting. It is shown in logs and process lists: put no secret in it",
)
.required();

pub(crate) const TIMEOUT: KeySpec = KeySpec::new(
    "timeout",
    "how long the program may run before it is killed; the whole call's timeout by default",
)
.values(Values::Duration);

pub(crate) const PASS_ENV: KeySpec =
    KeySpec::new("pass_env", "environment variables that hold a secret and are passed to the program all the same, such as `HCLOUD_TOKEN`")
        .values(Values::List);

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[COMMAND, TIMEOUT, PASS_ENV];
