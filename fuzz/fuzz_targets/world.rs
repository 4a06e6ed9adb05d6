//! World files of the simulator: a world or an error, and a world that can be queried.

#![no_main]

use cloud_autojoin_simulator::azure::world::World;
use libfuzzer_sys::fuzz_target;

/// Whether a number of more than one digit is outside of quotes: `instances = 99999999` is a
/// wish for memory, not a mistake of the reader.
fn wishes_for_memory(input: &str) -> bool {
    let mut quote = None;
    let mut digits = 0;
    for letter in input.chars() {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if letter == open || letter == '\n' => quote = None,
            _ => {}
        }
        digits = if quote.is_none() && (letter.is_ascii_hexdigit() && (digits > 0 || letter.is_ascii_digit()) || letter == '_' && digits > 0) {
            digits + 1
        } else {
            0
        };
        if digits > 1 {
            return true;
        }
    }
    false
}

fuzz_target!(|input: &str| {
    if wishes_for_memory(input) {
        return;
    }
    match World::from_toml(input) {
        Ok(world) => {
            let _ = format!("{world:?}");
            // The instance metadata of the world's machine.
            let _ = world.machine_facts();
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
