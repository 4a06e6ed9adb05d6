//! The conformance suite: what every provider that speaks HTTP must do, as some thirty tests.
//!
//! A provider describes one discovery as a [`Conformance`] value: its join string, the requests
//! it makes with the responses a real service gave ([`Exchange`]), the addresses that follow, and
//! how its service reports throttling, an expired credential and a missing permission.
//! [`conformance!`] generates the tests from it:
//!
//! ```ignore-in-doctest
//! cloud_autojoin_provider_kit::conformance!(example_cloud);
//! ```
//!
//! `providers/digitalocean/tests/conformance.rs` is a complete example.
//!
//! The service is [`wiremock`] on a loopback port; waits pass at once on an auto-advancing clock;
//! resets, truncated bodies and hangs are injected between client and server. Every error, log
//! record, `Debug` and JSON output of every test is searched for the secrets of the join string.
//!
//! [`conformance!`]: crate::conformance

pub mod checks;
mod config_checks;
mod dns;
mod exchange;
mod faults;
mod harness;
pub mod readme;

pub use dns::Zone;
pub use exchange::{Conformance, Exchange, Paging, Refusal};
pub use faults::Fault;
pub use harness::Harness;

/// Every secret of a conformance join string contains this text.
pub const CANARY: &str = "c4n4ry";

/// Generates the tests of the conformance suite; the argument is a function that returns the
/// [`Conformance`] of the provider.
#[macro_export]
macro_rules! conformance {
    ($conformance:path) => {
        $crate::conformance! { @tests $conformance;
            all_pages_are_read_with_the_promised_requests
            every_excluded_resource_has_its_reason
            full_detail_gives_the_same_addresses
            a_provider_can_be_queried_again
            a_page_that_leads_back_is_an_error
            a_link_to_another_host_is_an_error_and_gets_no_credential
            a_redirect_is_an_error_and_gets_no_credential
            a_page_that_fails_fails_the_whole_list
            throttling_is_waited_for
            throttling_without_end_is_a_transient_error
            server_errors_are_retried
            an_html_error_page_is_not_repeated
            a_reset_connection_is_retried
            a_truncated_body_is_retried
            a_silent_server_ends_with_the_deadline
            a_refused_credential_is_explained
            a_missing_permission_is_named
            a_secret_that_the_service_repeats_is_masked
            a_body_over_the_limit_is_an_error
            a_byte_order_mark_is_skipped
            a_body_that_is_not_the_documented_format_is_a_decode_error
            a_response_without_its_fields_never_shortens_the_list
            nothing_matched_reports_what_was_examined
            required_keys_are_reported_together
            unacceptable_values_are_reported_together
            every_environment_variable_supplies_its_key
            secret_keys_are_marked
            keys_are_documented
            the_readme_has_the_key_table
        }
    };
    (@tests $conformance:path; $($name:ident)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::testing::checks::$name($conformance()).await;
            }
        )+
    };
}
