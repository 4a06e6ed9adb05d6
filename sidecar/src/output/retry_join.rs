//! Writes a list of addresses at a path of a Consul or Nomad configuration, as HCL or JSON, and
//! reads it back. `consul.rs` and `nomad.rs` give the path.

use serde_json::{Map, Value};

use crate::failure::Failure;

/// The two syntaxes of HashiCorp's agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// HCL.
    Hcl,
    /// JSON.
    Json,
}

/// The first line of HCL files; JSON has no comments.
const NOTICE: &str = "# Kept by `discover watch`; changes made here are lost.\n";

/// A file with `addresses` at `path`: blocks, and the attribute last.
pub(crate) fn render(
    syntax: Syntax,
    path: &[&str],
    addresses: &[String],
) -> Result<String, Failure> {
    match syntax {
        Syntax::Json => {
            let list = Value::from(addresses.to_vec());
            let tree = path.iter().rev().fold(list, |inner, name| {
                Value::Object(Map::from_iter([((*name).to_owned(), inner)]))
            });
            serde_json::to_string_pretty(&tree)
                .map(|text| text + "\n")
                .map_err(|error| Failure::new(format!("cannot write JSON: {error}")))
        }
        Syntax::Hcl => {
            let (attribute, blocks) = path.split_last().ok_or_else(|| Failure::new("no path"))?;
            let list = hcl::Body::builder()
                .add_attribute((*attribute, hcl::Expression::from(addresses.to_vec())))
                .build();
            let body = blocks.iter().rev().fold(list, |inner, name| {
                hcl::Body::builder()
                    .add_block(hcl::Block::builder(*name).add_structures(inner).build())
                    .build()
            });
            hcl::to_string(&body)
                .map(|text| format!("{NOTICE}{text}"))
                .map_err(|error| Failure::new(format!("cannot write HCL: {error}")))
        }
    }
}

/// A whole file as one value; HCL blocks are objects.
///
/// # Errors
///
/// The text isn't of that syntax.
pub(crate) fn parse(syntax: Syntax, text: &str) -> Result<Value, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::new(format!("what was written does not parse: {error}"))
    };
    match syntax {
        Syntax::Json => serde_json::from_str(text).map_err(|error| wrong(&error)),
        Syntax::Hcl => hcl::from_str(text).map_err(|error| wrong(&error)),
    }
}

/// Checks that a file has `addresses` at `path`.
///
/// # Errors
///
/// It doesn't parse or has other contents.
pub(crate) fn verify(
    syntax: Syntax,
    path: &[&str],
    addresses: &[String],
    text: &str,
) -> Result<(), Failure> {
    let tree = parse(syntax, text)?;
    let found = path.iter().try_fold(&tree, |value, name| value.get(*name));
    if found == Some(&Value::from(addresses.to_vec())) {
        Ok(())
    } else {
        Err(Failure::new("what was written does not hold the addresses"))
    }
}
