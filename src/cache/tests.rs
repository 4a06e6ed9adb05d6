#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::SystemTime;

use cloud_autojoin_core::config::Options;
use cloud_autojoin_core::{
    Address, Clock, Context, Detail, Discovery, Env, EnvRecord, KeySpec, Node, Provider,
    ProviderSpec,
};
use tempfile::TempDir;

use super::*;
use crate::registry::Registry;
use crate::result_file::BootTime;

const KEYS: &[KeySpec] = &[
    KeySpec::new("region", "region").env(&["EXAMPLE_REGION"]),
    KeySpec::new("token", "token").secret(),
];

fn no_provider(_: &mut Options<'_>, _: &Context) -> cloud_autojoin_core::Result<Box<dyn Provider>> {
    unreachable!("nothing is requested")
}

fn registry() -> Registry {
    let spec = ProviderSpec::new("example", "Example", KEYS, no_provider);
    Registry::empty().with(spec.with_secret_env(&["EXAMPLE_TOKEN"]))
}

fn query_in(join_string: &str, env: &Env) -> Query {
    let config = join_string.parse().unwrap();
    Query::new([&config], &registry(), env).unwrap()
}

fn entry(folder: &TempDir, join_string: &str, env: &Env) -> CacheEntry {
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    cache.entry(&query_in(join_string, env))
}

fn found(addresses: &[&str]) -> Discovery {
    let mut discovery = Discovery::new("example", "servers", Detail::Addresses);
    for address in addresses {
        let mut node = Node::new("server", *address, *address);
        node.addresses = vec![Address::ip(address.parse().unwrap())];
        discovery.record(node);
    }
    discovery
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn now(wall: u64, boot: u64) -> Now {
    Now::new(at(wall), Some(("this", Duration::from_secs(boot))))
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn a_result_is_found_again_by_the_same_query_alone() {
    let folder = tempfile::tempdir().unwrap();
    let env = Env::from([("EXAMPLE_TOKEN", "t1"), ("EXAMPLE_REGION", "r1")]);
    let stored = entry(&folder, "provider=example token=a region=b", &env);
    stored
        .store(&[&found(&["10.0.0.4"])], Vec::new(), &now(0, 0))
        .unwrap();
    let is_found = |join_string, env: &Env| {
        entry(&folder, join_string, env)
            .lookup(&now(0, 0))
            .is_some()
    };
    assert!(is_found("region=b token=a provider=example", &env));
    for other in [
        "provider=example token=b region=b",
        "provider=example token=a",
        "provider=example token=a region=b x=y",
    ] {
        assert!(!is_found(other, &env), "{other}");
    }
    let same = "provider=example token=a region=b";
    for variables in [
        [("EXAMPLE_TOKEN", "t2"), ("EXAMPLE_REGION", "r1")],
        [("EXAMPLE_TOKEN", "t1"), ("EXAMPLE_REGION", "r2")],
        [
            ("EXAMPLE_TOKEN", "t1"),
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ],
    ] {
        assert!(!is_found(same, &Env::from(variables)), "{variables:?}");
    }
}

#[test]
fn a_result_depends_on_every_variable_that_was_read_also_on_one_that_is_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let with = |variables: &[(&str, &str)]| -> Env {
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let record = EnvRecord::new(with(&[("AWS_PROFILE", "one"), ("TERM", "xterm")]));
    let env = Env::Recorded(record);
    let stored = entry(&folder, "provider=example", &env);
    assert_eq!(env.var("AWS_PROFILE").as_deref(), Some("one"));
    assert_eq!(env.filled("AWS_REGION"), None);
    stored
        .store(&[&found(&["10.0.0.4"])], Vec::new(), &now(0, 0))
        .unwrap();
    let is_found = |variables: &[(&str, &str)]| {
        entry(&folder, "provider=example", &with(variables))
            .lookup(&now(0, 0))
            .is_some()
    };
    assert!(is_found(&[("AWS_PROFILE", "one"), ("TERM", "dumb")]));
    assert!(!is_found(&[("AWS_PROFILE", "two")]));
    assert!(!is_found(&[("AWS_PROFILE", "one"), ("AWS_REGION", "")]));
    assert!(!is_found(&[]));
}

#[test]
fn the_age_is_the_larger_of_both_clocks_and_unknown_in_the_future() {
    let boot = |id: &str, seconds: u64| BootTime {
        id: id.to_owned(),
        milliseconds: seconds * 1000,
    };
    let this = boot("this", 100);
    assert_eq!(now(60, 160).age(at(0), Some(&this)), seconds(60));
    // The wall clock was set back by an hour, or forward.
    assert_eq!(now(0, 3700).age(at(0), Some(&this)), seconds(3600));
    assert_eq!(now(0, 130).age(at(3600), Some(&this)), seconds(30));
    assert_eq!(now(3600, 130).age(at(0), Some(&this)), seconds(3600));
    // Another run of the machine: the wall clock alone counts.
    let other = boot("other", 100);
    assert_eq!(now(60, 10).age(at(0), Some(&other)), seconds(60));
    assert_eq!(now(0, 130).age(at(60), Some(&other)), None);
    assert_eq!(now(0, 50).age(at(0), Some(&this)), None);
}

#[test]
fn a_policy_takes_results_up_to_its_limits_and_none_of_unknown_age() {
    let policy = CachePolicy::new(Duration::from_secs(30), Duration::from_secs(60));
    assert!(policy.is_fresh(seconds(29)) && !policy.is_fresh(seconds(30)));
    assert!(policy.allows_stale(seconds(60)) && !policy.allows_stale(seconds(61)));
    assert!(!policy.is_fresh(None) && !policy.allows_stale(None));
    let off = CachePolicy::default();
    assert!(off.is_off() && !off.is_fresh(seconds(0)) && !off.allows_stale(seconds(0)));
}

#[test]
fn a_damaged_or_foreign_file_counts_as_absent_and_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder, "provider=example", &Env::empty());
    let store = || {
        entry
            .store(&[&found(&["10.0.0.4"])], Vec::new(), &now(0, 0))
            .unwrap()
    };
    store();
    let file = folder
        .path()
        .join("cache")
        .join(format!("{}.json", entry.name));
    let whole = std::fs::read(&file).unwrap();
    let is_found = || entry.lookup(&now(0, 0)).is_some();
    assert!(is_found());
    for length in 0..whole.len() - 1 {
        std::fs::write(&file, &whole[..length]).unwrap();
        assert!(!is_found(), "{length}");
    }
    let damaged = [
        String::from_utf8(whole.clone())
            .unwrap()
            .replace("\"version\": 1", "\"version\": 2"),
        "\u{0}".repeat(100),
    ];
    for text in damaged {
        std::fs::write(&file, text).unwrap();
        assert!(!is_found());
    }
    std::fs::write(&file, &whole).unwrap();
    for mode in [0o644, 0o640, 0o602] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(!is_found(), "{mode:o}");
    }
    store();
    assert!(is_found());
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // A link is neither read nor written through.
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert!(!is_found());
    std::fs::write(&elsewhere, "kept").unwrap();
    store();
    assert!(is_found());
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "kept");
    // The result of another query under this name.
    let other = super::tests::entry(&folder, "provider=example region=x", &Env::empty());
    other
        .store(&[&found(&["10.0.0.9"])], Vec::new(), &now(0, 0))
        .unwrap();
    let other_file = folder
        .path()
        .join("cache")
        .join(format!("{}.json", other.name));
    std::fs::rename(other_file, &file).unwrap();
    assert!(!is_found());
    if rustix::process::geteuid().is_root() {
        store();
        std::os::unix::fs::chown(&file, Some(1), None).unwrap();
        assert!(!is_found());
    }
}

#[test]
fn a_directory_that_others_could_write_into_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    Cache::open(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let error = |path: &Path| Cache::open(path).unwrap_err().to_string();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o770)).unwrap();
    assert!(error(&path).ends_with("can be written to by other users"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(error(&link).ends_with("is a symbolic link"));
    assert!(error(&link.join("")).ends_with("is a symbolic link"));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(error(&file).starts_with("cannot use the cache directory"));
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(1), None).unwrap();
        assert!(error(&path).ends_with("belongs to user 1"));
    }
}

#[test]
fn a_directory_that_is_swapped_after_it_was_checked_is_still_the_one_that_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("cache"), folder.path().join("moved"));
    let entry = entry(&folder, "provider=example", &Env::empty());
    std::fs::rename(&path, &moved).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    entry
        .store(&[&found(&["10.0.0.4"])], Vec::new(), &now(0, 0))
        .unwrap();
    assert!(entry.lookup(&now(0, 0)).is_some());
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    let mut names: Vec<_> = std::fs::read_dir(&moved)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected = [format!("{}.json", entry.name), "key".to_owned()];
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn no_file_holds_a_secret_and_no_name_can_be_guessed_from_one() {
    let folder = tempfile::tempdir().unwrap();
    let env = Env::Recorded(EnvRecord::new(Env::from([("EXAMPLE_TOKEN", "canary-1")])));
    let entry = entry(&folder, "provider=example token=canary-2 canary-3=x", &env);
    env.var("EXAMPLE_TOKEN");
    entry
        .store(&[&found(&["10.0.0.4"])], Vec::new(), &now(0, 0))
        .unwrap();
    let cache = folder.path().join("cache");
    for file in std::fs::read_dir(&cache).unwrap() {
        let contents = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&contents).contains("canary"));
    }
    let query = query_in("provider=example token=canary-2", &env);
    assert!(!format!("{query:?} {entry:?}").contains("canary"));
    // Another key, other names.
    let other = tempfile::tempdir().unwrap();
    let same = super::tests::entry(&other, "provider=example token=canary-2 canary-3=x", &env);
    assert_ne!(same.name, entry.name);
}

#[tokio::test]
async fn one_process_at_a_time_holds_the_lock_and_others_wait_for_a_limited_time() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder, "provider=example", &Env::empty());
    let clock = Clock::auto_advancing();
    let second = Duration::from_secs(1);
    let held = entry.lock(&clock, second).await.unwrap().unwrap();
    let started = clock.now();
    assert!(entry.lock(&clock, second).await.unwrap().is_none());
    assert!(clock.now() - started >= second);
    drop(held);
    assert!(entry.lock(&clock, Duration::ZERO).await.unwrap().is_some());
}

#[tokio::test]
async fn a_failure_is_shared_with_those_that_waited_for_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder, "provider=example", &Env::empty());
    let clock = Clock::auto_advancing();
    let failure = SharedFailure::new("refused", Some("wait".to_owned()), false, "all");
    let mut lock = entry.lock(&clock, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(lock.failure_since(&now(0, 0)), None);
    lock.note_failure(failure.clone(), &now(5, 5));
    drop(lock);
    let mut lock = entry.lock(&clock, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(lock.failure_since(&now(4, 4)), Some(failure.clone()));
    assert_eq!(lock.failure_since(&now(6, 6)), None);
    // Set back by an hour since: the other clock counts.
    assert_eq!(lock.failure_since(&now(10_000, 4)), Some(failure));
    std::fs::write(
        folder
            .path()
            .join("cache")
            .join(format!("{}.lock", entry.name)),
        "{",
    )
    .unwrap();
    assert_eq!(lock.failure_since(&now(4, 4)), None);
}

fn result_file_names(path: &Path) -> Vec<String> {
    let names = std::fs::read_dir(path).unwrap();
    names
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect()
}

#[test]
fn a_list_shows_all_results_and_clearing_removes_what_a_cache_made_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    for join_string in ["provider=example region=b", "provider=example token=x"] {
        let entry = entry(&folder, join_string, &Env::empty());
        let found = found(&["10.0.0.4", "10.0.0.5"]);
        entry.store(&[&found], Vec::new(), &now(0, 0)).unwrap();
    }
    std::fs::write(path.join("peers.json"), "{}").unwrap();
    // What killed processes left.
    let result = result_file_names(&path).remove(0);
    for name in [
        format!(".{result}.0123.discover-tmp"),
        ".key.0.discover-tmp".to_owned(),
    ] {
        std::fs::write(path.join(name), "").unwrap();
    }
    let listed = Cache::open(&path).unwrap().list(&now(60, 60)).unwrap();
    let shown: Vec<_> = listed
        .iter()
        .map(|result| (result.identity.as_str(), result.age, result.addresses))
        .collect();
    assert_eq!(
        shown,
        [
            ("provider=example region=b", seconds(60), 2),
            ("provider=example token=***", seconds(60), 2)
        ]
    );
    assert_eq!(Cache::clear(&path), Ok(2));
    let left: Vec<_> = std::fs::read_dir(&path).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(Cache::clear(&folder.path().join("absent")), Ok(0));
}
