//! What does one `discover addrs` cost? Wall time, processor time and peak memory of the real binary against the simulator at 0 ms, with a warm file cache.
//!
//! Prints a table and judges nothing: a busy machine is no fault of the code. `cargo bench -p discover --bench command`

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures and stops at the first surprise")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cloud_autojoin_simulator::{Simulator, world::World};
use wait4::Wait4;

const RUNS: usize = 20;

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

fn run(simulator: &Simulator, case: &Case) -> Figures {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_discover"))
        .args(["-q", "addrs"])
        .args(case.join_string.split(' '))
        .args(simulator.join_settings().split(' '))
        .env_clear()
        .envs([
            ("ARM_TENANT_ID", "11111111-1111-4111-8111-111111111111"),
            ("ARM_CLIENT_ID", "33333333-3333-4333-8333-333333333333"),
            ("ARM_CLIENT_SECRET", "pretend-secret-of-discover"),
        ])
        .env("SSL_CERT_FILE", simulator.ca_file())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut printed).unwrap();
    let used = child.wait4().unwrap();
    let wall = started.elapsed();
    assert!(used.status.success(), "{} failed", case.name);
    assert_eq!(printed.split_whitespace().count(), case.addresses, "{}", case.name);
    Figures { wall, processor: used.rusage.utime + used.rusage.stime, peak_bytes: used.rusage.maxrss }
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

fn main() {
    // `cargo test --benches` and IDEs call benches with flags of their own; one round shows that it still works.
    let runs = if std::env::args().any(|argument| argument == "--test") { 1 } else { RUNS };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!("{:<44} {:>9} {:>9} {:>9} {:>9} {:>9}", format!("median of {runs}"), "wall ms", "least ms", "cpu ms", "peak MiB", "requests");
    for case in CASES {
        let simulator = runtime.block_on(Simulator::start(World::shipped(case.world).unwrap())).unwrap();
        run(&simulator, &case);
        simulator.reset_record();
        let figures: Vec<Figures> = (0..runs).map(|_| run(&simulator, &case)).collect();
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        println!(
            "{:<44} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9}",
            case.name,
            milliseconds(median(figures.iter().map(|figures| figures.wall).collect())),
            milliseconds(figures.iter().map(|figures| figures.wall).min().unwrap_or_default()),
            milliseconds(median(figures.iter().map(|figures| figures.processor).collect())),
            median(figures.iter().map(|figures| figures.peak_bytes).collect()) as f64 / f64::from(1 << 20),
            simulator.requests().len() / runs,
        );
    }
}
