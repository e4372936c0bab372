#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    eventhub_checkpointstore_fuzz::event_hub_connection_string::run(data)
});
