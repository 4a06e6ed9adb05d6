//! The record of requests as JSON, for scripts that count and measure.

use std::path::Path;

use cloud_autojoin_simulator::engine::{Endpoint, Operation, SeenRequest, Service, Simulator};
use serde_json::{Value, json};

use crate::CommandError;

/// Writes `{"requests": [...], "sequential_depth": {...}, "bytes": N}`; times are in milliseconds
/// since the start.
pub(crate) fn write<S: Service>(simulator: &Simulator<S>, path: &Path) -> Result<(), CommandError> {
    let requests = simulator.requests();
    let services = S::Endpoint::ALL
        .iter()
        .filter(|endpoint| **endpoint != S::Endpoint::PROXY);
    let depth: Value = services
        .map(|endpoint| {
            (
                endpoint.to_string(),
                json!(simulator.sequential_depth(*endpoint)),
            )
        })
        .collect();
    let record = json!({
        "requests": requests.iter().map(one).collect::<Vec<_>>(),
        "sequential_depth": depth,
        "sequential_depth_of_all": simulator.sequential_depth_of_all(),
        "bytes": requests.iter().map(|request| request.bytes).sum::<usize>(),
    });
    std::fs::write(path, format!("{record}\n"))
        .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

fn one<E: Endpoint, O: Operation>(request: &SeenRequest<E, O>) -> Value {
    let milliseconds = |time: std::time::Duration| time.as_micros() as f64 / 1000.0;
    json!({
        "endpoint": request.endpoint,
        "proxied": request.proxied,
        "connection": request.connection,
        "version": format!("{:?}", request.version),
        "method": request.method.as_str(),
        "host": request.host,
        "path": request.path,
        "query": request.query,
        "operation": request.operation,
        "expected": request.operation != O::unexpected(),
        "user_agent": request.user_agent,
        "bearer": request.bearer,
        "principal": request.principal,
        "status": request.status.map(|status| status.as_u16()),
        "faults": request.faults,
        "started_ms": milliseconds(request.started),
        "ended_ms": request.ended.map(milliseconds),
        "bytes": request.bytes,
    })
}
