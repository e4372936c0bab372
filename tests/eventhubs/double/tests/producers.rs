//! Events that are sent to the double, with a plain AMQP client.

mod support;

use azure_messaging_eventhubs::StartLocation;
use eventhubs_double::EventHubsDouble;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::types::messaging::{Data, Message, MessageAnnotations, Outcome};
use fe2o3_amqp::types::primitives::{Binary, Value};
use fe2o3_amqp::{Connection, Sender, Session};
use support::{HUB, client, from, receive, sequence_numbers};

/// The format of a batch.
const BATCH: u32 = 0x8001_3700;

async fn connect(double: &EventHubsDouble) -> ConnectionHandle<()> {
    let endpoint = double.endpoint();
    let builder = Connection::builder().container_id("test").sasl_profile(SaslProfile::Anonymous);
    builder.open(endpoint.as_str()).await.expect("a connection")
}

/// A message of bytes, as it stands in a batch.
fn encoded(text: &str) -> Data {
    let mut bytes = vec![0x00, 0x53, 0x75, 0xa0, u8::try_from(text.len()).expect("a short text")];
    bytes.extend(text.as_bytes());
    Data(Binary::from(bytes))
}

async fn send_batch(sender: &mut Sender, key: Option<&str>, sections: Vec<Data>) -> Outcome {
    let mut message = Message::builder().data_batch(sections).build();
    message.message_annotations = key.map(|key| {
        MessageAnnotations::builder().insert("x-opt-partition-key", Value::from(key)).build()
    });
    let sendable = Sendable::builder().message(message).message_format(BATCH).build();
    sender.send(sendable).await.expect("an outcome")
}

fn lengths(double: &EventHubsDouble) -> [i64; 3] {
    ["0", "1", "2"].map(|id| double.length(id))
}

#[tokio::test]
async fn events_go_to_their_partition_one_by_one_and_in_batches() {
    let double = support::start(3).await;
    let mut connection = connect(&double).await;
    let mut session = Session::begin(&mut connection).await.expect("a session");

    let address = format!("{HUB}/Partitions/1");
    let mut sender = Sender::attach(&mut session, "one", address).await.expect("a link");
    assert_eq!(sender.max_message_size(), Some(1024 * 1024));
    sender.send(Message::from(Data(Binary::from("single")))).await.expect("an outcome");
    let sections = vec![encoded("first"), encoded("second")];
    assert!(matches!(send_batch(&mut sender, None, sections).await, Outcome::Accepted(_)));
    assert_eq!(lengths(&double), [0, 3, 0]);

    let mut sender = Sender::attach(&mut session, "hub", HUB).await.expect("a link");
    for _ in 0..3 {
        sender.send(Message::from(Data(Binary::from("any")))).await.expect("an outcome");
    }
    assert_eq!(lengths(&double), [1, 4, 1], "each in its turn");
    for _ in 0..3 {
        send_batch(&mut sender, Some("key"), vec![encoded("keyed")]).await;
    }
    let grown: Vec<_> =
        lengths(&double).iter().zip([1, 4, 1]).map(|(now, before)| now - before).collect();
    assert!(grown.contains(&3), "a key has one partition: {grown:?}");
    connection.close().await.expect("the connection closes");

    let events = receive(&client(&double).await, from(StartLocation::Earliest, false), 1).await;
    assert_eq!(sequence_numbers(&events), [0]);
}

#[tokio::test]
async fn malformed_batches_are_rejected() {
    let double = support::start(1).await;
    let mut connection = connect(&double).await;
    let mut session = Session::begin(&mut connection).await.expect("a session");
    let mut sender = Sender::attach(&mut session, "a link", HUB).await.expect("a link");
    let garbage = vec![Data(Binary::from("garbage"))];
    assert!(matches!(send_batch(&mut sender, None, garbage).await, Outcome::Rejected(_)));
    assert_eq!(double.length("0"), 0);
    connection.close().await.expect("the connection closes");
}

#[tokio::test]
async fn a_producer_of_another_hub_is_refused() {
    let double = support::start(1).await;
    let mut connection = connect(&double).await;
    for address in ["unknown".to_owned(), format!("{HUB}/Partitions/7")] {
        let mut session = Session::begin(&mut connection).await.expect("a session");
        let mut sender = Sender::attach(&mut session, "a link", address).await.expect("a link");
        let refused = sender.send(Message::from(Data(Binary::from("lost")))).await;
        assert!(matches!(refused, Err(SendError::LinkStateError(_))), "{refused:?}");
    }
    assert_eq!(double.counters().refused_links, 2);
    assert_eq!(double.length("0"), 0);
}
