//! What does one `discover addrs` cost? Wall time, processor time and peak memory of the real
//! binary against the simulator at 0 ms, with a warm file cache.
//!
//! Prints a table and judges nothing: a busy machine is no fault of the code. `cargo bench -p
//! discover --bench command`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its figures and stops at the first surprise"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use cloud_autojoin_simulator::azure::{Simulator, world::World};
use wait4::Wait4;

const RUNS: usize = 20;

/// What this program is called with to be the simulator.
const SERVE: &str = "serve-for-command-bench";

struct Case {
    name: &'static str,
    world: &'static str,
    join_string: &'static str,
    addresses: usize,
}

const CASES: [Case; 4] = [
    Case {
        name: "Flexible set of 3",
        world: "nomad-consul",
        join_string: "provider=azure subscription_id=22222222-2222-4222-8222-222222222222 resource_group=cluster vm_scale_set=consul-servers",
        addresses: 3,
    },
    Case {
        name: "Uniform set of 3",
        world: "uniform",
        join_string: "provider=azure subscription_id=55555555-5555-4555-8555-555555555555 resource_group=uniform vm_scale_set=vault",
        addresses: 3,
    },
    Case {
        name: "tags, 5 of 10,000 interfaces, pages of 500",
        world: "large",
        join_string: "provider=azure subscription_id=88888888-8888-4888-8888-888888888888 tag_name=consul tag_value=server",
        addresses: 5,
    },
    Case {
        name: "the same by lookup=index",
        world: "large",
        join_string: "provider=azure subscription_id=88888888-8888-4888-8888-888888888888 tag_name=consul tag_value=server lookup=index",
        addresses: 5,
    },
];

struct Figures {
    wall: Duration,
    processor: Duration,
    peak_bytes: u64,
}

/// The simulator, in a process of its own: the system counts the memory of a process that starts
/// another one towards the other's peak, so this one has to stay small.
struct Cloud {
    process: Child,
    responses: BufReader<ChildStdout>,
    settings: String,
    ca_file: String,
}

impl Cloud {
    fn start(world: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([SERVE, world])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let responses = BufReader::new(process.stdout.take().unwrap());
        let mut cloud = Self {
            process,
            responses,
            settings: String::new(),
            ca_file: String::new(),
        };
        (cloud.settings, cloud.ca_file) = (cloud.line(), cloud.line());
        cloud
    }

    /// The requests since the last poll.
    fn requests(&mut self) -> usize {
        writeln!(self.process.stdin.as_mut().unwrap()).unwrap();
        self.line().parse().unwrap()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.responses.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The other process: serves until its input ends, and prints how many requests came for each line
/// of it.
fn serve(world: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let simulator = runtime
        .block_on(Simulator::start(World::shipped(world).unwrap()))
        .unwrap();
    println!(
        "{}\n{}",
        simulator.join_settings(),
        simulator.ca_file().display()
    );
    for _ in std::io::stdin().lines() {
        println!("{}", simulator.requests().len());
        simulator.reset_record();
    }
}

fn run(cloud: &Cloud, case: &Case) -> Figures {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_discover"))
        .args(["-q", "addrs"])
        .args(case.join_string.split(' '))
        .args(cloud.settings.split(' '))
        .env_clear()
        .envs([
            ("ARM_TENANT_ID", "11111111-1111-4111-8111-111111111111"),
            ("ARM_CLIENT_ID", "33333333-3333-4333-8333-333333333333"),
            ("ARM_CLIENT_SECRET", "example-secret-of-discover"),
        ])
        .env("SSL_CERT_FILE", &cloud.ca_file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_to_string(&mut printed)
        .unwrap();
    let used = child.wait4().unwrap();
    let wall = started.elapsed();
    assert!(used.status.success(), "{} failed", case.name);
    assert_eq!(
        printed.split_whitespace().count(),
        case.addresses,
        "{}",
        case.name
    );
    Figures {
        wall,
        processor: used.rusage.utime + used.rusage.stime,
        peak_bytes: used.rusage.maxrss,
    }
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let [_, serving, world] = words.as_slice()
        && serving == SERVE
    {
        return serve(world);
    }
    // `cargo test --benches` and IDEs call benches with flags of their own; one round shows that it
    // still works.
    let runs = if words.iter().any(|word| word == "--test") {
        1
    } else {
        RUNS
    };
    println!(
        "{:<44} {:>9} {:>9} {:>9} {:>9} {:>9}",
        format!("median of {runs}"),
        "wall ms",
        "least ms",
        "cpu ms",
        "peak MiB",
        "requests"
    );
    for case in CASES {
        let mut cloud = Cloud::start(case.world);
        // Once for the file cache, and for the pages that the simulator keeps.
        run(&cloud, &case);
        cloud.requests();
        let figures: Vec<Figures> = (0..runs).map(|_| run(&cloud, &case)).collect();
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        println!(
            "{:<44} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9}",
            case.name,
            milliseconds(median(figures.iter().map(|figures| figures.wall).collect())),
            milliseconds(
                figures
                    .iter()
                    .map(|figures| figures.wall)
                    .min()
                    .unwrap_or_default()
            ),
            milliseconds(median(
                figures.iter().map(|figures| figures.processor).collect()
            )),
            median(figures.iter().map(|figures| figures.peak_bytes).collect()) as f64
                / f64::from(1 << 20),
            cloud.requests() / runs,
        );
    }
}
