//! The parts of a watch: files, agents, and on-change actions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud_autojoin::Env;
use cloud_autojoin::file;
use http::header::HeaderName;
use url::{Host, Url};

use super::preflight::Preflight;
use super::section::Section;
use crate::agent::{Agent, AgentClient, AgentKind, ClientFiles};
use crate::on_change::{Action, OnChange, signal_of};
use crate::output::template::Template;
use crate::output::{Kind, Output, Syntax, file_sd, nomad, syntax_of};

/// The kinds of files, in the order of the documentation.
pub const FILE_KINDS: [&str; 7] = [
    "consul",
    "nomad-server",
    "nomad-client",
    "vault",
    "lines",
    "file_sd",
    "template",
];

/// The kinds of agents.
pub const AGENT_KINDS: [&str; 3] = ["consul", "nomad-server", "nomad-client"];

/// The largest template that is read.
const MAX_TEMPLATE: u64 = 16 << 20;

/// The default permissions of a new file: addresses aren't secret, and agents run as other users.
const MODE: u32 = 0o644;

/// The default debounce of an on-change action, so that machines that start together are one
/// change.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// The default timeout of a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads `[[watch.file]]`.
pub(super) async fn output(
    mut section: Section<'_>,
    check: Option<Preflight<'_>>,
) -> Option<Output> {
    let kind = section.required_text("kind");
    let path = section.required_text("path").map(PathBuf::from);
    let port = section.number("port", 1_u16, u16::MAX);
    let mode = mode(&mut section);
    let template = section.path("template");
    let template_given = template.is_some();
    let template = match template {
        Some(path) => read_template(&mut section, &path).await,
        None => None,
    };
    let scheme = section.text("scheme");
    let stanza = section.map("stanza");
    let labels = section.map("labels");
    let kind = kind.and_then(|kind| {
        let syntax = |section: &mut Section<'_>| {
            let syntax = path.as_deref().and_then(syntax_of);
            if path.is_some() && syntax.is_none() {
                section.problem_at(
                    "path",
                    format!("`path` must end in .hcl or .json for `{kind}`"),
                    Some("the agent reads no other files of its directory".to_owned()),
                );
            }
            syntax
        };
        let takes = |section: &mut Section<'_>, key: &str, given: bool, by: &[&str]| {
            if given && !by.contains(&kind.as_str()) {
                section.problem_at(key, format!("`{key}` means nothing for `{kind}`"), Some(format!("it belongs to {}", by.join(", "))));
            }
        };
        takes(&mut section, "template", template_given, &["vault", "template"]);
        takes(&mut section, "scheme", scheme.is_some(), &["vault"]);
        takes(&mut section, "stanza", !stanza.is_empty(), &["vault"]);
        takes(&mut section, "labels", !labels.is_empty(), &["file_sd"]);
        takes(&mut section, "port", port.is_some(), &["consul", "nomad-server", "nomad-client", "vault", "lines", "file_sd"]);
        match kind.as_str() {
            "consul" => Some(Kind::Consul(syntax(&mut section)?)),
            "nomad-server" => Some(Kind::Nomad(nomad::Role::Server, syntax(&mut section)?)),
            "nomad-client" => Some(Kind::Nomad(nomad::Role::Client, syntax(&mut section)?)),
            "lines" => Some(Kind::Lines),
            "vault" => {
                let syntax = syntax(&mut section);
                if !template_given {
                    section.problem(
                        "a `vault` file needs a `template` with the whole `storage` block",
                        Some(
                            "Vault drops the storage blocks of all other files, `path` and `node_id` with them; write the block with `{{ retry_join }}` in it"
                                .to_owned(),
                        ),
                    );
                }
                let scheme = scheme.unwrap_or_else(|| "https".to_owned());
                if !["http", "https"].contains(&scheme.as_str()) {
                    section.problem_at("scheme", "`scheme` must be http or https", None);
                }
                Some(Kind::Vault { syntax: syntax?, template: template?, scheme, stanza })
            }
            "file_sd" => {
                for (name, _) in labels.iter().filter(|(name, _)| !file_sd::is_label_name(name)) {
                    // Without the value, which may be a secret.
                    section.problem_at("labels", format!("`{name}` is no name of a label"), Some("letters, digits and `_`, the first no digit".to_owned()));
                }
                if port.is_none() {
                    section.problem("`port` is missing", Some("Prometheus needs the port that it is to scrape".to_owned()));
                }
                if path.as_deref().is_some_and(|path| syntax_of(path) != Some(Syntax::Json)) {
                    section.problem_at("path", "`path` must end in .json for `file_sd`", None);
                }
                Some(Kind::FileSd { labels: labels.into_iter().collect() })
            }
            "template" => {
                if !template_given {
                    section.problem("`template` is missing", Some("name the file with the template".to_owned()));
                }
                Some(Kind::Template(template?))
            }
            _ => {
                section.problem_at("kind", "unknown `kind` of file", Some(format!("known: {}", FILE_KINDS.join(", "))));
                None
            }
        }
    });
    let output = kind.zip(path).map(|(kind, path)| Output {
        kind,
        path,
        port,
        mode,
    });
    if let (Some(output), Some(check)) = (&output, check) {
        check.output(&mut section, output);
    }
    section.finish();
    output
}

fn mode(section: &mut Section<'_>) -> u32 {
    let Some(text) = section.text("mode") else {
        return MODE;
    };
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if mode <= 0o777 => mode,
        _ => {
            section.problem_at("mode", "`mode` must be permissions as 0640", None);
            MODE
        }
    }
}

async fn read_template(section: &mut Section<'_>, path: &Path) -> Option<Template> {
    let name = path.display().to_string();
    let template = match file::read_text(path, MAX_TEMPLATE).await {
        Ok(source) => Template::new(&name, source).map_err(|failure| failure.to_string()),
        Err(error) => Err(format!("cannot read the template {name}: {error}")),
    };
    template
        .map_err(|message| section.problem_at("template", message, None))
        .ok()
}

/// Reads `[[watch.agent]]`.
pub(super) async fn agent(
    mut section: Section<'_>,
    env: &Env,
    check: Option<Preflight<'_>>,
) -> Option<Agent> {
    let kind = section.required_text("kind");
    let wan = section.boolean("wan");
    let kind = kind.and_then(|kind| match kind.as_str() {
        "consul" => Some(AgentKind::Consul {
            wan: wan.unwrap_or(false),
        }),
        "nomad-server" => Some(AgentKind::NomadServer),
        "nomad-client" => Some(AgentKind::NomadClient),
        _ => {
            section.problem_at(
                "kind",
                "unknown `kind` of agent",
                Some(format!("known: {}", AGENT_KINDS.join(", "))),
            );
            None
        }
    });
    if wan.is_some() && kind.is_some_and(|kind| !matches!(kind, AgentKind::Consul { .. })) {
        section.problem_at(
            "wan",
            "`wan` means nothing for this `kind`",
            Some("it belongs to consul".to_owned()),
        );
    }
    let url = section.text("url");
    let port = section.number("port", 1_u16, u16::MAX);
    let mut files = ClientFiles {
        token: section.path("token_file"),
        authorities: section.path("ca_file"),
        certificate: None,
    };
    match (section.path("certificate_file"), section.path("key_file")) {
        (Some(certificate), Some(key)) => files.certificate = Some((certificate, key)),
        (None, None) => {}
        (Some(_), None) => {
            section.problem("`key_file` is missing (`certificate_file` is given)", None)
        }
        (None, Some(_)) => {
            section.problem("`certificate_file` is missing (`key_file` is given)", None)
        }
    }
    let url = kind.and_then(|kind| {
        agent_url(
            &mut section,
            url.as_deref().unwrap_or_else(|| kind.default_url()),
        )
    });
    let given = section.text("server_name");
    let server_name = kind
        .zip(url.as_ref())
        .and_then(|(kind, url)| server_name(&mut section, given, kind, url, env));
    let agent = kind.zip(url).map(|(kind, url)| {
        let token_header = match kind {
            AgentKind::Consul { .. } => HeaderName::from_static("x-consul-token"),
            AgentKind::NomadServer | AgentKind::NomadClient => {
                HeaderName::from_static("x-nomad-token")
            }
        };
        Agent {
            kind,
            client: AgentClient::new(url, token_header, files).with_server_name(server_name),
            port,
        }
    });
    if let (Some(agent), Some(check)) = (&agent, check) {
        check.agent(&mut section, agent).await;
    }
    section.finish();
    agent
}

/// The name in the agent's certificate: `server_name`, or the variable of the agent's own tools.
fn server_name(
    section: &mut Section<'_>,
    given: Option<String>,
    kind: AgentKind,
    url: &Url,
    env: &Env,
) -> Option<String> {
    let variable = match kind {
        AgentKind::Consul { .. } => "CONSUL_TLS_SERVER_NAME",
        AgentKind::NomadServer | AgentKind::NomadClient => "NOMAD_TLS_SERVER_NAME",
    };
    if url.scheme() != "https" {
        if given.is_some() {
            section.problem_at(
                "server_name",
                "`server_name` means nothing without TLS",
                Some("give `url` the scheme https".to_owned()),
            );
        }
        return None;
    }
    let source = if given.is_some() {
        "server_name"
    } else {
        variable
    };
    let name = given.or_else(|| env.filled(variable))?;
    if !matches!(Host::parse(&name), Ok(Host::Domain(_))) {
        section.problem_at(
            "server_name",
            format!("`{source}` must be a DNS name"),
            Some("it is the name in the agent's certificate, as server.dc1.consul".to_owned()),
        );
        return None;
    }
    Some(name)
}

fn agent_url(section: &mut Section<'_>, text: &str) -> Option<Url> {
    let Some(url) = Url::parse(text).ok().filter(|url| {
        ["http", "https"].contains(&url.scheme()) && url.has_host() && url.query().is_none()
    }) else {
        section.problem_at("url", "`url` must be a URL as http://127.0.0.1:8500", None);
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        section.problem_at(
            "url",
            "`url` must hold no user and no password",
            Some("give the token in `token_file`".to_owned()),
        );
        return None;
    }
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && !is_here {
        section.problem_at(
            "url",
            "`url` must be https: plain http is for agents on this machine",
            None,
        );
        return None;
    }
    Some(url)
}

/// Reads `[[watch.on_change]]`.
pub(super) fn on_change(
    mut section: Section<'_>,
    check: Option<Preflight<'_>>,
) -> Option<OnChange> {
    let command = section.texts("command");
    let signal = section.text("signal");
    let pid_file = section.path("pid_file");
    let debounce = section.duration("debounce", true).unwrap_or(DEBOUNCE);
    let timeout = section
        .duration("timeout", false)
        .unwrap_or(COMMAND_TIMEOUT);
    let action = match (command, signal, pid_file) {
        (Some(command), None, None) => Some(Action::Command(command)),
        (None, Some(signal), Some(pid_file)) => match signal_of(&signal) {
            Some(signal) => Some(Action::Signal { signal, pid_file }),
            None => {
                section.problem_at(
                    "signal",
                    "`signal` must be one of HUP, INT, USR1, USR2, TERM, QUIT, WINCH, CONT",
                    None,
                );
                None
            }
        },
        (None, Some(_), None) => {
            section.problem("`pid_file` is missing (`signal` is given)", None);
            None
        }
        (None, None, Some(_)) => {
            section.problem(
                "`signal` is missing (`pid_file` is given)",
                Some("write `signal = \"HUP\"`".to_owned()),
            );
            None
        }
        (None, None, None) => {
            section.problem(
                "there is nothing to do on change",
                Some(
                    "write `command = [\"PROGRAM\", \"ARGUMENT\"]`, or `signal` and `pid_file`"
                        .to_owned(),
                ),
            );
            None
        }
        (Some(_), _, _) => {
            section.problem(
                "`command` and `signal` are two actions",
                Some("give each a table of its own".to_owned()),
            );
            None
        }
    };
    if let (Some(Action::Command(words)), Some(check)) = (&action, check) {
        check.command(&mut section, words);
    }
    section.finish();
    Some(OnChange {
        action: action?,
        debounce,
        timeout,
    })
}
