//! The real command, run as an agent runs it: from outside, with an environment of its own.
//!
//! A part of `tests/cli` and `tests/secrets`, both of which start it against a simulator that runs
//! beside it in the test's own runtime.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "tests, each of which uses a part"
)]

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};
use std::process::Stdio;

use cloud_autojoin_simulator::azure::Simulator;
use tokio::io::AsyncWriteExt;

/// The application of the shipped worlds.
pub(crate) const CLIENT_ID: &str = "33333333-3333-4333-8333-333333333333";
/// Its secret.
pub(crate) const CLIENT_SECRET: &str = "example-secret-of-discover";
/// The tenant of the shipped worlds.
pub(crate) const TENANT_ID: &str = "11111111-1111-4111-8111-111111111111";
/// The subscription of `nomad-consul`.
pub(crate) const NOMAD_CONSUL: &str = "22222222-2222-4222-8222-222222222222";
/// The subscription of `tagged`.
pub(crate) const TAGGED: &str = "77777777-7777-4777-8777-777777777777";
/// The subscription of `uniform`.
pub(crate) const UNIFORM: &str = "55555555-5555-4555-8555-555555555555";

/// How the command ended.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Asserts all three at once.
    #[track_caller]
    pub(crate) fn is(&self, status: i32, stdout: &str, stderr: &str) {
        assert_eq!(
            *self,
            Self {
                status: Some(status),
                stdout: stdout.to_owned(),
                stderr: stderr.to_owned()
            }
        );
    }

    /// Both outputs, for a search.
    pub(crate) fn everything(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "status {:?}\n--- stdout\n{}--- stderr\n{}---",
            self.status, self.stdout, self.stderr
        )
    }
}

/// The command before it runs. Nothing of this process' environment reaches it.
pub(crate) struct Command {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    replaced: Vec<(String, &'static str)>,
}

/// `discover` with these arguments. Nothing listens at its metadata endpoint, unless
/// set: the machine that runs the tests may have a real service.
pub(crate) fn discover<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    Command {
        arguments: arguments
            .into_iter()
            .map(|argument| argument.as_ref().to_owned())
            .collect(),
        environment: vec![(
            "AZURE_POD_IDENTITY_AUTHORITY_HOST".into(),
            "http://127.0.0.1:9".into(),
        )],
        stdin: Vec::new(),
        replaced: Vec::new(),
    }
}

impl Command {
    /// With an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// With this on standard input, which is empty by default.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Against `simulator`: its certificate is trusted, the application's secret is in the
    /// environment, and its ports are replaced by words in the outputs.
    pub(crate) fn against(mut self, simulator: &Simulator) -> Self {
        self = self.env("SSL_CERT_FILE", simulator.ca_file());
        for (name, value) in [
            ("ARM_TENANT_ID", TENANT_ID),
            ("ARM_CLIENT_ID", CLIENT_ID),
            ("ARM_CLIENT_SECRET", CLIENT_SECRET),
        ] {
            self = self.env(name, value);
        }
        self.replace_ports(simulator)
    }

    /// With the simulator's proxy in front of the clouds' own hosts, as an unchanged client would
    /// be run.
    pub(crate) fn through_proxy(self, simulator: &Simulator) -> Self {
        self.env("HTTPS_PROXY", simulator.proxy_endpoint())
    }

    /// Replaces the ports of `simulator` by words in the outputs.
    pub(crate) fn replace_ports(mut self, simulator: &Simulator) -> Self {
        for (endpoint, word) in [
            (simulator.arm_endpoint(), "http://ARM"),
            (simulator.authority_host(), "https://ENTRA"),
            (simulator.metadata_endpoint(), "http://METADATA"),
        ] {
            self.replaced.push((endpoint, word));
        }
        self
    }

    /// Replaces a text that differs from run to run, such as the path of a temporary file, in the
    /// outputs.
    pub(crate) fn replace(mut self, text: impl fmt::Display, by: &'static str) -> Self {
        self.replaced.push((text.to_string(), by));
        self
    }

    fn start(&self, stdout: Stdio) -> tokio::process::Child {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_discover"))
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self) -> Ended {
        self.run_into(Stdio::piped()).await
    }

    /// Runs it to its end with another standard output.
    pub(crate) async fn run_into(&self, stdout: Stdio) -> Ended {
        let mut child = self.start(stdout);
        let mut stdin = child.stdin.take().unwrap();
        let feed = async {
            // A command that does not read its standard input may be gone already.
            let _ = stdin.write_all(&self.stdin).await;
            drop(stdin);
        };
        let (output, ()) = tokio::join!(child.wait_with_output(), feed);
        let output = output.unwrap();
        let readable = |bytes: Vec<u8>| self.filtered(&String::from_utf8(bytes).unwrap());
        Ended {
            status: output.status.code(),
            stdout: readable(output.stdout),
            stderr: readable(output.stderr),
        }
    }

    fn filtered(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.replaced {
            text = text.replace(from, to);
        }
        text = text.replace(&known_providers(), "PROVIDERS");
        without_guesses(&text)
    }
}

/// Every provider as messages list them. In outputs it's replaced by `PROVIDERS`, so that a new
/// provider changes no test.
fn known_providers() -> String {
    let registry = cloud_autojoin::Registry::compiled_in();
    registry
        .providers()
        .iter()
        .map(|spec| format!("`{}`", spec.name))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Deadlines that a test lets pass, each four times the one before.
const DEADLINES: [&str; 6] = ["250ms", "1s", "4s", "16s", "64s", "256s"];

/// Runs a command whose deadline passes, with longer and longer deadlines until the state that the
/// test is about `is_reached`. How far a command gets within a given time depends on the machine's
/// load; what it reports at its deadline doesn't.
///
/// # Panics
///
/// When the state isn't reached within minutes.
pub(crate) async fn until_reached<T>(
    mut run: impl AsyncFnMut(&'static str) -> T,
    mut is_reached: impl FnMut(&T) -> bool,
) -> T {
    for deadline in DEADLINES {
        let ended = run(deadline).await;
        if is_reached(&ended) {
            return ended;
        }
    }
    panic!("not reached within {}", DEADLINES[DEADLINES.len() - 1]);
}

/// Request ids and durations differ from run to run: `[request id ...]` loses its id, `3 attempts
/// in 1.2 s` and `   12 ms` their time.
pub(crate) fn without_guesses(text: &str) -> String {
    let text = text
        .split_inclusive('\n')
        .map(without_milliseconds)
        .collect::<String>();
    let mut shown = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("[request id ") {
        let _ = write!(shown, "{before}[request id ID");
        rest = after.find(']').map_or("", |end| &after[end..]);
    }
    shown.push_str(rest);
    let text = std::mem::take(&mut shown);
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(" attempts in ") {
        let _ = write!(shown, "{before} attempts in N");
        rest = after.find(" s").map_or("", |end| &after[end..]);
    }
    shown + rest
}

/// The line, with its end, and `N` for the number in front of ` ms` at its end; its blanks stay as
/// many as one digit takes.
fn without_milliseconds(line: &str) -> String {
    let digits = |text: &str| {
        text.len()
            - text
                .trim_end_matches(|letter: char| letter.is_ascii_digit())
                .len()
    };
    match line
        .strip_suffix(" ms\n")
        .map(|start| (start, digits(start)))
    {
        Some((start, digits)) if digits > 0 => format!(
            "{}{}N ms\n",
            &start[..start.len() - digits],
            " ".repeat(digits - 1)
        ),
        _ => line.to_owned(),
    }
}
