//! The README of the provider has the key table that the parser reads.

use cloud_autojoin_azure::SPEC;
use cloud_autojoin_provider_kit::testing::readme::assert_current;

#[test]
fn the_readme_has_the_key_table() {
    assert_current(&SPEC, include_str!("../README.md"));
}
