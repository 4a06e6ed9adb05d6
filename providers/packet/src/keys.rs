//! The keys of a join string, which are still known so that none is reported as a mistake.

use cloud_autojoin_provider_kit::KeySpec;

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    KeySpec::new("auth_token", "the API token")
        .env(&["PACKET_AUTH_TOKEN"])
        .secret(),
    KeySpec::new("project", "the id of the project").env(&["PACKET_PROJECT"]),
    KeySpec::new("url", "the URL of the API").env(&["PACKET_URL"]),
    KeySpec::new("address_type", "which addresses of a device were returned"),
    KeySpec::new("facility", "the facilities to look in"),
    KeySpec::new("tag", "the tags of which devices had one"),
];
