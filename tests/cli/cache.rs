//! Results of earlier calls: what is used without a request, when the cloud fails, and never.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cloud_autojoin_simulator::azure::Simulator;
use cloud_autojoin_simulator::azure::world::World;
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{CLIENT_SECRET, Command, Ended, NOMAD_CONSUL, discover};

/// A program that counts its runs and prints two addresses, or does what a test writes into it.
struct Program {
    folder: TempDir,
}

impl Program {
    fn new() -> Self {
        let program = Self {
            folder: TempDir::new().unwrap(),
        };
        program.set("echo 10.0.0.5 10.0.0.4");
        program
    }

    fn set(&self, script: &str) {
        let counted = format!("echo run >> {}\n{script}\n", self.path("runs").display());
        fs::write(self.path("program"), counted).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    fn runs(&self) -> usize {
        let runs = fs::read_to_string(self.path("runs"));
        runs.map_or(0, |runs| runs.lines().count())
    }

    fn join(&self) -> String {
        let program = self.path("program");
        format!("provider=exec command=\"/bin/sh {}\"", program.display())
    }

    /// `discover addrs` with these flags, and this program's cache.
    fn addrs(&self, flags: &[&str]) -> Command {
        let cache = format!("--cache-directory={}", self.cache().display());
        let join = self.join();
        let words = ["addrs", &cache].into_iter().chain(flags.iter().copied());
        discover(words.chain([join.as_str()]))
    }

    async fn run(&self, flags: &[&str]) -> Ended {
        self.addrs(flags).run().await
    }

    /// The file of the only result.
    fn result(&self) -> PathBuf {
        result_in(&self.cache())
    }

    /// Changes the only result, as JSON.
    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let file = self.result();
        let mut result: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        change(&mut result);
        fs::write(file, result.to_string()).unwrap();
    }

    /// Makes the only result one of this time, of another run of the machine's clock.
    fn confirm(&self, seconds_ago: i64) {
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let time = now.checked_add_signed(-seconds_ago).unwrap();
        self.edit(|result| {
            result["confirmed"] = rfc3339(time).into();
            // As if the machine had restarted since: the time since its start has no meaning then.
            result["cached"]["boot"] = Value::Null;
        });
    }
}

fn rfc3339(seconds: u64) -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn result_in(cache: &Path) -> PathBuf {
    let mut results = fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        });
    let result = results.next().unwrap();
    assert_eq!(results.next(), None);
    result
}

const FOUND: &str = "10.0.0.4 10.0.0.5\n";

#[tokio::test]
async fn a_fresh_result_of_an_earlier_process_is_printed_without_a_request() {
    let program = Program::new();
    program.run(&["--max-age=1h"]).await.is(0, FOUND, "");
    program.set("exit 1");
    program.run(&["--max-age=1h"]).await.is(0, FOUND, "");
    let lines = program.run(&["--max-age=1h", "-o", "lines"]).await;
    lines.is(0, "10.0.0.4\n10.0.0.5\n", "");
    let json = program.run(&["--max-age=1h", "-o", "json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&json["provider"], &json["addresses"][1]["host"]),
        (&"exec".into(), &"10.0.0.5".into())
    );
    assert_eq!(program.runs(), 1);
}

#[tokio::test]
async fn nothing_is_kept_or_used_by_default() {
    let program = Program::new();
    program.run(&[]).await.is(0, FOUND, "");
    program.run(&["--max-age=0s"]).await.is(0, FOUND, "");
    assert_eq!(program.runs(), 2);
    assert!(!program.cache().exists());
}

#[tokio::test]
async fn variables_and_a_file_set_what_flags_do() {
    let program = Program::new();
    let join = program.join();
    let config = program.path("config.toml");
    let cache = program.cache();
    fs::write(
        &config,
        format!("max_age = \"1h\"\ncache_directory = {:?}\n", cache),
    )
    .unwrap();
    let by_file = || discover(["addrs", &join]).env("DISCOVER_CONFIG", &config);
    by_file().run().await.is(0, FOUND, "");
    by_file().run().await.is(0, FOUND, "");
    let by_variables = discover(["addrs", &join])
        .env("DISCOVER_MAX_AGE", "1h")
        .env("DISCOVER_CACHE_DIRECTORY", &cache);
    by_variables.run().await.is(0, FOUND, "");
    assert_eq!(program.runs(), 1);
    by_file()
        .env("DISCOVER_MAX_AGE", "0s")
        .run()
        .await
        .is(0, FOUND, "");
    assert_eq!(program.runs(), 2);
    fs::write(&config, "max_age = 3").unwrap();
    let ended = by_file().run().await;
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""));
    assert!(
        ended.stderr.contains("`max_age` must be a string"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn an_old_result_is_requested_again() {
    let program = Program::new();
    program.run(&["--max-age=1h"]).await.is(0, FOUND, "");
    program.confirm(3601);
    program.set("echo 10.0.0.9");
    program.run(&["--max-age=1h"]).await.is(0, "10.0.0.9\n", "");
    assert_eq!(program.runs(), 2);
}

#[tokio::test]
async fn a_result_of_the_future_is_neither_fresh_nor_used_when_the_cloud_fails() {
    let program = Program::new();
    let flags = ["--max-age=1h", "--stale-if-error=24h"];
    program.run(&flags).await.is(0, FOUND, "");
    program.confirm(-600);
    program.set("exit 1");
    assert_eq!(program.run(&flags).await.status, Some(1));
}

#[tokio::test]
async fn when_the_cloud_fails_a_result_within_the_limit_is_printed_with_a_warning() {
    let program = Program::new();
    let flags = ["--stale-if-error=24h"];
    program.run(&flags).await.is(0, FOUND, "");
    program.confirm(86_000);
    program.set("exit 7");
    let ended = program.run(&flags).await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(0), FOUND),
        "{ended:?}"
    );
    let warning = "warning: the addresses are those of 860";
    assert!(ended.stderr.starts_with(warning), "{ended:?}");
    assert!(
        ended.stderr.contains("status 7") && ended.stderr.lines().count() == 1,
        "{ended:?}"
    );
    program
        .addrs(&["-q", flags[0]])
        .run()
        .await
        .is(0, FOUND, "");
    program.confirm(86_500);
    let ended = program.run(&flags).await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(1), ""),
        "{ended:?}"
    );
    // Without the flag never.
    program.confirm(0);
    let ended = program.run(&["--max-age=1ms"]).await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(1), ""),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_result_without_addresses_is_no_failure_of_the_cloud() {
    let program = Program::new();
    let flags = ["--stale-if-error=24h"];
    program.run(&flags).await.is(0, FOUND, "");
    program.set("true");
    let ended = program.run(&flags).await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(3), ""),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_damaged_file_or_one_that_others_could_have_made_is_replaced() {
    let program = Program::new();
    let flags = ["--max-age=1h"];
    program.run(&flags).await.is(0, FOUND, "");
    let file = program.result();
    let whole = fs::read(&file).unwrap();
    let elsewhere = program.path("elsewhere");
    fs::write(&elsewhere, &whole).unwrap();
    let spoil: [&dyn Fn(); 4] = [
        &|| fs::write(&file, &whole[..whole.len() / 2]).unwrap(),
        &|| fs::write(&file, "").unwrap(),
        &|| fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap(),
        &|| {
            fs::remove_file(&file).unwrap();
            symlink(&elsewhere, &file).unwrap();
        },
    ];
    for (index, spoil) in spoil.into_iter().enumerate() {
        spoil();
        let ended = program.run(&flags).await;
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), FOUND));
        let warnings = ended.stderr.matches("is not used").count();
        assert_eq!(warnings, 1, "{index}: {ended:?}");
        assert_eq!(program.runs(), index + 2);
        let metadata = fs::symlink_metadata(&file).unwrap();
        assert!(metadata.is_file() && metadata.permissions().mode() & 0o777 == 0o600);
        program.run(&flags).await.is(0, FOUND, "");
    }
    assert_eq!(fs::read(&elsewhere).unwrap(), whole);
    // A directory that can't be trusted doesn't stop a call.
    fs::set_permissions(program.cache(), fs::Permissions::from_mode(0o777)).unwrap();
    let ended = program.run(&flags).await;
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), FOUND));
    assert!(
        ended.stderr.contains("can be written to by other users"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn concurrent_processes_make_one_request() {
    let program = Program::new();
    let (entered, go_on) = (program.path("entered"), program.path("go-on"));
    for pipe in [&entered, &go_on] {
        assert!(
            std::process::Command::new("mkfifo")
                .arg(pipe)
                .status()
                .unwrap()
                .success()
        );
    }
    program.set(&format!(
        "echo > {}; read line < {}; echo 10.0.0.4 10.0.0.5",
        entered.display(),
        go_on.display()
    ));
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let command = program.addrs(&["--max-age=1h"]);
        running.spawn(async move { command.run().await });
    }
    let release = tokio::task::spawn_blocking(move || {
        // Opening a pipe waits for its other end: one process makes its request now.
        fs::read(entered).unwrap();
        fs::write(go_on, "\n").unwrap();
    });
    let ended = running.join_all().await;
    release.await.unwrap();
    assert_eq!(ended.len(), 12);
    ended.iter().for_each(|ended| ended.is(0, FOUND, ""));
    assert_eq!(program.runs(), 1);
}

#[tokio::test]
async fn a_process_killed_during_its_request_blocks_no_other() {
    let program = Program::new();
    let entered = program.path("entered");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&entered)
            .status()
            .unwrap()
            .success()
    );
    program.set(&format!("echo > {}; exec sleep 60", entered.display()));
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_discover"))
        .args(["addrs", "--max-age=1h", "--cache-directory"])
        .arg(program.cache())
        .arg(program.join())
        .spawn()
        .unwrap();
    tokio::task::spawn_blocking(move || fs::read(entered).unwrap())
        .await
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    program.set("echo 10.0.0.4 10.0.0.5");
    program.run(&["--max-age=1h"]).await.is(0, FOUND, "");
}

#[tokio::test]
async fn several_join_strings_are_one_result_and_a_part_is_never_kept() {
    let (one, two) = (Program::new(), Program::new());
    two.set("echo 10.0.0.9");
    let flags = ["--any", "--max-age=1h"];
    let both = || {
        let cache = format!("--cache-directory={}", one.cache().display());
        discover([
            "addrs",
            &cache,
            flags[0],
            flags[1],
            &one.join(),
            &two.join(),
        ])
    };
    let all = "10.0.0.4 10.0.0.5 10.0.0.9\n";
    two.set("exit 1");
    assert_eq!(both().run().await.stdout, FOUND);
    two.set("echo 10.0.0.9");
    both().run().await.is(0, all, "");
    both().run().await.is(0, all, "");
    assert_eq!((one.runs(), two.runs()), (2, 2));
    let json = discover([
        "addrs",
        &format!("--cache-directory={}", one.cache().display()),
        "--max-age=1h",
        "--output=json",
        &one.join(),
        &two.join(),
    ]);
    let json: Value = serde_json::from_str(&json.run().await.stdout).unwrap();
    assert_eq!(json["sources"][1]["addresses"][0]["host"], "10.0.0.9");
    assert_eq!((one.runs(), two.runs()), (2, 2));
}

#[tokio::test]
async fn results_are_listed_without_secrets_and_cleared() {
    let program = Program::new();
    program.run(&["--max-age=1h"]).await.is(0, FOUND, "");
    fs::write(program.cache().join("note.txt"), "kept").unwrap();
    let cache = |words: &[&str]| {
        let directory = format!("--cache-directory={}", program.cache().display());
        discover(
            ["cache", &directory]
                .into_iter()
                .chain(words.iter().copied()),
        )
    };
    let listed = cache(&["list"]).run().await;
    assert_eq!(listed.status, Some(0));
    assert!(
        listed.stdout.contains(" s old, 2 addresses: provider=exec"),
        "{listed:?}"
    );
    let json = cache(&["list", "-o", "json"]).run().await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["results"][0]["addresses"], 2);
    cache(&["clear"])
        .run()
        .await
        .is(0, "1 results removed\n", "");
    cache(&["list"]).run().await.is(0, "", "");
    assert_eq!(fs::read_dir(program.cache()).unwrap().count(), 1);
    program.run(&["--max-age=1h"]).await.is(0, FOUND, "");
    assert_eq!(program.runs(), 2);
}

#[cfg(feature = "sidecar")]
#[tokio::test]
async fn a_result_of_the_sidecar_is_used_without_a_request_unless_a_guard_holds_it_back() {
    let program = Program::new();
    let watch = |flags: &[&str]| {
        let file = format!("lines:{}", program.path("peers").display());
        let cache = program.cache();
        let join = program.join();
        let words = [
            "watch",
            "--once",
            "--listen=none",
            "--timeout=1s",
            "--file",
            &file,
        ];
        discover(words.iter().chain(flags).chain(&[join.as_str()]))
            .env("DISCOVER_CACHE_DIRECTORY", cache)
    };
    let ended = watch(&["--min=3"]).run().await;
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let held = program.runs();
    program.run(&["--max-age=1h"]).await.is(0, FOUND, "");
    assert_eq!(program.runs(), held + 1);
    program.set("echo 10.0.0.7");
    let ended = watch(&[]).run().await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    program.set("exit 1");
    let ended = program.run(&["--max-age=1h", "-o", "json"]).await;
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["addresses"][0]["host"], "10.0.0.7");
    assert_eq!(program.runs(), held + 2);
}

async fn start(world: &str) -> Simulator {
    Simulator::start(World::shipped(world).unwrap())
        .await
        .unwrap()
}

fn azure(simulator: &Simulator) -> String {
    format!(
        "provider=azure subscription_id={NOMAD_CONSUL} resource_group=cluster vm_scale_set=consul-servers {}",
        simulator.join_settings()
    )
}

#[tokio::test]
async fn a_result_of_other_credentials_or_of_another_scope_is_never_used() {
    let folder = TempDir::new().unwrap();
    let cache = folder.path().join("cache");
    let flag = format!("--cache-directory={}", cache.display());
    let simulator = start("nomad-consul").await;
    let join = azure(&simulator);
    let words = [
        "addrs",
        "--max-age=1h",
        "--stale-if-error=24h",
        "--timeout=1s",
        &flag,
        &join,
    ];
    let servers = "10.0.1.4 10.0.1.5 10.0.1.6\n";
    discover(words)
        .against(&simulator)
        .run()
        .await
        .is(0, servers, "");
    let stale = [
        "addrs",
        "--stale-if-error=24h",
        "--timeout=1s",
        &flag,
        &join,
    ];
    let stale = discover(stale).against(&simulator);
    let gone = discover(words).against(&simulator);
    let other = discover(words)
        .against(&simulator)
        .env("ARM_CLIENT_SECRET", "another");
    simulator.finish();
    gone.run().await.is(0, servers, "");
    let ended = other.run().await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(1), ""),
        "{ended:?}"
    );
    // Neither a name nor a file has the secret.
    for entry in fs::read_dir(&cache).unwrap() {
        let entry = entry.unwrap();
        let contents = fs::read(entry.path()).unwrap();
        let shown = format!("{:?} {}", entry.path(), String::from_utf8_lossy(&contents));
        assert!(!shown.contains(CLIENT_SECRET), "{shown}");
    }
    // The cloud reported another subscription.
    let file = result_in(&cache);
    let text = fs::read_to_string(&file).unwrap();
    let of_another = text.replace(
        &format!("\"subscription_id\": \"{NOMAD_CONSUL}\""),
        "\"subscription_id\": \"99999999-2222-4222-8222-222222222222\"",
    );
    assert_ne!(text, of_another);
    fs::write(&file, of_another).unwrap();
    let ended = stale.run().await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(1), ""),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("subscription_id differs"),
        "{ended:?}"
    );
}
