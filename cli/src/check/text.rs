//! Judgements for people: a paragraph each.

use std::fmt::Write as _;

use super::judgement::{Judgement, Remark};

/// All judgements.
pub(super) fn of(judgements: &[Judgement]) -> String {
    let number = |index: usize| {
        if judgements.len() > 1 {
            format!("string {}: ", index + 1)
        } else {
            String::new()
        }
    };
    judgements
        .iter()
        .enumerate()
        .map(|(index, judgement)| one(&number(index), judgement))
        .collect::<Vec<_>>()
        .join("\n")
}

fn one(number: &str, judgement: &Judgement) -> String {
    let shown = &judgement.shown;
    let mut text = String::new();
    match &shown.string {
        Some(string) => _ = writeln!(text, "{number}{string}"),
        None => text.push_str(number),
    }
    let mut say = |kind: &str, remark: &Remark| {
        let _ = writeln!(text, "{kind}: {}", remark.message);
        if let Some(hint) = &remark.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
    };
    shown.refusal.iter().for_each(|remark| say("error", remark));
    judgement
        .problems()
        .iter()
        .for_each(|remark| say("error", remark));
    judgement
        .warnings()
        .iter()
        .for_each(|remark| say("warning", remark));
    if let Some(subject) = &shown.subject {
        let _ = writeln!(text, "asks for: {subject}");
    }
    for line in judgement.go_discover() {
        let _ = writeln!(text, "go-discover: {line}");
    }
    text
}
