//! The sidecar `discover watch`.
