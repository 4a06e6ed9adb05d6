//! Whatever a map holds, its printed join string reads back to the same map.

use cloud_autojoin_core::config::ConfigString;
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;

/// Any text, thick with what the grammar treats specially; may be empty.
fn text() -> impl Strategy<Value = String> {
    let special =
        prop::sample::select(" =\"\\'\t\n\r\u{b}\0\x07\x1b\x7f\u{85}\u{a0}\u{ad}\u{200b}\u{2028}\u{3000}\u{feff}\u{fffd}xu07é".chars().collect::<Vec<_>>());
    vec(prop_oneof![3 => special, 1 => any::<char>()], 0..8).prop_map(String::from_iter)
}

fn join_string() -> impl Strategy<Value = String> {
    vec(prop_oneof![2 => Just(" ".to_owned()), 2 => Just("=".to_owned()), 2 => Just("\"".to_owned()), 3 => "[ab]", 1 => text()], 0..14)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_printed_map_reads_back_as_itself(pairs in hash_map(prop_oneof![4 => text(), 1 => Just("provider".to_owned())], text(), 0..6)) {
        let config: ConfigString = pairs.into_iter().collect();
        let printed = config.to_string();
        prop_assert_eq!(ConfigString::parse(&printed), Ok(config.clone()), "{:?}", printed);
        // White space around it doesn't matter: no value is changed by trimming.
        prop_assert_eq!(ConfigString::parse(&format!("\t{printed} \n")), Ok(config));
    }

    #[test]
    fn what_parses_prints_a_string_that_does(input in join_string()) {
        if let Ok(config) = ConfigString::parse(&input) {
            prop_assert_eq!(ConfigString::parse(&config.to_string()), Ok(config));
        }
    }

    #[test]
    fn words_that_parse_when_joined_keep_their_meaning(words in vec(join_string(), 0..4)) {
        if let Ok(config) = ConfigString::parse(&words.join(" ")) {
            prop_assert_eq!(ConfigString::from_arguments(words), Ok(config));
        }
    }

    #[test]
    fn a_value_without_another_key_in_it_can_be_its_own_argument(
        first in "[a-z+/:;,'\\\\.@-][a-z=+/:;,'\"\\\\.@-]{0,6}",
        others in "( [a-z+/:;,'\"\\\\.@-]{1,5}){0,3}",
    ) {
        let value = first + &others;
        let given = ConfigString::from_arguments(["provider=azure".to_owned(), format!("tag_value={value}")]);
        prop_assert_eq!(given, Ok(ConfigString::new().with("provider", "azure").with("tag_value", &value)), "{:?}", value);
    }
}
