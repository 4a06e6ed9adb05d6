//! The text output: one paragraph per report.

use std::fmt::Write as _;

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
        Some(string) => _ = writeln!(text, "{number}{string}"),
        None => text.push_str(number),
    }
    let mut print = |kind: &str, diagnostic: &Diagnostic| {
        let _ = writeln!(text, "{kind}: {}", diagnostic.message);
        if let Some(hint) = &diagnostic.hint {
            let _ = writeln!(text, "  hint: {hint}");
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
        let _ = writeln!(text, "searches for: {subject}");
    }
    for line in report.go_discover() {
        let _ = writeln!(text, "go-discover: {line}");
    }
    text
}
