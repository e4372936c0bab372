fn main() {
    use std::io::Read;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let config = eventhubs_double::Config::new("Telemetry", 3).settle_delay(std::time::Duration::from_millis(1)).in_flight(n).whole_performatives();
    let double = runtime.block_on(eventhubs_double::EventHubsDouble::start(config)).unwrap();
    println!("{}", double.port());
    let _ = std::io::stdin().read(&mut [0]);
}
