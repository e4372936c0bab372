#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    eventhub_checkpointstore_fuzz::amqp_properties::run(data)
});
