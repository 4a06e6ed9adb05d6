//! Converts the flags of `discover watch` to a configuration table.

use std::path::PathBuf;

use cloud_autojoin::ConfigProblem;
use cloud_autojoin_sidecar::{AGENT_KINDS, FILE_KINDS};
use toml::{Table, Value};

use crate::arguments::Watch;

impl Watch {
    /// The configuration as a file would contain it.
    ///
    /// # Errors
    ///
    /// Every flag that is invalid by itself.
    pub(crate) fn table(&self) -> Result<Table, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let mut watch = Table::new();
        let mut join = Vec::new();
        for word in &self.words {
            match word.to_str() {
                Some(word) => join.push(Value::from(word)),
                None => problems.push(ConfigProblem::new("the join string is not UTF-8")),
            }
        }
        if !join.is_empty() {
            watch.insert("join".to_owned(), join.into());
        }
        for (key, text) in [
            ("interval", &self.interval),
            ("timeout", &self.timeout),
            ("stable_for", &self.stable_for),
            ("restore_max_age", &self.restore_max_age),
        ] {
            watch.extend(
                text.as_ref()
                    .map(|text| (key.to_owned(), Value::from(text.as_str()))),
            );
        }
        watch.extend(
            self.min
                .map(|min| ("min".to_owned(), Value::from(i64::from(min)))),
        );
        watch.extend(
            self.max_shrink
                .map(|percent| ("max_shrink".to_owned(), Value::from(i64::from(percent)))),
        );
        let files = self
            .file
            .iter()
            .filter_map(|text| self.file_table(text, &mut problems))
            .collect::<Vec<_>>();
        let agents = self
            .agent
            .iter()
            .filter_map(|text| self.agent_table(text, &mut problems))
            .collect::<Vec<_>>();
        let on_change = self.on_change.iter().map(|text| {
            let words: Vec<Value> = text.split_whitespace().map(Value::from).collect();
            Value::Table(Table::from_iter([(
                "command".to_owned(),
                Value::Array(words),
            )]))
        });
        for (key, tables) in [
            ("file", files),
            ("agent", agents),
            ("on_change", on_change.collect()),
        ] {
            if !tables.is_empty() {
                watch.insert(key.to_owned(), Value::Array(tables));
            }
        }
        let mut table = Table::from_iter([
            ("watch".to_owned(), Value::Array(vec![Value::Table(watch)])),
            ("listen".to_owned(), Value::from(self.listen.as_str())),
        ]);
        insert_path(
            &mut table,
            "state_directory",
            self.state_directory.as_ref(),
            &mut problems,
        );
        insert_path(
            &mut table,
            "cache_directory",
            self.cache_directory.as_ref(),
            &mut problems,
        );
        if let Some(url) = &self.shared.url {
            let mut shared = Table::from_iter([("url".to_owned(), Value::from(url.as_str()))]);
            let key_file = self.shared.key_file.as_ref();
            insert_path(&mut shared, "key_file", key_file, &mut problems);
            table.insert("shared".to_owned(), Value::Table(shared));
        }
        if problems.is_empty() {
            Ok(table)
        } else {
            Err(problems)
        }
    }

    fn file_table(&self, text: &str, problems: &mut Vec<ConfigProblem>) -> Option<Value> {
        let Some((kind, path)) = text
            .split_once(':')
            .filter(|(kind, path)| FILE_KINDS.contains(kind) && !path.is_empty())
        else {
            problems.push(
                ConfigProblem::new("`--file` must be KIND:PATH")
                    .with_hint(format!("known kinds: {}", FILE_KINDS.join(", "))),
            );
            return None;
        };
        let mut table = Table::from_iter([
            ("kind".to_owned(), Value::from(kind)),
            ("path".to_owned(), Value::from(path)),
        ]);
        if let Some(port) = self.port.filter(|_| kind != "template") {
            table.insert("port".to_owned(), Value::from(i64::from(port)));
        }
        if ["template", "vault"].contains(&kind) {
            insert_path(&mut table, "template", self.template.as_ref(), problems);
        }
        Some(Value::Table(table))
    }

    fn agent_table(&self, text: &str, problems: &mut Vec<ConfigProblem>) -> Option<Value> {
        let (kind, url) = text
            .split_once(':')
            .map_or((text, None), |(kind, url)| (kind, Some(url)));
        if !AGENT_KINDS.contains(&kind) {
            problems.push(
                ConfigProblem::new("`--agent` must be KIND or KIND:URL")
                    .with_hint(format!("known kinds: {}", AGENT_KINDS.join(", "))),
            );
            return None;
        }
        let mut table = Table::from_iter([("kind".to_owned(), Value::from(kind))]);
        table.extend(url.map(|url| ("url".to_owned(), Value::from(url))));
        insert_path(&mut table, "token_file", self.token_file.as_ref(), problems);
        Some(Value::Table(table))
    }
}

fn insert_path(
    table: &mut Table,
    key: &str,
    path: Option<&PathBuf>,
    problems: &mut Vec<ConfigProblem>,
) {
    let Some(path) = path else { return };
    match path.to_str() {
        Some(path) => _ = table.insert(key.to_owned(), Value::from(path)),
        None => problems.push(ConfigProblem::new(format!(
            "the path of `{key}` is not UTF-8"
        ))),
    }
}
