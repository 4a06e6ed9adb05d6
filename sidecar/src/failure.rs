//! Failures of the sidecar and its parts, with hints.

use std::fmt;

use cloud_autojoin::atomic_file::WriteError;

/// A failure of an output, an agent, a command or the sidecar itself. One of a part is logged,
/// counted, shown on the status page and retried; it doesn't end the sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    /// How many more failures like this there are.
    others: usize,
    is_expected_at_start: bool,
    is_absence: bool,
}

impl Failure {
    /// A failure, as ``cannot write /etc/consul.d/join.hcl: no space left on device``.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            others: 0,
            is_expected_at_start: false,
            is_absence: false,
        }
    }

    /// Adds a hint.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts `what` in front of the message.
    #[must_use]
    pub(crate) fn of(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Sets how many more failures like it there are.
    #[must_use]
    pub(crate) fn with_others(mut self, others: usize) -> Self {
        self.others = others;
        self
    }

    /// Marks it as normal while a machine or a cluster starts.
    #[must_use]
    pub(crate) fn expected_at_start(mut self) -> Self {
        self.is_expected_at_start = true;
        self
    }

    /// Marks it as one of an agent that isn't up: another look is cheap, and urgent when it is.
    #[must_use]
    pub(crate) fn of_absence(mut self) -> Self {
        self.is_absence = true;
        self.expected_at_start()
    }

    /// Whether the agent isn't up.
    pub(crate) fn is_absence(&self) -> bool {
        self.is_absence
    }

    /// Whether it is normal while a machine or a cluster starts.
    pub(crate) fn is_expected_at_start(&self) -> bool {
        self.is_expected_at_start
    }

    /// Whether `other` has the same cause, regardless of the number of others.
    pub(crate) fn has_same_cause(&self, other: &Self) -> bool {
        (&self.message, &self.hint) == (&other.message, &other.hint)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.others {
            0 => Ok(()),
            others => write!(f, " (and {others} more)"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self {
            hint: error.hint(),
            ..Self::new(error.to_string())
        }
    }
}

/// The response of an agent, in one line: its lines without bullets, and without what a terminal
/// would act on. The local end of a connection (`127.0.0.1:52874->10.0.0.5:8301`) is left out: its
/// port is another one each time, so the same cause would look new.
pub(crate) fn one_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let mut folded = String::new();
    for line in text
        .lines()
        .map(|line| line.trim().trim_start_matches("* "))
        .filter(|line| !line.is_empty())
    {
        match folded.chars().next_back() {
            None => {}
            Some(':') => folded.push(' '),
            Some(_) => folded.push_str("; "),
        }
        let words = line
            .split_whitespace()
            .map(|word| word.rsplit_once("->").map_or(word, |(_, remote)| remote));
        folded.push_str(&words.collect::<Vec<_>>().join(" "));
    }
    folded
        .chars()
        .filter(|letter| !cloud_autojoin::escape::is_terminal_control(*letter))
        .take(500)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_of_several_lines_becomes_one_line_with_its_reasons() {
        let consul = "1 error occurred:\n\t* Failed to join 10.0.0.5:8301: read tcp 127.0.0.1:52874->10.0.0.5:8301: i/o timeout\n\n";
        assert_eq!(
            one_line(consul.as_bytes()),
            "1 error occurred: Failed to join 10.0.0.5:8301: read tcp 10.0.0.5:8301: i/o timeout"
        );
        let nomad = "2 errors occurred:\n\t* Failed to join 10.0.0.5: EOF\n\t* Failed to resolve a: no such host\n";
        assert_eq!(
            one_line(nomad.as_bytes()),
            "2 errors occurred: Failed to join 10.0.0.5: EOF; Failed to resolve a: no such host"
        );
        assert_eq!(
            (
                one_line(b"\x1b[31mPermission denied\r\n").as_str(),
                one_line(b" \n").as_str()
            ),
            ("[31mPermission denied", "")
        );
    }
}
