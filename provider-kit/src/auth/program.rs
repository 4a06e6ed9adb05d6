//! A program that prints a credential: a cloud's own command line, or one that a configuration file
//! names.

use std::fmt;
use std::io;
use std::time::Duration;

use anstream::adapter::{strip_bytes, strip_str};
use cloud_autojoin_core::http::decode_json;
use cloud_autojoin_core::{Call, Context};
use serde::de::DeserializeOwned;

/// More than this of a line on standard error isn't shown.
const MAX_LINE: usize = 300;

/// A program that prints a credential to standard output.
///
/// It runs without a shell, and is killed when its time is over or the caller gives up. Its output
/// is secret: no error shows any of it.
#[derive(Clone, Copy)]
pub struct CredentialProgram<'a> {
    program: &'a str,
    arguments: &'a [&'a str],
    env: &'a [(String, String)],
    name: &'a str,
    timeout: Duration,
}

impl<'a> CredentialProgram<'a> {
    /// A program, found on `PATH` unless it is a path, that may run for the rest of the call.
    pub fn new(program: &'a str, arguments: &'a [&'a str]) -> Self {
        Self {
            program,
            arguments,
            env: &[],
            name: program,
            timeout: Duration::MAX,
        }
    }

    /// The same program with these environment variables beside the inherited ones.
    #[must_use]
    pub fn with_env(mut self, env: &'a [(String, String)]) -> Self {
        self.env = env;
        self
    }

    /// The same program, which errors call `name`: the setting that it is configured by.
    #[must_use]
    pub fn with_name(mut self, name: &'a str) -> Self {
        self.name = name;
        self
    }

    /// The same program, which may run for `timeout` at most.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs the program and decodes the JSON that it prints. Terminal escape sequences are ignored:
    /// some programs print colours even where nothing is a terminal.
    ///
    /// # Errors
    ///
    /// It can't be run or doesn't end in time, fails, or prints something else.
    pub async fn json<T: DeserializeOwned>(
        &self,
        context: &Context,
        call: &Call,
    ) -> Result<T, ProgramError> {
        // They decide which program it is, and where it finds its own configuration.
        context.env().note(["PATH", "HOME"]);
        let limit = self.timeout.min(call.remaining());
        let commands = context.commands();
        let ended = commands.run_with_env(self.program, self.arguments, self.env, limit);
        let name = self.name.to_owned();
        let output = match ended.await {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ProgramError::NotFound {
                    program: self.program.to_owned(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(ProgramError::TimedOut(name, limit));
            }
            Err(error) => return Err(ProgramError::NotRun(name, error)),
        };
        if output.status != Some(0) {
            return Err(ProgramError::Failed {
                name,
                status: output.status,
                stderr: strip_str(&output.stderr).to_string(),
            });
        }
        // The cause would quote the credential.
        decode_json(&strip_bytes(&output.stdout).into_vec())
            .map_err(|_| ProgramError::InvalidOutput(name))
    }
}

impl fmt::Debug for CredentialProgram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialProgram")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why a program gave no credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// There is no program of this name.
    #[error("there is no program `{program}`{}", place(.program))]
    NotFound {
        /// The program.
        program: String,
    },
    /// It was killed after this time.
    #[error("`{0}` did not end within {1:.0?}")]
    TimedOut(String, Duration),
    /// It can't be run.
    #[error("cannot run `{0}`: {1}")]
    NotRun(String, io::Error),
    /// It ended without success. The error shows the first line of standard error that isn't a
    /// warning.
    #[error("`{name}` {}{}", ending(*.status), complaint(.stderr))]
    Failed {
        /// The name of the program.
        name: String,
        /// Its exit status; `None` when a signal ended it.
        status: Option<i32>,
        /// Its standard error, without terminal escape sequences.
        stderr: String,
    },
    /// It printed something else than the expected JSON.
    #[error("`{0}` didn't print the JSON of a credential")]
    InvalidOutput(String),
}

fn place(program: &str) -> &'static str {
    let is_path = program.contains(std::path::is_separator);
    if is_path { "" } else { " on `PATH`" }
}

fn ending(status: Option<i32>) -> String {
    status.map_or_else(
        || "was killed by a signal".to_owned(),
        |status| format!("failed with status {status}"),
    )
}

fn complaint(stderr: &str) -> String {
    let mut lines = stderr.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with("WARNING"));
    line.map_or_else(String::new, |line| {
        let line = line.strip_prefix("ERROR:").unwrap_or(line).trim_start();
        format!(": {}", line.chars().take(MAX_LINE).collect::<String>())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use async_trait::async_trait;
    use cloud_autojoin_core::Clock;
    use cloud_autojoin_core::command::{CommandOutput, CommandRunner};
    use serde::Deserialize;

    use super::*;

    /// Ends in the same way at each run, after checking what it was given.
    #[derive(Debug)]
    struct Program(Result<CommandOutput, io::ErrorKind>);

    #[async_trait]
    impl CommandRunner for Program {
        async fn run(&self, _: &str, _: &[&str], _: Duration) -> io::Result<CommandOutput> {
            unreachable!("it gets variables")
        }

        async fn run_with_env(
            &self,
            program: &str,
            arguments: &[&str],
            env: &[(String, String)],
            limit: Duration,
        ) -> io::Result<CommandOutput> {
            assert_eq!((program, arguments), ("cloud", ["login"].as_slice()));
            assert_eq!(env, [("CLOUD_SECRET".to_owned(), "canary".to_owned())]);
            assert_eq!(limit, Duration::from_secs(10));
            self.0.clone().map_err(io::Error::from)
        }
    }

    #[derive(Debug, Deserialize)]
    struct Token {
        token: String,
    }

    async fn token(ended: Result<CommandOutput, io::ErrorKind>) -> Result<String, ProgramError> {
        let context = Context::builder()
            .clock(Clock::auto_advancing())
            .commands(Arc::new(Program(ended)))
            .build()
            .unwrap();
        let call = Call::new(context.clock(), Duration::from_secs(60));
        let env = [("CLOUD_SECRET".to_owned(), "canary".to_owned())];
        let program = CredentialProgram::new("cloud", &["login"])
            .with_env(&env)
            .with_timeout(Duration::from_secs(10));
        assert!(!format!("{program:?}").contains("canary"));
        let token = program.json::<Token>(&context, &call).await;
        token.map(|token| token.token)
    }

    fn prints(stdout: &str) -> Result<CommandOutput, io::ErrorKind> {
        Ok(CommandOutput::new(0, stdout, ""))
    }

    fn fails(stderr: &str) -> Result<CommandOutput, io::ErrorKind> {
        Ok(CommandOutput::new(3, r#"{"token": "canary"}"#, stderr))
    }

    #[tokio::test]
    async fn a_byte_order_mark_and_escape_sequences_around_json_do_not_matter() {
        for printed in [
            "{\"token\": \"é\"}",
            "\u{feff}\u{1b}[0m{\"token\": \"é\"}\u{1b}[0m\n",
            "{\u{1b}[38;5;4m\"token\"\u{1b}[39m: \"é\"}",
            "\u{1b}]0;cloud\u{7}{\"token\": \"é\"}\u{1b}]0;cloud\u{1b}\\",
            "\u{1b}(B{\"token\": \"é\"}\u{1b}",
        ] {
            assert_eq!(token(prints(printed)).await.unwrap(), "é", "{printed}");
        }
    }

    #[tokio::test]
    async fn a_failure_says_what_the_program_complains_of_and_nothing_that_it_prints() {
        let mut killed = CommandOutput::new(0, "canary", "");
        killed.status = None;
        for (ended, expected) in [
            (
                Err(io::ErrorKind::NotFound),
                "there is no program `cloud` on `PATH`",
            ),
            (
                Err(io::ErrorKind::TimedOut),
                "`cloud` did not end within 10s",
            ),
            (
                Err(io::ErrorKind::PermissionDenied),
                "cannot run `cloud`: permission denied",
            ),
            (fails(""), "`cloud` failed with status 3"),
            (
                fails("\nWARNING: old\n\u{1b}[31mERROR: log in first\u{1b}[0m\nmore"),
                "`cloud` failed with status 3: log in first",
            ),
            (Ok(killed), "`cloud` was killed by a signal"),
            (
                prints("canary"),
                "`cloud` didn't print the JSON of a credential",
            ),
            (
                prints(r#"{"token": ["canary"]}"#),
                "`cloud` didn't print the JSON of a credential",
            ),
        ] {
            let error = token(ended).await.unwrap_err();
            assert_eq!(error.to_string(), expected);
            let shown = format!("{error:?}");
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}
