//! A configuration as it was read: the table, and the lines of its keys.

use std::collections::BTreeMap;
use std::path::Path;

use cloud_autojoin::{ConfigProblem, file};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table};

/// The largest configuration file that is read.
const MAX_BYTES: u64 = 16 << 20;

/// A configuration that was read and isn't checked yet.
#[derive(Debug, Clone)]
pub struct ConfigSource {
    /// Its contents.
    pub(super) table: Table,
    /// Where it was read from; `None` for flags.
    pub(super) origin: Option<Origin>,
}

/// The file of a configuration, and the lines of its keys.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    file: String,
    /// By the path of the key, `watch.0.file.1.kind`.
    lines: BTreeMap<String, usize>,
}

impl From<Table> for ConfigSource {
    fn from(table: Table) -> Self {
        Self {
            table,
            origin: None,
        }
    }
}

impl ConfigSource {
    /// Reads a TOML file.
    ///
    /// # Errors
    ///
    /// The file can't be read or isn't TOML.
    pub async fn read(file: &Path) -> Result<Self, Vec<ConfigProblem>> {
        let text = file::read_text(file, MAX_BYTES).await.map_err(|error| {
            let problem = ConfigProblem::new(format!("cannot read {}: {error}", file.display()));
            vec![problem.with_hint("check that the file exists and that this user may read it")]
        })?;
        Self::parse(file, &text)
    }

    /// Parses the text of a configuration file.
    ///
    /// # Errors
    ///
    /// It isn't TOML. The message names the line and doesn't repeat its text, which may hold a
    /// secret.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<ConfigProblem>> {
        let file = file.display().to_string();
        // A byte order mark isn't part of the first key.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let not_toml = |error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| LineIndex::new(text).line_of(span.start));
            let what = error
                .message()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            vec![ConfigProblem::new(format!(
                "{file}:{line}: not TOML: {what}"
            ))]
        };
        let spanned = DeTable::parse(text).map_err(not_toml)?;
        let table = text.parse().map_err(not_toml)?;
        let mut lines = BTreeMap::new();
        add_table(spanned.get_ref(), "", &LineIndex::new(text), &mut lines);
        Ok(Self {
            table,
            origin: Some(Origin { file, lines }),
        })
    }
}

impl Origin {
    /// `watch.toml:12: `, for the key or table of this path.
    pub(super) fn prefix(&self, path: &str) -> String {
        let file = &self.file;
        // A missing key is reported at the table that lacks it.
        let mut path = Some(path);
        while let Some(at) = path {
            if let Some(line) = self.lines.get(at) {
                return format!("{file}:{line}: ");
            }
            path = at.rsplit_once('.').map(|(around, _)| around);
        }
        format!("{file}: ")
    }
}

/// The path of a key or an element in the table or list of that path.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn add_table(
    table: &DeTable<'_>,
    path: &str,
    index: &LineIndex,
    lines: &mut BTreeMap<String, usize>,
) {
    for (key, value) in table {
        let path = join(path, key.get_ref());
        lines.insert(path.clone(), index.line_of(key.span().start));
        add_value(value, &path, index, lines);
    }
}

fn add_value(
    value: &Spanned<DeValue<'_>>,
    path: &str,
    index: &LineIndex,
    lines: &mut BTreeMap<String, usize>,
) {
    match value.get_ref() {
        DeValue::Table(table) => add_table(table, path, index, lines),
        DeValue::Array(list) => {
            for (number, element) in list.iter().enumerate() {
                let path = join(path, &number.to_string());
                lines.insert(path.clone(), index.line_of(element.span().start));
                add_value(element, &path, index, lines);
            }
        }
        _ => {}
    }
}

/// Where the lines of a text end.
struct LineIndex(Vec<usize>);

impl LineIndex {
    fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// Counted from 1.
    fn line_of(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_and_table_has_its_line() {
        let text = "listen = \"none\"\n\n[[watch]]\njoin = [\n  \"a\",\n  \"b\"]\n# a comment\n[[watch.file]]\nkind = \"lines\"\n[[watch]]\nfile = { path = \"x\" }\n";
        let source = ConfigSource::parse(Path::new("watch.toml"), text).unwrap();
        let origin = source.origin.unwrap();
        for (path, line) in [
            ("listen", 1),
            ("watch.0", 3),
            ("watch.0.join", 4),
            ("watch.0.file.0", 8),
            ("watch.0.file.0.kind", 9),
            ("watch.1", 10),
            ("watch.1.file.path", 11),
            ("watch.1.join", 10),
        ] {
            assert_eq!(
                origin.prefix(path),
                format!("watch.toml:{line}: "),
                "{path}"
            );
        }
        assert_eq!(origin.prefix("nothing"), "watch.toml: ");
    }
}
