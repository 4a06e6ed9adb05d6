//! Bodies with gzip. A page that the service keeps is compressed once, when it is first sent.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::engine::message::Reply;

/// Bodies smaller than this are not worth compressing.
const SMALL: usize = 1024;

/// The body with gzip; `None` if it isn't smaller.
pub(crate) fn compressed<O>(reply: &Reply<O>) -> Option<Bytes> {
    if reply.body.len() < SMALL {
        return None;
    }
    Some(match &reply.compressed {
        Some(place) => place.get_or_init(|| gzip(&reply.body)).clone(),
        None => gzip(&reply.body),
    })
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    // Writing into memory doesn't fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().map(Bytes::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::Read;
    use std::sync::Arc;

    use http::{HeaderMap, StatusCode};

    use super::*;

    fn reply(body: String) -> Reply<()> {
        Reply {
            operation: (),
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.into(),
            compressed: Some(Arc::default()),
        }
    }

    #[test]
    fn a_long_body_is_compressed_once_and_a_short_one_never() {
        let long = reply("interface ".repeat(500));
        let first = compressed(&long).unwrap();
        assert_eq!(first.as_ptr(), compressed(&long.clone()).unwrap().as_ptr());
        let mut text = String::new();
        flate2::read::GzDecoder::new(&first[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "interface ".repeat(500));
        assert!(compressed(&reply("short".to_owned())).is_none());
    }
}
