//! What is written for the next start of an agent, and for any other reader of files.
//!
//! One file a kind: `consul.rs`, `nomad.rs`, `vault.rs`, `lines.rs`, `file_sd.rs`, `template.rs`. `form.rs` has how an address is written for each;
//! `cloud_autojoin::atomic_file` replaces a file so that a reader sees the old one or the new one and
//! nothing between.

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

/// What an output shows: the addresses, at least one, and where they came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// The name of the watch.
    pub(crate) watch: &'a str,
    /// The provider that was asked.
    pub(crate) provider: &'a str,
    /// What was asked for, in words.
    pub(crate) subject: &'a str,
    /// Without duplicates, in the order in which they are to be tried.
    pub(crate) addresses: &'a [Address],
}

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// What is in it.
    pub(crate) kind: Kind,
    /// Where it is. A symbolic link is followed.
    pub(crate) path: PathBuf,
    /// The port that addresses without one of their own are written with.
    pub(crate) port: Option<u16>,
    /// The permissions of a file that was not there; one that was keeps its own.
    pub(crate) mode: u32,
}

/// What is in a file.
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
        /// What each stanza says beside the address.
        stanza: vault::Stanza,
    },
    /// One address a line.
    Lines,
    /// Prometheus' target groups.
    FileSd {
        /// Labels of every target.
        labels: file_sd::Labels,
    },
    /// Whatever a template makes.
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
    /// The text of the file.
    ///
    /// # Errors
    ///
    /// There is no address, or the template does not work.
    pub(crate) fn render(&self, view: &View<'_>) -> Result<String, Failure> {
        if view.addresses.is_empty() {
            return Err(Failure::new("there is no address to write"));
        }
        match &self.kind {
            Kind::Consul(syntax) => consul::render(*syntax, &self.forms(view, consul::PORT)),
            Kind::Nomad(role, syntax) => nomad::render(*role, *syntax, &self.forms(view, role.port())),
            Kind::Vault { syntax, template, scheme, stanza } => {
                let stanzas = vault::stanzas(*syntax, view.addresses, scheme, self.port, stanza)?;
                template.render(view, Some(&stanzas))
            }
            Kind::Lines => Ok(lines::render(view.addresses, self.port)),
            Kind::FileSd { labels } => file_sd::render(&file_sd::groups(view.watch, view.addresses, self.port, labels)),
            Kind::Template(template) => template.render(view, None),
        }
    }

    /// Whether `text`, as it was read back, says what it should.
    ///
    /// # Errors
    ///
    /// It does not parse, or does not say it.
    pub(crate) fn verify(&self, view: &View<'_>, text: &str) -> Result<(), Failure> {
        match &self.kind {
            Kind::Consul(syntax) => consul::verify(*syntax, &self.forms(view, consul::PORT), text),
            Kind::Nomad(role, syntax) => nomad::verify(*role, *syntax, &self.forms(view, role.port()), text),
            Kind::Vault { syntax, scheme, .. } => vault::verify(*syntax, view.addresses, scheme, self.port, text),
            Kind::Lines => lines::verify(view.addresses, self.port, text),
            Kind::FileSd { labels } => file_sd::verify(&file_sd::groups(view.watch, view.addresses, self.port, labels), text),
            Kind::Template(_) if text.trim().is_empty() => Err(Failure::new("the template makes an empty file")),
            Kind::Template(_) => match syntax_of(&self.path) {
                Some(syntax) => retry_join::parse(syntax, text).map(drop),
                None => Ok(()),
            },
        }
    }

    /// Brings the file up to date. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// It cannot be written; the old file is whole then.
    pub(crate) fn write(&self, view: &View<'_>) -> Result<Written, Failure> {
        let text = self.render(view).map_err(|failure| self.failure(failure))?;
        self.file().write_verified(text.as_bytes(), |read| {
            let read = std::str::from_utf8(read).map_err(|_| Failure::new("what was written is not UTF-8"))?;
            self.verify(view, read).map_err(|failure| self.failure(failure))
        })
    }

    /// Whether the file could be written, as far as that shows without writing.
    ///
    /// # Errors
    ///
    /// It couldn't.
    pub(crate) fn check_access(&self) -> Result<(), Failure> {
        self.file().check_access().map_err(|error| {
            let failure = Failure::new(format!("cannot write {}: {}", error.path().display(), error.reason()));
            match error.hint() {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            }
        })
    }

    /// Removes temporary files that a killed process left. To be called once at start; blocks on the
    /// disk.
    pub(crate) fn sweep(&self) {
        self.file().sweep();
    }

    fn file(&self) -> AtomicFile {
        AtomicFile::new(&self.path).with_mode(self.mode).keeping_owner()
    }

    fn failure(&self, failure: Failure) -> Failure {
        let named = Failure::new(format!("cannot write {}: {failure}", self.path.display()));
        match failure.hint() {
            Some(hint) => named.with_hint(hint),
            None => named,
        }
    }

    fn forms(&self, view: &View<'_>, reader_default: u16) -> Vec<String> {
        view.addresses.iter().map(|address| address_format::in_file(address, self.port, reader_default)).collect()
    }
}

/// The syntax that the ending of a path names.
pub(crate) fn syntax_of(path: &Path) -> Option<Syntax> {
    match path.extension()?.to_str()? {
        "hcl" => Some(Syntax::Hcl),
        "json" => Some(Syntax::Json),
        _ => None,
    }
}
