//! The text output: one paragraph per report.

use std::fmt::Write as _;

use cloud_autojoin::escape::printable;

use super::report::{CheckReport, Diagnostic};

/// Formats all reports.
pub(super) fn of(reports: &[CheckReport]) -> String {
    let number = |index: usize| {
        if reports.len() > 1 {
            format!("string {}: ", index + 1)
        } else {
            String::new()
        }
    };
    reports
        .iter()
        .enumerate()
        .map(|(index, report)| one(&number(index), report))
        .collect::<Vec<_>>()
        .join("\n")
}

fn one(number: &str, report: &CheckReport) -> String {
    let shown = &report.shown;
    let mut text = String::new();
    match &shown.string {
        Some(string) => _ = writeln!(text, "{number}{}", printable(string)),
        None => text.push_str(number),
    }
    let mut print = |kind: &str, diagnostic: &Diagnostic| {
        let _ = writeln!(text, "{kind}: {}", printable(&diagnostic.message));
        if let Some(hint) = &diagnostic.hint {
            let _ = writeln!(text, "  hint: {}", printable(hint));
        }
    };
    shown
        .refusal
        .iter()
        .for_each(|diagnostic| print("error", diagnostic));
    report
        .problems()
        .iter()
        .for_each(|diagnostic| print("error", diagnostic));
    report
        .warnings()
        .iter()
        .for_each(|diagnostic| print("warning", diagnostic));
    if let Some(subject) = &shown.subject {
        let _ = writeln!(text, "searches for: {}", printable(subject));
    }
    for line in report.go_discover() {
        let _ = writeln!(text, "go-discover: {}", printable(line));
    }
    text
}

#[cfg(test)]
mod tests {
    use cloud_autojoin::{Context, Env, Registry};

    use super::*;

    #[test]
    fn control_characters_of_a_join_string_are_written_out() {
        let context = Context::builder().env(Env::empty()).build();
        let context = context.expect("a context");
        let join = br#"provider=consul service="a\u001b[2J" port="\u009b" u\u202e=1"#;
        let report = CheckReport::of(join, &Registry::compiled_in(), &context);
        let text = of(&[report]);
        assert!(text.contains(r"\u{1b}[2J"), "{text}");
        let is_raw = |letter: char| letter != '\n' && letter.is_control();
        assert!(!text.contains(is_raw), "{text:?}");
    }
}
