//! The record of requests as JSON, for scripts that count and measure.

use std::path::Path;

use cloud_autojoin_simulator::azure::Operation;
use cloud_autojoin_simulator::azure::{Endpoint, SeenRequest, Simulator};
use serde_json::{Value, json};

use crate::Failure;

/// Writes `{"requests": [...], "sequential_depth": {...}, "bytes": N}`; times are in milliseconds since the start.
pub(crate) fn write(simulator: &Simulator, path: &Path) -> Result<(), Failure> {
    let requests = simulator.requests();
    let depth: Value = [Endpoint::Arm, Endpoint::Authority, Endpoint::Metadata]
        .into_iter()
        .map(|endpoint| (endpoint.to_string(), json!(simulator.sequential_depth(endpoint))))
        .collect();
    let record = json!({
        "requests": requests.iter().map(one).collect::<Vec<_>>(),
        "sequential_depth": depth,
        "sequential_depth_of_all": simulator.sequential_depth_of_all(),
        "bytes": requests.iter().map(|request| request.bytes).sum::<usize>(),
    });
    std::fs::write(path, format!("{record}\n")).map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

fn one(request: &SeenRequest) -> Value {
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
        "expected": request.operation != Operation::Unexpected,
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
