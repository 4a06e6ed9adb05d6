//! The README is true: every provider has a page, and the commands print what it shows.

use cloud_autojoin::Registry;
use cloud_autojoin_simulator::azure::{Simulator, world::World};

#[path = "command.rs"]
mod command;

const README: &str = include_str!("../README.md");

/// What is between `<!-- NAME -->` and the next `<!-- end -->`.
fn section(name: &str) -> &'static str {
    let (_, rest) = README
        .split_once(&format!("<!-- {name} -->\n"))
        .unwrap_or_else(|| panic!("README.md has no marker for {name}"));
    rest.split_once("<!-- end -->")
        .expect("the marker has an end")
        .0
}

#[test]
fn every_provider_is_linked_to_its_page() {
    // The key tables are in the providers' own README files, which their own tests hold.
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for spec in Registry::compiled_in().providers() {
        let page = format!("providers/{}/README.md", spec.name);
        let row = format!("| [{}]({page}) | {} |", spec.name, spec.summary);
        assert!(
            README.contains(&row),
            "add this to the table of providers:\n{row}"
        );
        assert!(root.join(&page).is_file(), "{page}");
    }
}

#[tokio::test]
async fn the_explanation_shown_is_what_the_command_prints() {
    let session = section("explain")
        .trim_start_matches("```console\n$ discover ")
        .trim_end()
        .trim_end_matches("```");
    let (words, shown) = session.split_once('\n').expect("a command and its output");
    let simulator = Simulator::start(World::shipped("nomad-consul").expect("it ships"))
        .await
        .expect("loopback has ports");
    let ended = command::discover(words.split(' '))
        .against(&simulator)
        .through_proxy(&simulator)
        .env("COLUMNS", "80")
        .run()
        .await;
    assert_eq!(ended.stdout, command::without_guesses(shown));
}

/// The lines of the example of the simulator, those that a backslash continues joined.
fn simulator_example() -> Vec<Vec<&'static str>> {
    let (_, rest) = README
        .split_once("### Try a join string without a cloud\n\n```sh\n")
        .expect("the heading and its example");
    let block = rest.split_once("```").expect("the block has an end").0;
    let mut lines: Vec<Vec<&str>> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        let words = line.split_whitespace().filter(|word| *word != "\\");
        if goes_on {
            lines.last_mut().expect("a line before").extend(words)
        } else {
            lines.push(words.collect())
        }
        goes_on = line.ends_with('\\');
    }
    lines
}

#[tokio::test]
async fn the_example_of_the_simulator_builds_first_and_finds_its_set() {
    let [build, run] = &simulator_example()[..] else {
        panic!("two commands: {:?}", simulator_example())
    };
    assert_eq!(
        build[..],
        [
            "cargo",
            "build",
            "-p",
            "discover",
            "-p",
            "cloud-autojoin-simulator"
        ]
    );
    let split = run
        .iter()
        .position(|word| *word == "--")
        .expect("a command for the example cloud");
    assert_eq!(
        run[..split],
        [
            "target/debug/discover-sim",
            "run",
            "--world",
            "nomad-consul",
            "--credentials"
        ]
    );
    // Inside nothing may be downloaded, so it's the binary that was built and no cargo.
    assert_eq!(run[split + 1], "target/debug/discover");
    let simulator = Simulator::start(World::shipped("nomad-consul").expect("it ships"))
        .await
        .expect("loopback has ports");
    let ended = command::discover(&run[split + 2..])
        .against(&simulator)
        .through_proxy(&simulator)
        .run()
        .await;
    ended.is(0, "10.0.1.7 10.0.1.8 10.0.1.9\n", "");
}

#[test]
fn every_file_that_the_readme_sends_its_reader_to_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in [
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "examples",
        "LICENSE-MIT",
        "LICENSE-APACHE",
    ] {
        assert!(root.join(file).exists(), "{file}");
    }
    assert!(root.join("examples/quickstart.rs").exists());
}
