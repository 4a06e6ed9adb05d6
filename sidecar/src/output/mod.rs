//! The files for the next start of an agent, and for any other reader.
//!
//! One file a kind: `consul.rs`, `nomad.rs`, `vault.rs`, `lines.rs`, `file_sd.rs`, `template.rs`.
//! `form.rs` has how an address is written for each; `cloud_autojoin::atomic_file` replaces a file
//! so that a reader sees the old one or the new one and nothing between.

use std::path::{Path, PathBuf};

use cloud_autojoin::Address;
use cloud_autojoin::atomic_file::AtomicFile;

use super::failure::Failure;

pub(crate) mod address_format;
pub(crate) mod consul;
mod external_edits;
pub(crate) mod file_sd;
mod lines;
pub(crate) mod nomad;
mod retry_join;
pub(crate) mod template;
pub(crate) mod vault;

#[cfg(test)]
mod tests;

pub(crate) use cloud_autojoin::atomic_file::Written;
pub(crate) use external_edits::ExternalEdits;
pub(crate) use retry_join::Syntax;
use template::Template;

/// The contents of an output: the addresses, at least one, and where they came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// The name of the watch.
    pub(crate) watch: &'a str,
    /// The name of the provider.
    pub(crate) provider: &'a str,
    /// What is discovered, in words.
    pub(crate) subject: &'a str,
    /// Without duplicates, in the order in which a reader should try them.
    pub(crate) addresses: &'a [Address],
}

/// A file that is kept up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// Its contents.
    pub(crate) kind: Kind,
    /// Its path. A symbolic link is followed.
    pub(crate) path: PathBuf,
    /// The port of addresses without one.
    pub(crate) port: Option<u16>,
    /// The permissions of a new file; an existing one keeps its own.
    pub(crate) mode: u32,
}

/// The kind of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `retry_join` of a Consul agent.
    Consul(Syntax),
    /// `server_join` of a Nomad agent.
    Nomad(nomad::Role, Syntax),
    /// The storage block of Vault.
    Vault {
        /// The syntax that the template is written in.
        syntax: Syntax,
        /// The whole block.
        template: Template,
        /// `https` or `http`.
        scheme: String,
        /// The other attributes of each stanza.
        stanza: vault::Stanza,
    },
    /// One address a line.
    Lines,
    /// Prometheus' target groups.
    FileSd {
        /// Labels of every target.
        labels: file_sd::Labels,
    },
    /// The output of a template.
    Template(Template),
}

impl Kind {
    /// Its name in the configuration.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Consul(_) => "consul",
            Self::Nomad(nomad::Role::Server, _) => "nomad-server",
            Self::Nomad(nomad::Role::Client, _) => "nomad-client",
            Self::Vault { .. } => "vault",
            Self::Lines => "lines",
            Self::FileSd { .. } => "file_sd",
            Self::Template(_) => "template",
        }
    }
}

impl Output {
    /// The port that an agent joins the addresses of this file at; `None` if no gossip reads it.
    pub(crate) fn gossip_port(&self) -> Option<u16> {
        let default = match &self.kind {
            Kind::Consul(_) => consul::PORT,
            Kind::Nomad(role @ nomad::Role::Server, _) => role.port(),
            _ => return None,
        };
        Some(self.port.unwrap_or(default))
    }

    /// The text of the file.
    ///
    /// # Errors
    ///
    /// There is no address, or the template fails.
    pub(crate) fn render(&self, view: &View<'_>) -> Result<String, Failure> {
        if view.addresses.is_empty() {
            return Err(Failure::new("there is no address to write"));
        }
        match &self.kind {
            Kind::Consul(syntax) => consul::render(*syntax, &self.forms(view, consul::PORT)),
            Kind::Nomad(role, syntax) => {
                nomad::render(*role, *syntax, &self.forms(view, role.port()))
            }
            Kind::Vault {
                syntax,
                template,
                scheme,
                stanza,
            } => {
                let stanzas = vault::stanzas(*syntax, view.addresses, scheme, self.port, stanza)?;
                template.render(view, Some(&stanzas))
            }
            Kind::Lines => Ok(lines::render(view.addresses, self.port)),
            Kind::FileSd { labels } => file_sd::render(&file_sd::groups(
                view.watch,
                view.addresses,
                self.port,
                labels,
            )),
            Kind::Template(template) => template.render(view, None),
        }
    }

    /// Checks that `text`, as read back, has the addresses.
    ///
    /// # Errors
    ///
    /// It doesn't parse or has other contents.
    pub(crate) fn verify(&self, view: &View<'_>, text: &str) -> Result<(), Failure> {
        match &self.kind {
            Kind::Consul(syntax) => consul::verify(*syntax, &self.forms(view, consul::PORT), text),
            Kind::Nomad(role, syntax) => {
                nomad::verify(*role, *syntax, &self.forms(view, role.port()), text)
            }
            Kind::Vault { syntax, scheme, .. } => {
                vault::verify(*syntax, view.addresses, scheme, self.port, text)
            }
            Kind::Lines => lines::verify(view.addresses, self.port, text),
            Kind::FileSd { labels } => file_sd::verify(
                &file_sd::groups(view.watch, view.addresses, self.port, labels),
                text,
            ),
            Kind::Template(_) if text.trim().is_empty() => {
                Err(Failure::new("the template makes an empty file"))
            }
            Kind::Template(_) => match syntax_of(&self.path) {
                Some(syntax) => retry_join::parse(syntax, text).map(drop),
                None => Ok(()),
            },
        }
    }

    /// Updates the file. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// It can't be written; the old file stays.
    pub(crate) fn write(&self, view: &View<'_>) -> Result<Written, Failure> {
        let text = self.render(view).map_err(|failure| self.failure(failure))?;
        self.file().write_verified(text.as_bytes(), |read| {
            let read = std::str::from_utf8(read)
                .map_err(|_| Failure::new("what was written is not UTF-8"))?;
            self.verify(view, read)
                .map_err(|failure| self.failure(failure))
        })
    }

    /// Checks that the file can be written, as far as possible without writing.
    ///
    /// # Errors
    ///
    /// It can't be written.
    pub(crate) fn check_access(&self) -> Result<(), Failure> {
        self.file().check_access().map_err(|error| {
            let failure = Failure::new(format!(
                "cannot write {}: {}",
                error.path().display(),
                error.reason()
            ));
            match error.hint() {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            }
        })
    }

    /// Removes temporary files of a killed process. Called once at the start; blocks on the disk.
    pub(crate) fn sweep(&self) {
        self.file().sweep();
    }

    fn file(&self) -> AtomicFile {
        AtomicFile::new(&self.path)
            .with_mode(self.mode)
            .keeping_owner()
    }

    fn failure(&self, failure: Failure) -> Failure {
        let named = Failure::new(format!("cannot write {}: {failure}", self.path.display()));
        match failure.hint() {
            Some(hint) => named.with_hint(hint),
            None => named,
        }
    }

    fn forms(&self, view: &View<'_>, reader_default: u16) -> Vec<String> {
        view.addresses
            .iter()
            .map(|address| address_format::in_file(address, self.port, reader_default))
            .collect()
    }
}

/// The syntax for the extension of a path.
pub(crate) fn syntax_of(path: &Path) -> Option<Syntax> {
    match path.extension()?.to_str()? {
        "hcl" => Some(Syntax::Hcl),
        "json" => Some(Syntax::Json),
        _ => None,
    }
}
