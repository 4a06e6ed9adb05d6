#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;

use async_trait::async_trait;
use cloud_autojoin::{Host, Instant};

use super::*;
use crate::output::{Kind, Syntax, nomad};

/// Even addresses swallow packets; the others refuse, as at a boot.
#[derive(Debug)]
struct Even;

#[async_trait]
impl Dialer for Even {
    async fn dial(&self, host: &Host, port: u16) -> io::Result<()> {
        assert!([8301, 4648, 9000].contains(&port), "{port}");
        match host {
            Host::Ip(std::net::IpAddr::V4(ip)) if ip.octets()[3] % 2 == 0 => {
                std::future::pending().await
            }
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

fn output(kind: Kind) -> Output {
    Output {
        kind,
        path: "/join.json".into(),
        port: None,
        mode: 0o644,
    }
}

fn numbered(numbers: impl IntoIterator<Item = u8>) -> Vec<Address> {
    numbers
        .into_iter()
        .map(|number| Address::ip([10, 0, 0, number].into()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn addresses_that_do_not_respond_come_last_in_join_files_and_stay_there() {
    for kind in [
        Kind::Consul(Syntax::Json),
        Kind::Nomad(nomad::Role::Server, Syntax::Json),
    ] {
        let started = Instant::now();
        let (output, mut order) = (
            output(kind),
            JoinOrder::new(Arc::new(Even), &Clock::system()),
        );
        let first = order
            .arrange(&output, &numbered([2, 3, 4, 5]), &numbered([6, 7]))
            .await;
        assert_eq!(first, numbered([3, 5, 7, 2, 4, 6]));
        assert_eq!(started.elapsed(), LIMIT);
        // One that is new isn't tried, and comes in the order of the result.
        let second = order
            .arrange(&output, &numbered([2, 3, 8, 9]), &numbered([5]))
            .await;
        assert_eq!(second, numbered([3, 8, 9, 5, 2]));
        assert_eq!(started.elapsed(), LIMIT);
    }
}

#[tokio::test(start_paused = true)]
async fn many_silent_addresses_take_no_longer_than_one() {
    let started = Instant::now();
    let (output, mut order) = (
        output(Kind::Consul(Syntax::Json)),
        JoinOrder::new(Arc::new(Even), &Clock::system()),
    );
    let all = numbered((0..=254).step_by(2).chain([1]));
    let arranged = order.arrange(&output, &all, &[]).await;
    assert_eq!(arranged[..2], numbered([1, 0]));
    assert!(started.elapsed() <= 2 * LIMIT, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn files_that_no_gossip_reads_are_in_the_order_of_the_result_at_once() {
    let started = Instant::now();
    let mut order = JoinOrder::new(Arc::new(Even), &Clock::system());
    let arranged = order
        .arrange(&output(Kind::Lines), &numbered([2, 3]), &[])
        .await;
    assert_eq!(arranged, numbered([2, 3]));
    assert!(started.elapsed().is_zero());
}
