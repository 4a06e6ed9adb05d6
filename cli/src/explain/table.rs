//! An explanation as text: what was searched for, each examined resource with its result, each
//! request, and what to do.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cloud_autojoin::escape::printable;
use cloud_autojoin::{Discovery, Node, RequestOutcome, RequestRecord};
use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width as ColumnWidth, presets,
};

use super::{Explanation, Rows};
use crate::terminal::{Colour, Width};

/// The explanation, with lines of at most `width` where they can be wrapped.
pub(super) fn of(explanation: &Explanation<'_>, width: Width, colour: Colour) -> String {
    let mut text = String::new();
    if let Some(subject) = explanation.subject {
        let _ = writeln!(
            text,
            "{}",
            width.wrapped(&format!("searched for {subject}"))
        );
    }
    if let Some(discovery) = explanation.discovery {
        if let Some(identity) = discovery.identity() {
            let _ = writeln!(
                text,
                "{}",
                width.wrapped(&format!("authenticated by {identity}"))
            );
        }
        text.push_str(&nodes(discovery, explanation.rows, width, colour));
    }
    if !explanation.requests.is_empty() {
        let _ = write!(text, "\n{}", requests(&explanation.requests, width));
    }
    text + &conclusion(explanation, width)
}

/// A column of the table of nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    /// The name of the parent of this kind; of a node of the kind, its own.
    Kind(&'static str),
    /// The value of the attribute of this name.
    Attribute(&'static str),
}

impl Column {
    fn title(&self) -> &'static str {
        match self {
            Self::Kind(name) | Self::Attribute(name) => name,
        }
    }

    fn of<'a>(&self, node: &'a Node) -> &'a str {
        match self {
            Self::Kind(kind) if node.kind == *kind => &node.name,
            Self::Kind(kind) => node.parent(kind).unwrap_or_default(),
            Self::Attribute(name) => node.attribute(name).unwrap_or_default(),
        }
    }
}

/// The columns of these nodes: their kinds, their parents, innermost first, and their attributes.
fn columns(nodes: &[&Node]) -> Vec<Column> {
    let mut columns = Vec::new();
    let mut add = |column| {
        if !columns.contains(&column) {
            columns.push(column);
        }
    };
    let instances = nodes
        .iter()
        .flat_map(|node| node.parents.last().map(|parent| parent.kind));
    instances.for_each(|kind| add(Column::Kind(kind)));
    nodes.iter().for_each(|node| add(Column::Kind(node.kind)));
    nodes
        .iter()
        .flat_map(|node| node.parents.iter().rev())
        .for_each(|parent| add(Column::Kind(parent.kind)));
    nodes
        .iter()
        .flat_map(|node| &node.attributes)
        .for_each(|(name, _)| add(Column::Attribute(name)));
    columns
}

/// The examined nodes: matching ones by address, then the others in order of appearance.
fn nodes(discovery: &Discovery, rows: Rows, width: Width, colour: Colour) -> String {
    let kinds: BTreeSet<&str> = discovery.nodes().iter().map(|node| node.kind).collect();
    let kind = if kinds.len() == 1 {
        kinds.first().copied().unwrap_or("node")
    } else {
        "thing"
    };
    let mut text = format!(
        "{} of {} in\n",
        discovery.matched(),
        count(discovery.examined(), kind)
    );
    let mut nodes: Vec<&Node> = discovery
        .nodes()
        .iter()
        .filter(|node| rows.has(node))
        .collect();
    nodes.sort_by(|one, other| {
        (!one.is_match(), one.addresses.iter().min())
            .cmp(&(!other.is_match(), other.addresses.iter().min()))
    });
    let more = nodes.len().saturating_sub(rows.limit());
    nodes.truncate(rows.limit());
    if nodes.is_empty() {
        return text;
    }

    // Values that all nodes share are printed once, above the table.
    let (same, differing): (Vec<_>, Vec<_>) = columns(&nodes).into_iter().partition(|column| {
        nodes.len() > 1
            && nodes
                .iter()
                .all(|node| column.of(node).eq_ignore_ascii_case(column.of(nodes[0])))
    });
    let same: Vec<String> = same
        .into_iter()
        .filter(|column| !column.of(nodes[0]).is_empty())
        .map(|column| format!("{} {}", column.title(), column.of(nodes[0])))
        .collect();
    if !same.is_empty() {
        let _ = writeln!(
            text,
            "{}",
            width.wrapped(&format!("all of them: {}", same.join(", ")))
        );
    }
    let mut table = plain_table(width);
    table.set_header(
        ["", "address"]
            .into_iter()
            .chain(differing.iter().map(Column::title)),
    );
    for node in &nodes {
        let reasons = node.excluded.iter().map(ToString::to_string);
        let what: Vec<String> = node
            .addresses
            .iter()
            .map(ToString::to_string)
            .chain(reasons)
            .map(|text| printable(&text))
            .collect();
        table.add_row(
            [
                if node.is_match() { "in" } else { "out" }.to_owned(),
                what.join("\n"),
            ]
            .into_iter()
            .chain(differing.iter().map(|column| printable(column.of(node)))),
        );
    }
    keep_names_whole(&mut table, width);
    let _ = writeln!(
        text,
        "\n{}",
        colour.first_words(
            &trimmed(&table),
            &[("in", Colour::GREEN), ("out", Colour::YELLOW)]
        )
    );
    if more > 0 {
        let _ = writeln!(
            text,
            "{}",
            width.wrapped(&format!("{more} more; use a larger `--limit` or `--only`"))
        );
    }
    text
}

/// Wraps the reasons rather than the names, as long as there is enough width for reasons.
fn keep_names_whole(table: &mut Table, width: Width) {
    const REASONS: u16 = 14;
    const PADDING: u16 = 2;
    let widths = table.column_max_content_widths();
    let names: u16 = widths
        .iter()
        .skip(2)
        .map(|width| width.saturating_add(PADDING))
        .fold(0, u16::saturating_add);
    let verdict = widths.first().copied().unwrap_or_default() + PADDING;
    if width
        .columns()
        .is_none_or(|columns| names.saturating_add(verdict + REASONS) <= columns)
    {
        table
            .column_iter_mut()
            .skip(2)
            .for_each(|column| _ = column.set_constraint(ColumnConstraint::ContentWidth));
    }
}

fn requests(requests: &[RequestRecord], width: Width) -> String {
    let mut table = plain_table(width);
    table.set_header([
        Cell::new("request"),
        Cell::new("status"),
        Cell::new("time").set_alignment(CellAlignment::Right),
    ]);
    for request in requests {
        let attempt = if request.attempt > 1 {
            format!(" (attempt {})", request.attempt)
        } else {
            String::new()
        };
        let outcome = match &request.outcome {
            RequestOutcome::Status(status) => status.to_string(),
            other => printable(&other.to_string()),
        };
        let time = Cell::new(format!("{} ms", request.elapsed.as_millis()))
            .set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(printable(&format!("{}{attempt}", request.operation))),
            Cell::new(outcome),
            time,
        ]);
    }
    if let Some(time) = table.column_mut(2) {
        time.set_constraint(ColumnConstraint::LowerBoundary(ColumnWidth::Fixed(10)));
    }
    trimmed(&table) + "\n"
}

/// The last lines: the findings, the most likely cause, and the string that would work.
fn conclusion(explanation: &Explanation<'_>, width: Width) -> String {
    let mut text = String::new();
    let found = explanation
        .discovery
        .is_some_and(|discovery| discovery.matched() > 0);
    let mut findings = explanation.findings().iter();
    let cause = if found { None } else { findings.next() };
    for finding in findings {
        let hint = finding
            .hint
            .as_ref()
            .filter(|_| found)
            .map(|hint| format!("; {hint}"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "{}",
            width.wrapped(&format!("note: {}{hint}", finding.message))
        );
    }
    if let Some(cause) = cause {
        let _ = writeln!(
            text,
            "{}",
            width.wrapped(&format!("likely cause: {}", cause.message))
        );
        if let Some(hint) = &cause.hint {
            let _ = writeln!(text, "{}", width.wrapped(&format!("hint: {hint}")));
        }
    }
    if let Some(suggestion) = &explanation.suggestion {
        let _ = writeln!(text, "try: {}", printable(suggestion));
    }
    if text.is_empty() {
        text
    } else {
        format!("\n{text}")
    }
}

fn plain_table(width: Width) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    match width.columns() {
        Some(columns) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table
}

/// The table without trailing spaces.
fn trimmed(table: &Table) -> String {
    table
        .lines()
        .map(|line| {
            line.strip_prefix(' ')
                .unwrap_or(&line)
                .trim_end()
                .to_owned()
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn count(count: usize, kind: &str) -> String {
    if count == 1 {
        format!("1 {kind} is")
    } else {
        format!("{count} {kind}s are")
    }
}
