//! Programs that print addresses, and programs that don't.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::command::{CommandOutput, CommandRunner};
use cloud_autojoin_core::{Call, Context, Discovery, Env, Error};
use cloud_autojoin_exec::SPEC;
use cloud_autojoin_provider_kit::testing::readme;

/// A run: variables taken out, program, arguments, limit.
type Run = (Vec<String>, String, Vec<String>, Duration);

/// Answers by the name of the program and remembers how it was run.
#[derive(Debug, Default)]
struct Programs(Mutex<Vec<Run>>);

#[async_trait]
impl CommandRunner for Programs {
    async fn run(
        &self,
        program: &str,
        arguments: &[&str],
        limit: Duration,
    ) -> io::Result<CommandOutput> {
        self.run_without_env(&[], program, arguments, limit).await
    }

    async fn run_without_env(
        &self,
        variables: &[&str],
        program: &str,
        arguments: &[&str],
        limit: Duration,
    ) -> io::Result<CommandOutput> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        self.0.lock().unwrap().push((
            owned(variables),
            program.to_owned(),
            owned(arguments),
            limit,
        ));
        let good = |stdout: &str| Ok(CommandOutput::new(0, stdout, "a warning"));
        match program {
            "members" => good("10.0.0.9\n\"10.0.0.10\"\t2001:db8::4\r\n10.0.0.9 fe80::1%eth0\n"),
            "silent" => good(" \n"),
            "ports" => good("10.0.0.9 172.25.16.77:8080"),
            "token" => good("10.0.0.9 eyJc4n4ry"),
            "zoneless" => good("fe80::1%"),
            "broken" => Ok(CommandOutput::new(
                3,
                "10.0.0.9",
                format!("no\nroute {}", "x".repeat(5000)),
            )),
            "mute" => Ok(CommandOutput::new(500, "", "")),
            "killed" => {
                let mut output = CommandOutput::new(0, "10.0.0.9", "");
                (output.status, output.signal) = (None, Some(9));
                Ok(output)
            }
            "slow" => Err(io::ErrorKind::TimedOut.into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

async fn run(join: &str) -> (Result<Discovery, Error>, Vec<Run>) {
    let programs = Arc::new(Programs::default());
    let context = Context::builder()
        .env(Env::empty())
        .commands(Arc::clone(&programs) as Arc<dyn CommandRunner>)
        .build()
        .unwrap();
    let context = context.with_secret_variables(["HCLOUD_TOKEN", "ARM_CLIENT_SECRET"]);
    let provider = match SPEC.build(&join.parse().unwrap(), &context) {
        Ok(provider) => provider,
        Err(error) => return (Err(error), Vec::new()),
    };
    let result = provider
        .discover(&Call::new(context.clock(), Duration::from_secs(20)))
        .await;
    let runs = programs.0.lock().unwrap().clone();
    (result, runs)
}

async fn error(join: &str) -> (Error, String) {
    let error = run(join).await.0.unwrap_err();
    let text = format!("{} | {}", error.chain(), error.hint().unwrap_or_default());
    (error, text)
}

#[tokio::test]
async fn every_printed_address_is_returned_once() {
    let (found, runs) = run("provider=exec command=\"members  --role\tserver \"").await;
    let printed: Vec<String> = found
        .unwrap()
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        printed,
        ["10.0.0.9", "10.0.0.10", "2001:db8::4", "fe80::1%eth0"]
    );
    assert_eq!(
        (runs[0].1.as_str(), runs[0].2.as_slice()),
        (
            "members",
            ["--role".to_owned(), "server".to_owned()].as_slice()
        )
    );
}

#[tokio::test]
async fn the_program_gets_no_secret_but_those_it_is_passed() {
    let without = run("provider=exec command=members").await.1.remove(0).0;
    for name in [
        "HCLOUD_TOKEN",
        "ARM_CLIENT_SECRET",
        "CONSUL_HTTP_TOKEN",
        "NOTIFY_SOCKET",
    ] {
        assert!(
            without.iter().any(|known| known == name),
            "{name} is passed"
        );
    }
    let without = run("provider=exec command=members pass_env=HCLOUD_TOKEN,VAULT_TOKEN")
        .await
        .1
        .remove(0)
        .0;
    assert!(without.iter().any(|known| known == "ARM_CLIENT_SECRET"));
    assert!(
        !without
            .iter()
            .any(|known| known == "HCLOUD_TOKEN" || known == "VAULT_TOKEN")
    );
}

#[tokio::test]
async fn the_program_is_bounded_by_its_timeout_and_by_the_call() {
    assert_eq!(
        run("provider=exec command=members timeout=3s").await.1[0].3,
        Duration::from_secs(3)
    );
    assert!(
        run("provider=exec command=members timeout=1h").await.1[0].3 <= Duration::from_secs(20)
    );
    let (slow, text) = error("provider=exec command=slow timeout=3s").await;
    assert!(
        slow.is_transient() && text.contains("killed after 3 s") && text.contains("`timeout`"),
        "{text}"
    );
    assert!(
        error("provider=exec command=slow")
            .await
            .1
            .contains("`--timeout`")
    );
}

#[tokio::test]
async fn one_word_that_is_no_address_fails_the_list() {
    let (wrong, text) = error("provider=exec command=ports").await;
    assert!(
        matches!(wrong, Error::Decode(_))
            && text.contains("`172.25.16.77:8080` is not an IP address"),
        "{text}"
    );
    assert!(
        error("provider=exec command=zoneless")
            .await
            .1
            .contains("`fe80::1%` is not")
    );
    let (_, text) = error("provider=exec command=token").await;
    assert!(
        text.contains("word 2 of its output") && !text.contains("c4n4ry"),
        "{text}"
    );
}

#[tokio::test]
async fn a_failure_shows_status_and_a_bounded_line_of_standard_error() {
    let (broken, text) = error("provider=exec command=broken").await;
    assert!(
        broken.is_transient() && text.starts_with("cannot run `broken`: status 3: no route xxx"),
        "{text}"
    );
    assert!(text.len() < 1300, "{} characters", text.len());
    assert!(
        error("provider=exec command=mute")
            .await
            .1
            .contains("wrote nothing on standard error")
    );
}

#[tokio::test]
async fn a_program_that_can_not_be_started_is_a_lasting_error_of_the_key() {
    let (absent, text) = error("provider=exec command=absent").await;
    assert!(
        matches!(absent, Error::Config(_)) && text.starts_with("cannot run `absent`"),
        "{text}"
    );
}

#[tokio::test]
async fn no_output_is_nothing_found() {
    let error = run("provider=exec command=silent")
        .await
        .0
        .unwrap()
        .require_addresses()
        .unwrap_err();
    assert!(
        matches!(&error, Error::NothingMatched(_)) && error.to_string().contains("printed nothing"),
        "{error}"
    );
}

#[tokio::test]
async fn problems_of_the_string_are_reported_together() {
    let (_, text) = error("provider=exec command=\" \" timeout=soon").await;
    assert!(
        text.contains("`command` is blank") && text.contains("`timeout`"),
        "{text}"
    );
    assert!(
        error("provider=exec")
            .await
            .1
            .contains("`command` is missing")
    );
}

#[tokio::test]
async fn a_real_program_is_run_without_a_shell() {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let provider = SPEC
        .build(
            &"provider=exec command=\"printf %s|%s 10.0.0.1 10.0.0.2\""
                .parse()
                .unwrap(),
            &context,
        )
        .unwrap();
    let error = provider
        .discover(&Call::new(context.clock(), Duration::from_secs(60)))
        .await
        .unwrap_err();
    assert!(
        error.chain().contains("word 1 of its output"),
        "{}",
        error.chain()
    );
    let provider = SPEC
        .build(
            &"provider=exec command=\"printf %s\\\\n 10.0.0.1 10.0.0.2\""
                .parse()
                .unwrap(),
            &context,
        )
        .unwrap();
    let found = provider
        .discover(&Call::new(context.clock(), Duration::from_secs(60)))
        .await;
    let printed: Vec<String> = found
        .unwrap()
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(printed, ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn the_readme_has_the_key_table() {
    readme::assert_current(&SPEC, include_str!("../README.md"));
}

#[tokio::test]
async fn a_program_that_a_signal_ends_is_an_error_with_the_signal() {
    let error = run("provider=exec command=killed").await.0.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.is_transient()),
        (
            "cannot run `killed`: the program gave no result (ended by signal 9)",
            true
        )
    );
}
