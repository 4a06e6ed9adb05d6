//! `discover explain`: runs the same discovery as `discover addrs` and shows every examined
//! resource, with the reasons why it matches or is excluded.
//!
//! `explain/table.rs` formats text, `explain/mermaid.rs` a flowchart; `explain/suggestion.rs`
//! builds the join string that would work.

use cloud_autojoin::sources::{self, Source};
use cloud_autojoin::{
    Detail, Discovery, Error, Exclusion, Finding, Node, NothingMatched, RequestRecord,
};
use serde::Serialize;
use serde_json::Value;

mod mermaid;
mod suggestion;
mod table;

use crate::arguments::{Explain, ExplainFormat, Only};
use crate::output::{self, AddressRow};
use crate::query::{self, QueryResult};
use crate::report::Reporter;
use crate::status::ExitStatus;
use crate::terminal::{Colour, Width};

/// Runs the subcommand. The explanation goes to standard output also when the call failed; the
/// error goes to standard error.
pub(crate) async fn run(arguments: &Explain, reporter: &Reporter) -> ExitStatus {
    if arguments.output == ExplainFormat::Mermaid
        && (arguments.only.is_some() || arguments.limit.is_some())
    {
        reporter.error(
            "`--only` and `--limit` don't apply to `--output mermaid`",
            Some("omit them, or use text or JSON"),
        );
        return ExitStatus::Usage;
    }
    let results = query::run(&arguments.query, Detail::Everything, reporter).await;
    let rows = Rows {
        only: arguments.only,
        limit: arguments.limit,
    };
    let explanations: Vec<Explanation<'_>> = results
        .iter()
        .map(|result| Explanation::of(result, rows))
        .collect();
    let text = match arguments.output {
        ExplainFormat::Json => match explanations.as_slice() {
            [explanation] if results[0].is_only => output::json(&Document::of(explanation)),
            several => output::json(&Documents {
                sources: several.iter().map(Document::of).collect(),
            }),
        },
        ExplainFormat::Mermaid => {
            let discoveries: Vec<&Discovery> = explanations
                .iter()
                .filter_map(|explanation| explanation.discovery)
                .collect();
            if discoveries.is_empty() {
                String::new()
            } else {
                mermaid::of(&discoveries)
            }
        }
        ExplainFormat::Text => {
            let (width, colour) = (Width::of_standard_output(), Colour::of_standard_output());
            explanations
                .iter()
                .map(|explanation| table::of(explanation, width, colour))
                .collect::<Vec<_>>()
                .join("\n")
        }
    };
    let delivered = output::print_page(&text, "explanation", reporter);
    if delivered != ExitStatus::Done {
        return delivered;
    }
    let is_only = results.iter().all(|result| result.is_only);
    let mut sources: Vec<Source> = results.into_iter().map(|result| result.source).collect();
    if !is_only {
        return match sources::union(sources, arguments.query.require()) {
            Ok(union) => {
                query::warn_of_failed(&union.failed, reporter);
                ExitStatus::Done
            }
            Err(error) => query::report_failed(&error, reporter),
        };
    }
    match sources.remove(0).result {
        Err(error) => {
            reporter.failure(&error);
            ExitStatus::of(&error)
        }
        Ok(discovery) if discovery.matched() == 0 => {
            let error = Error::from(NothingMatched::new(discovery));
            // The explanation on standard output already has the details.
            reporter.failure_for_quiet(&error);
            ExitStatus::of(&error)
        }
        Ok(_) => ExitStatus::Done,
    }
}

/// The data of one explanation.
pub(crate) struct Explanation<'a> {
    /// What was searched for; `None` if no provider could be built.
    subject: Option<&'a str>,
    /// The result; `None` if the call failed.
    discovery: Option<&'a Discovery>,
    error: Option<&'a Error>,
    requests: Vec<RequestRecord>,
    elapsed_ms: u64,
    /// The join string that would work, with secrets masked.
    suggestion: Option<String>,
    rows: Rows,
}

/// Which resources are shown.
#[derive(Clone, Copy)]
struct Rows {
    only: Option<Only>,
    limit: Option<usize>,
}

impl Rows {
    fn has(self, node: &Node) -> bool {
        let is_far = |reason: &Exclusion| {
            matches!(
                reason,
                Exclusion::TagMissing { .. } | Exclusion::NotMember { .. } | Exclusion::NotAttached
            )
        };
        match self.only {
            None => true,
            Some(Only::Matched) => node.is_match(),
            Some(Only::Excluded) => !node.is_match(),
            Some(Only::Near) => !node.is_match() && !node.excluded.iter().any(is_far),
        }
    }

    fn limit(self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }
}

impl<'a> Explanation<'a> {
    fn of(result: &'a QueryResult, rows: Rows) -> Self {
        let source = &result.source;
        let discovery = source.result.as_ref().ok();
        let mut requests = source.call.requests();
        // In the order in which they were sent, which doesn't vary from call to call.
        requests.sort_by_key(|request| request.started);
        Self {
            subject: source.subject.as_deref(),
            discovery,
            error: source.result.as_ref().err(),
            requests,
            elapsed_ms: u64::try_from(source.call.elapsed().as_millis()).unwrap_or(u64::MAX),
            suggestion: discovery
                .filter(|discovery| discovery.matched() == 0)
                .zip(result.config.as_ref())
                .and_then(|(discovery, config)| suggestion::of(discovery, config)),
            rows,
        }
    }

    fn findings(&self) -> &[Finding] {
        self.discovery.map(Discovery::findings).unwrap_or_default()
    }
}

/// The JSON of several explanations.
#[derive(Serialize)]
struct Documents<'a> {
    sources: Vec<Document<'a>>,
}

/// The JSON of an explanation.
#[derive(Serialize)]
struct Document<'a> {
    subject: Option<&'a str>,
    addresses: Option<Vec<AddressRow>>,
    discovery: Option<Value>,
    requests: &'a [RequestRecord],
    elapsed_ms: u64,
    suggestion: Option<&'a str>,
    error: Option<ErrorDocument>,
}

/// The discovery with the resources of `rows`.
fn document(discovery: &Discovery, rows: Rows) -> Value {
    let mut document = serde_json::to_value(discovery).unwrap_or_default();
    if let Some(Value::Array(nodes)) = document.get_mut("nodes") {
        let mut shown = discovery.nodes().iter().map(|node| rows.has(node));
        nodes.retain(|_| shown.next().unwrap_or_default());
        nodes.truncate(rows.limit());
    }
    document
}

#[derive(Serialize)]
struct ErrorDocument {
    message: String,
    hint: Option<String>,
}

impl<'a> Document<'a> {
    fn of(explanation: &'a Explanation<'a>) -> Self {
        let failure = |error: &Error| ErrorDocument {
            message: error.chain(),
            hint: error.hint().map(Into::into),
        };
        Self {
            subject: explanation.subject,
            addresses: explanation
                .discovery
                .map(|discovery| discovery.addresses().iter().map(AddressRow::from).collect()),
            discovery: explanation
                .discovery
                .map(|discovery| document(discovery, explanation.rows)),
            requests: &explanation.requests,
            elapsed_ms: explanation.elapsed_ms,
            suggestion: explanation.suggestion.as_deref(),
            error: explanation.error.map(failure),
        }
    }
}
