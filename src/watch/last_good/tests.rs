#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

/// 2025-03-01T12:00:00Z
const NOW: u64 = 1_740_830_400;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn addresses() -> Arc<[Address]> {
    [
        Address::ip([10, 0, 0, 4].into())
            .with_instance("consul-1")
            .with_network_interface("nic-1"),
        Address::ip([10, 0, 0, 5].into()).with_port(8301),
        Address::ip("2001:db8::4".parse().unwrap()),
        Address::name("server.example"),
    ]
    .into()
}

fn last_good(folder: &TempDir) -> LastGood {
    LastGood::new(
        folder.path().join("consul.json"),
        "azure: scale set `consul`".to_owned(),
    )
}

fn write(folder: &TempDir, addresses: &Arc<[Address]>, now: u64) -> LastGood {
    let mut last_good = last_good(folder);
    let written = last_good.due(addresses, at(now)).unwrap().run().unwrap();
    last_good.note(written);
    last_good
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(folder: &TempDir) -> u32 {
    fs::metadata(folder.path().join("consul.json"))
        .unwrap()
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn what_was_written_is_read_back_with_its_age() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, &addresses(), NOW);
    let restored = last_good(&folder)
        .restore(at(NOW + 90), 1)
        .unwrap()
        .unwrap();
    assert_eq!(
        (restored.addresses.clone(), restored.age),
        (addresses(), Some(Duration::from_secs(90)))
    );
    let first = restored.addresses.first().unwrap();
    assert_eq!(
        (
            first.instance.as_deref(),
            first.network_interface.as_deref()
        ),
        (Some("consul-1"), Some("nic-1"))
    );
}

#[test]
fn the_file_is_json_with_the_time_in_rfc_3339_and_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, &addresses(), NOW);
    let text = fs::read_to_string(folder.path().join("consul.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({
        "version": 1,
        "identity": "azure: scale set `consul`",
        "confirmed": "2025-03-01T12:00:00Z",
        "addresses": [
            { "host": "10.0.0.4", "instance": "consul-1", "network_interface": "nic-1" },
            { "host": "10.0.0.5", "port": 8301 },
            { "host": "2001:db8::4" },
            { "host": "server.example" },
        ],
    });
    assert_eq!((value, mode(&folder)), (expected, 0o600));
}

#[test]
fn the_mode_that_an_operator_gave_the_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, &addresses(), NOW);
    fs::set_permissions(
        folder.path().join("consul.json"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    write(&folder, &addresses(), NOW + 1);
    assert_eq!(mode(&folder), 0o644);
}

#[test]
fn no_file_is_no_trouble_and_nothing_to_use() {
    let folder = tempfile::tempdir().unwrap();
    assert!(last_good(&folder).restore(at(NOW), 1).unwrap().is_none());
}

#[test]
fn a_truncated_or_foreign_file_is_not_used_and_the_reason_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, &addresses(), NOW);
    let file = folder.path().join("consul.json");
    let good = fs::read_to_string(&file).unwrap();
    for (text, why) in [
        (String::new(), "EOF while parsing"),
        (good[..good.len() / 2].to_owned(), "EOF while parsing"),
        ("\0\0\0\0".to_owned(), "expected value"),
        (
            good.replace("\"version\": 1", "\"version\": 2"),
            "its version is 2, not 1",
        ),
        (
            good.replace("scale set `consul`", "scale set `vault`"),
            "it is of another watch, `azure: scale set `vault``",
        ),
        (
            good.replace("2025-03-01T12:00:00Z", "yesterday"),
            "`confirmed`",
        ),
        (
            good.replace("\"addresses\": [", "\"addresses\": [], \"more\": ["),
            "it has 0 of at least 1 addresses",
        ),
    ] {
        fs::write(&file, &text).unwrap();
        let trouble = last_good(&folder).restore(at(NOW), 1).unwrap_err();
        assert!(
            trouble.contains(why) && trouble.contains(&file.display().to_string()),
            "{trouble}"
        );
        assert!(
            trouble.ends_with("; it is replaced by the next good one"),
            "{trouble}"
        );
    }
}

#[test]
fn fewer_addresses_than_the_guard_requires_are_not_used() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, &addresses(), NOW);
    assert!(last_good(&folder).restore(at(NOW), 4).unwrap().is_some());
    assert!(
        last_good(&folder)
            .restore(at(NOW), 5)
            .unwrap_err()
            .contains("it has 4 of at least 5 addresses")
    );
}

#[test]
fn a_time_ahead_of_this_machines_clock_means_that_the_age_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, &addresses(), NOW);
    let mut last_good = last_good(&folder);
    let restored = last_good.restore(at(NOW - 3600), 1).unwrap().unwrap();
    assert_eq!((restored.addresses, restored.age), (addresses(), None));
    // And the next result corrects the time.
    assert!(last_good.due(&addresses(), at(NOW - 3600)).is_some());
}

#[test]
fn what_a_killed_run_left_beside_the_file_is_never_read_and_swept_away() {
    let folder = tempfile::tempdir().unwrap();
    let beside = folder.path().join(".consul.json.AbCdEf.discover-tmp");
    fs::write(&beside, "{\"version\": 1, \"identity\": \"azu").unwrap();
    assert!(last_good(&folder).restore(at(NOW), 1).unwrap().is_none());
    write(&folder, &addresses(), NOW);
    assert_eq!(names(&folder), ["consul.json"]);
    assert!(last_good(&folder).restore(at(NOW), 1).unwrap().is_some());
}

#[test]
fn the_same_result_is_written_again_only_if_its_time_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let last_good = write(&folder, &addresses(), NOW);
    assert!(last_good.due(&addresses(), at(NOW + 599)).is_none());
    assert!(last_good.due(&addresses(), at(NOW + 600)).is_some());
    assert!(
        last_good
            .due(&addresses()[1..].into(), at(NOW + 1))
            .is_some()
    );
}

#[test]
fn a_missing_folder_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let gone = LastGood::new(folder.path().join("gone/consul.json"), "azure".to_owned());
    let trouble = gone.due(&addresses(), at(NOW)).unwrap().run().unwrap_err();
    assert!(
        trouble.starts_with("cannot write the last good result `")
            && trouble.contains("No such file or directory"),
        "{trouble}"
    );
}

#[test]
fn what_is_no_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let not_a_file = LastGood::new(folder.path().to_path_buf(), "azure".to_owned())
        .restore(at(NOW), 1)
        .unwrap_err();
    assert!(not_a_file.ends_with("not a file"), "{not_a_file}");
}
