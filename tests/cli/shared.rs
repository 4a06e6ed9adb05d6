//! One result for several machines, through a directory that they share.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::command::{Command, discover};

/// A program that counts its runs, and a store.
struct Fleet {
    folder: TempDir,
}

impl Fleet {
    fn new() -> Self {
        let fleet = Self {
            folder: TempDir::new().unwrap(),
        };
        fs::create_dir(fleet.path("store")).unwrap();
        fleet.set("echo 10.0.0.5 10.0.0.4");
        fleet
    }

    fn set(&self, script: &str) {
        let counted = format!("echo run >> {}\n{script}\n", self.path("runs").display());
        fs::write(self.path("program"), counted).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn runs(&self) -> usize {
        let runs = fs::read_to_string(self.path("runs"));
        runs.map_or(0, |runs| runs.lines().count())
    }

    fn words(&self) -> [String; 2] {
        [
            format!("--shared=file://{}", self.path("store").display()),
            format!(
                "provider=exec command=\"/bin/sh {}\"",
                self.path("program").display()
            ),
        ]
    }

    fn addrs(&self, flags: &[&str]) -> Command {
        let [shared, join] = self.words();
        let words = ["addrs", &shared].into_iter().chain(flags.iter().copied());
        discover(words.chain([join.as_str()]))
    }
}

const FOUND: &str = "10.0.0.4 10.0.0.5\n";

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn one_process_makes_the_request_and_the_others_print_its_result() {
    let fleet = Fleet::new();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let command = fleet.addrs(&[]);
        running.spawn(async move { command.run().await });
    }
    for ended in running.join_all().await {
        ended.is(0, FOUND, "");
    }
    assert_eq!(fleet.runs(), 1);
    fleet.set("exit 1");
    fleet
        .addrs(&["-o", "lines"])
        .run()
        .await
        .is(0, "10.0.0.4\n10.0.0.5\n", "");
    assert_eq!(fleet.runs(), 1);
}

#[tokio::test]
async fn without_the_store_it_makes_its_own_request() {
    let fleet = Fleet::new();
    fs::remove_dir(fleet.path("store")).unwrap();
    fs::write(fleet.path("store"), "").unwrap();
    let ended = fleet.addrs(&[]).run().await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(0), FOUND),
        "{ended:?}"
    );
    let why = format!(
        "polled by this member itself, without file://{}: ",
        fleet.path("store").display()
    );
    assert!(ended.stderr.contains(&why), "{ended:?}");
}

#[tokio::test]
async fn a_result_that_is_not_signed_with_the_key_is_not_printed() {
    let fleet = Fleet::new();
    let key = fleet.path("key");
    let flag = format!("--shared-key-file={}", key.display());
    fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    set_mode(&key, 0o600);
    fleet.addrs(&[&flag]).run().await.is(0, FOUND, "");
    let object = fs::read_dir(fleet.path("store"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .unwrap();
    let text = fs::read_to_string(&object).unwrap();
    assert!(!text.contains("0123456789abcdef"), "{text}");
    let forged = text.replace("10.0.0.4", "10.6.6.6");
    assert_ne!(forged, text);
    fs::write(&object, forged).unwrap();
    let ended = fleet.addrs(&[&flag]).run().await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(0), FOUND),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("it isn't signed with this key"),
        "{ended:?}"
    );
    assert_eq!(fleet.runs(), 2);
}

#[tokio::test]
async fn a_key_that_others_can_write_is_refused_and_one_that_all_can_read_is_reported() {
    let fleet = Fleet::new();
    let key = fleet.path("key");
    let flag = format!("--shared-key-file={}", key.display());
    fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    for mode in [0o620, 0o602] {
        set_mode(&key, mode);
        let ended = fleet.addrs(&[&flag]).run().await;
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""));
        let why = format!("the key {} can be written by other users", key.display());
        assert!(ended.stderr.contains(&why), "{ended:?}");
    }
    set_mode(&key, 0o640);
    fleet.addrs(&[&flag]).run().await.is(0, FOUND, "");
    set_mode(&key, 0o644);
    let ended = fleet.addrs(&[&flag]).run().await;
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), FOUND));
    assert!(
        ended.stderr.contains("can be read by all users"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn it_takes_all_sources_or_none() {
    let fleet = Fleet::new();
    let ended = fleet.addrs(&["--any"]).run().await;
    assert_eq!(ended.status, Some(2), "{ended:?}");
    let ended = discover([
        "addrs",
        "--shared=https://example.com/a",
        "provider=exec command=true",
    ]);
    let ended = ended.run().await;
    assert_eq!(ended.status, Some(1));
    assert!(
        ended.stderr.contains("write one of file:///DIRECTORY"),
        "{ended:?}"
    );
}

#[cfg(feature = "sidecar")]
#[tokio::test]
async fn a_sidecar_takes_part() {
    let fleet = Fleet::new();
    let [shared, join] = fleet.words();
    fleet.addrs(&[]).run().await.is(0, FOUND, "");
    let peers = fleet.path("peers");
    let file = format!("--file=lines:{}", peers.display());
    let watch = discover(["watch", "--once", "--listen=none", &file, &shared, &join]);
    let ended = watch.run().await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(fs::read_to_string(peers).unwrap(), "10.0.0.4\n10.0.0.5\n");
    assert_eq!(fleet.runs(), 1);
    let both = discover(["watch", "--config", "/nowhere.toml", &shared])
        .run()
        .await;
    assert_eq!(both.status, Some(2), "{both:?}");
}
