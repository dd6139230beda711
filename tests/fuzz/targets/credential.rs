#![no_main]

#[path = "../properties/mod.rs"]
#[expect(dead_code, reason = "the rest is for the other targets")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::credential::holds(data));
