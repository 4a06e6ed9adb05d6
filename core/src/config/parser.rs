//! Parses tokens: key, `=`, value, key, ...
//!
//! The state is the current key. Error texts are go-discover's (`error.rs`), as is the order in
//! which problems are found: a key is compared with earlier ones as soon as it is read, before its
//! `=`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::error::{ParseError, ParseErrorKind, Place};
use super::escape::Malformed;
use super::lexer::{Fault, Lexer, Token};

/// Parses a join string up to the first problem.
pub(super) fn parse(input: &str) -> Result<BTreeMap<String, String>, ParseError> {
    let mut pairs = BTreeMap::new();
    let mut tokens = Lexer::new(input.trim());
    let mut key = String::new();
    let mut pair = 0;

    while let Some(token) = tokens.next() {
        let fail = |kind, place| ParseError::new(kind, place, key.as_str(), pair);
        key = match token {
            Ok(Token::Text(text)) => text.into_owned(),
            // go-discover names the previous key, whose value probably contains the sign.
            Ok(Token::Equal) => return Err(fail(ParseErrorKind::EqualsInValue, Place::Key)),
            Err(fault) => return Err(fail(fault.into(), Place::Key)),
        };
        pair += 1;
        let fail = |kind, place| ParseError::new(kind, place, key.as_str(), pair);
        let Entry::Vacant(vacant) = pairs.entry(key.clone()) else {
            return Err(fail(ParseErrorKind::DuplicateKey, Place::Key));
        };
        match tokens.next() {
            Some(Ok(Token::Equal)) => {}
            Some(Ok(Token::Text(_)) | Err(_)) | None => {
                return Err(fail(ParseErrorKind::MissingEquals, Place::Key));
            }
        }
        match tokens.next() {
            Some(Ok(Token::Text(value))) => vacant.insert(value.into_owned()),
            Some(Ok(Token::Equal)) | None => {
                return Err(fail(ParseErrorKind::MissingValue, Place::Value));
            }
            Some(Err(fault)) => return Err(fail(fault.into(), Place::Value)),
        };
    }
    Ok(pairs)
}

impl From<Fault> for ParseErrorKind {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::UnbalancedQuotes => Self::UnbalancedQuotes,
            Fault::UnterminatedEscape => Self::UnterminatedEscape,
            Fault::Malformed(Malformed::Escape) => Self::InvalidEscape,
            Fault::Malformed(Malformed::NotUtf8) => Self::EscapesNotUtf8,
        }
    }
}
