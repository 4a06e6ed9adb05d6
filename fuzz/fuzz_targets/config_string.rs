//! parse -> print -> parse: no input makes the parser panic, and what it accepts survives being
//! printed.

#![no_main]

use cloud_autojoin_core::config::ConfigString;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let config = match ConfigString::parse_bytes(input) {
        Ok(config) => config,
        Err(error) => {
            let _ = (error.to_string(), format!("{error:?}"));
            return;
        }
    };
    let printed = config.to_string();
    assert_eq!(ConfigString::parse(&printed).as_ref(), Ok(&config), "{printed:?}");
    assert_eq!(ConfigString::parse(&printed).map(|again| again.to_string()), Ok(printed));

    // A command line that go-discover would accept means the same here, however the words are cut.
    if let Ok(text) = std::str::from_utf8(input) {
        let words = text.split(' ').map(str::to_owned);
        assert_eq!(ConfigString::from_arguments(words), Ok(config));
    }
});
