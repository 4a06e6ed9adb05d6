//! What is packaged agrees with the command: join strings, configurations and flags in `packaging/`
//! and `examples/nomad-on-azure/` are judged by the real binary.
//!
//! Nothing but the repository is needed. Terraform and systemd have checks of their own;
//! `packaging/README.md` lists which were run.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use saphyr::{LoadableYamlNode, Yaml};

/// The value of each variable of a template: a subscription, an identity and the name of a scale
/// set may all be called so.
const PLACEHOLDER: &str = "11111111-2222-4333-8444-555555555555";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file below `directory` of the repository, by its path from the root, in order.
fn files(directory: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rooms = vec![PathBuf::from(directory)];
    while let Some(room) = rooms.pop() {
        for entry in fs::read_dir(root().join(&room)).unwrap() {
            let entry = entry.unwrap();
            let path = room.join(entry.file_name());
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(".terraform")
                || name.contains(".tfstate")
                || name.ends_with(".tfvars")
            {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                rooms.push(path);
            } else {
                found.insert(
                    path.to_str().unwrap().to_owned(),
                    fs::read_to_string(root().join(&path)).unwrap(),
                );
            }
        }
    }
    assert!(!found.is_empty(), "{directory} is empty");
    found
}

fn everything() -> BTreeMap<String, String> {
    let mut all = files("packaging");
    all.extend(files("examples/nomad-on-azure"));
    all
}

/// The text with `value` in place of every `${...}`.
fn filled(text: &str, value: impl Fn(&str) -> String) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').expect("a variable has an end");
        filled.push_str(before);
        filled.push_str(&value(name));
        rest = after;
    }
    filled + rest
}

/// Every join string of a text, up to the quote, backtick or line's end that closes it. One with an
/// ellipsis is no string but speaks of strings.
fn join_strings(text: &str) -> Vec<String> {
    let text = filled(text, |_| PLACEHOLDER.to_owned());
    let starts = text.match_indices("provider=").map(|(start, _)| start);
    let whole = starts.map(|start| {
        text[start..]
            .split(['"', '`', '\'', '\n'])
            .next()
            .unwrap()
            .trim()
            .to_owned()
    });
    whole.filter(|string| !string.contains("...")).collect()
}

/// Runs the command with an empty environment.
fn discover(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_discover"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Asserts that `discover watch --check` accepts the configuration without a message.
#[track_caller]
fn assert_watch_takes(name: &str, configuration: &str) {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("watch.toml");
    // The directories of the machine that it is for, made here.
    let root = room.path().to_str().unwrap();
    let configuration = configuration.replace("\"/", &format!("\"{root}/"));
    for path in configuration
        .split('"')
        .filter(|text| text.starts_with(root))
    {
        fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
    }
    fs::write(&file, &configuration).unwrap();
    let judged = discover(&["watch", "--check", "--config", file.to_str().unwrap()]);
    assert_eq!(
        judged,
        (Some(0), "ok\n".to_owned(), String::new()),
        "{name}\n{configuration}"
    );
}

/// What Terraform puts in place of the templates' variables, its own variables replaced.
fn cloud_init_variables() -> BTreeMap<String, String> {
    let main: hcl::Body =
        hcl::from_str(&files("examples/nomad-on-azure")["examples/nomad-on-azure/main.tf"])
            .unwrap();
    let locals = main
        .blocks()
        .find(|block| block.identifier() == "locals")
        .unwrap();
    let object = |name: &str| {
        let attribute = locals
            .body()
            .attributes()
            .find(|attribute| attribute.key() == name)
            .unwrap_or_else(|| panic!("main.tf has no local `{name}`"));
        let hcl::Expression::Object(object) = attribute.expr() else {
            panic!("`{name}` is no object")
        };
        object
            .iter()
            .map(|(key, value)| (key.to_string(), value.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    let join_strings = object("join_strings");
    let value = |expression: &hcl::Expression| match expression {
        hcl::Expression::TemplateExpr(template) => {
            filled(&template.to_string().replace('"', ""), |_| {
                PLACEHOLDER.to_owned()
            })
        }
        other => panic!("{other:?} is no join string"),
    };
    let of_variable = |(name, expression): (String, hcl::Expression)| {
        let text = expression.to_string();
        let join = text
            .strip_prefix("local.join_strings.")
            .map(|key| value(&join_strings[key]));
        (name, join.unwrap_or_else(|| PLACEHOLDER.to_owned()))
    };
    object("cloud_init_variables")
        .into_iter()
        .map(of_variable)
        .collect()
}

/// The templates as virtual machines get them.
fn cloud_inits() -> BTreeMap<String, String> {
    let variables = cloud_init_variables();
    let fill = |(name, text): (String, String)| {
        let text = filled(&text, |variable| {
            variables
                .get(variable)
                .unwrap_or_else(|| panic!("{name}: main.tf does not give `{variable}`"))
                .clone()
        });
        (name, text)
    };
    files("examples/nomad-on-azure/cloud-init")
        .into_iter()
        .map(fill)
        .collect()
}

/// The files that a cloud-init document writes.
fn written(name: &str, document: &str) -> BTreeMap<String, String> {
    assert!(
        document.starts_with("#cloud-config\n"),
        "{name}: cloud-init takes it for something else"
    );
    let documents = Yaml::load_from_str(document).unwrap_or_else(|error| panic!("{name}: {error}"));
    let [document] = &documents[..] else {
        panic!("{name} is {} documents", documents.len())
    };
    let files = document["write_files"].as_sequence().unwrap();
    let text = |file: &Yaml<'_>, key: &str| {
        file[key]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: a file has no `{key}`"))
            .to_owned()
    };
    files
        .iter()
        .map(|file| (text(file, "path"), text(file, "content")))
        .collect()
}

#[test]
fn every_join_string_that_is_packaged_passes_the_check() {
    let mut seen = 0;
    for (name, text) in everything() {
        for string in join_strings(&text) {
            let (status, stdout, stderr) = discover(&["check", "--strict", &string]);
            assert_eq!(status, Some(0), "{name}: {string}\n{stdout}{stderr}");
            seen += 1;
        }
    }
    assert!(seen >= 4, "only {seen} join strings were found");
}

#[test]
fn every_configuration_that_is_packaged_is_one_that_the_sidecar_takes() {
    let mut seen = 0;
    for (name, text) in files("packaging/discover") {
        assert_watch_takes(&name, &text);
        seen += 1;
    }
    for (name, document) in cloud_inits() {
        for (path, content) in written(&name, &document)
            .iter()
            .filter(|(path, _)| path.ends_with(".toml"))
        {
            assert_watch_takes(&format!("{name}, {path}"), content);
            seen += 1;
        }
    }
    assert!(seen >= 4, "only {seen} configurations were found");
}

#[test]
fn the_cloud_init_of_every_set_is_yaml_and_runs_what_it_writes() {
    let documents = cloud_inits();
    assert_eq!(documents.len(), 3);
    for (name, document) in &documents {
        let files = written(name, document);
        for (path, content) in files.iter().filter(|(path, _)| path.ends_with(".hcl")) {
            hcl::parse(content).unwrap_or_else(|error| panic!("{name}, {path}: {error}"));
        }
        for file in document
            .split('@')
            .skip(1)
            .filter(|text| text.starts_with('/'))
        {
            let file = file.split(['"', ' ', '\n']).next().unwrap();
            assert!(
                files.contains_key(file),
                "{name} speaks of {file} and does not write it"
            );
        }
        let parsed = Yaml::load_from_str(document).unwrap();
        let [script] = &parsed[0]["runcmd"].as_sequence().unwrap()[..] else {
            panic!("{name}: one script, so that its first failure ends it")
        };
        let script = script.as_str().unwrap();
        assert!(script.starts_with("set -eu\n"), "{name}");
        let watched = files.contains_key("/etc/discover/consul.toml");
        assert_eq!(
            watched,
            script.contains("discover-watch@consul.service"),
            "{name}: a sidecar without a configuration, or the other way round"
        );
        // Only the sidecar's unit makes the agent wait for it.
        assert_eq!(
            watched,
            files.contains_key("/etc/systemd/system/consul.service.d/10-discover-watch.conf"),
            "{name}"
        );
    }
}

#[test]
fn the_drop_in_of_the_example_is_the_one_that_is_packaged() {
    let orders = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let packaged = &files("packaging/systemd/agent.service.d")["packaging/systemd/agent.service.d/10-discover-watch.conf"];
    let of_consul = orders(&packaged.replace("%p", "consul"));
    for (name, document) in cloud_inits() {
        if let Some(drop_in) = written(&name, &document)
            .get("/etc/systemd/system/consul.service.d/10-discover-watch.conf")
        {
            assert_eq!(orders(drop_in), of_consul, "{name}");
        }
    }
}

#[test]
fn the_role_in_terraform_is_the_least_that_its_join_strings_need() {
    let main: hcl::Body =
        hcl::from_str(&files("examples/nomad-on-azure")["examples/nomad-on-azure/main.tf"])
            .unwrap();
    let roles: Vec<_> = main
        .blocks()
        .filter(|block| {
            block
                .labels()
                .first()
                .is_some_and(|label| label.as_str() == "azurerm_role_definition")
        })
        .collect();
    let [role] = roles[..] else {
        panic!("{} roles", roles.len())
    };
    let permissions = role
        .body()
        .blocks()
        .find(|block| block.identifier() == "permissions")
        .unwrap();
    let attribute = permissions
        .body()
        .attributes()
        .find(|attribute| attribute.key() == "actions")
        .unwrap();
    let hcl::Expression::Array(actions) = attribute.expr() else {
        panic!("`actions` is no list")
    };
    let given: BTreeSet<String> = actions
        .iter()
        .map(|action| action.to_string().trim_matches('"').to_owned())
        .collect();

    let mut needed = BTreeSet::new();
    for string in cloud_init_variables()
        .values()
        .filter(|value| value.starts_with("provider="))
    {
        let (status, stdout, stderr) = discover(&["check", "--role", "--output", "json", string]);
        assert_eq!(status, Some(0), "{string}\n{stderr}");
        let role: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        needed.extend(
            role["Actions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|action| action.as_str().unwrap().to_owned()),
        );
    }
    assert!(!needed.is_empty());
    assert_eq!(given, needed);
}

#[test]
fn every_terraform_file_parses() {
    let all = files("examples/nomad-on-azure");
    let terraform: Vec<_> = all
        .iter()
        .filter(|(name, _)| name.ends_with(".tf"))
        .collect();
    assert!(terraform.len() >= 4);
    for (name, text) in terraform {
        hcl::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_flag_that_is_packaged_is_one_that_the_sidecar_has() {
    let (_, help, _) = discover(&["watch", "--help"]);
    let has = |flag: &str| help.split([' ', '\n', '[', ',']).any(|word| word == flag);
    let mut seen = 0;
    for (name, text) in everything() {
        let text = text.replace("\\\n", " ");
        for line in text
            .lines()
            .filter(|line| !line.contains("discover-watch --"))
        {
            let Some((_, arguments)) = line.split_once("discover watch ") else {
                continue;
            };
            let arguments = arguments.split(['`', '&', '|', ';']).next().unwrap();
            for flag in arguments
                .split_whitespace()
                .filter(|word| word.starts_with("--"))
            {
                assert!(has(flag), "{name}: `discover watch` has no {flag}: {line}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 5, "only {seen} flags were found");
}

#[test]
fn every_unit_is_sandboxed_alike_and_notifies_systemd() {
    let units: BTreeMap<_, _> = files("packaging/systemd")
        .into_iter()
        .filter(|(name, _)| name.ends_with(".service"))
        .collect();
    assert_eq!(units.len(), 3);
    for (name, text) in units {
        let has_line = |line: &str| {
            assert!(
                text.lines().any(|present| present == line),
                "{name} does not have {line}"
            )
        };
        for line in [
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "MemoryDenyWriteExecute=yes",
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        ] {
            has_line(line);
        }
        has_line("SystemCallFilter=@system-service");
        has_line("CapabilityBoundingSet=");
        if name.contains("once") {
            has_line("Type=oneshot");
        } else {
            has_line("Type=notify");
            has_line("WatchdogSec=30s");
            has_line("ExecReload=/bin/kill -HUP $MAINPID");
        }
    }
}

#[test]
fn the_debian_package_takes_files_that_are_there() {
    let manifest: toml::Table =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .unwrap()
            .parse()
            .unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"]
        .as_array()
        .unwrap();
    let mut units = BTreeSet::new();
    for asset in assets {
        let [source, _, _] = &asset.as_array().unwrap()[..] else {
            panic!("{asset} is not source, target, mode")
        };
        let source = source.as_str().unwrap();
        // Built by a step that packaging/README.md describes.
        if source.starts_with("target/") || source.starts_with("../target/") {
            continue;
        }
        // A pattern matches a whole directory.
        let there = source.split('*').next().unwrap();
        assert!(
            Path::new(env!("CARGO_MANIFEST_DIR")).join(there).exists(),
            "{source} is not there"
        );
        units.extend(
            source
                .strip_prefix("../packaging/systemd/")
                .filter(|unit| unit.ends_with(".service"))
                .map(str::to_owned),
        );
    }
    let written: BTreeSet<_> = files("packaging/systemd")
        .into_keys()
        .filter_map(|name| name.strip_prefix("packaging/systemd/").map(str::to_owned))
        .collect();
    assert_eq!(
        units,
        written
            .into_iter()
            .filter(|name| name.ends_with(".service"))
            .collect()
    );
}
