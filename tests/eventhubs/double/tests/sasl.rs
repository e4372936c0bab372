//! SASL mechanisms, with a plain AMQP client.

mod support;

use fe2o3_amqp::connection::{ConnectionHandle, OpenError};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::{Connection, Receiver, Session};

async fn open(endpoint: &str, profile: SaslProfile) -> Result<ConnectionHandle<()>, OpenError> {
    Connection::builder().container_id("test").sasl_profile(profile).open(endpoint).await
}

fn plain(user: &str, password: &str) -> SaslProfile {
    SaslProfile::Plain { username: user.into(), password: password.into() }
}

#[tokio::test]
async fn plain_and_anonymous_are_accepted_and_empty_credentials_are_not() {
    let double = support::start(1).await;
    for profile in [plain("reader", "key"), SaslProfile::Anonymous] {
        let mut connection = open(&double.endpoint(), profile).await.expect("a connection");
        connection.close().await.expect("the connection closes");
    }
    open(&double.endpoint(), plain("", "")).await.expect_err("no user, no password");
    assert_eq!(double.counters().connections, 2);
}

#[tokio::test]
async fn a_link_without_a_filter_gets_everything() {
    let double = support::start(1).await;
    double.fill("0", ["a", "b"]);
    let mut connection =
        open(&double.endpoint(), plain("reader", "key")).await.expect("a connection");
    let mut session = Session::begin(&mut connection).await.expect("a session");
    let address = format!("{}/ConsumerGroups/$Default/Partitions/0", support::HUB);
    let mut receiver = Receiver::attach(&mut session, "a link", address).await.expect("a link");
    assert_eq!(double.receivers()[0].link_name, "a link");

    for body in [b"a", b"b"] {
        let delivery =
            receiver.recv::<fe2o3_amqp::types::messaging::Data>().await.expect("an event");
        receiver.accept(&delivery).await.expect("an open link");
        assert_eq!(delivery.body().0.as_ref(), body);
    }
    connection.close().await.expect("the connection closes");
    support::eventually("the seat is given back", || double.receivers().is_empty()).await;
}

#[tokio::test]
async fn a_dropped_double_ends_its_connections_and_its_port() {
    let double = support::start(1).await;
    let endpoint = double.endpoint();
    let mut connection = open(&endpoint, SaslProfile::Anonymous).await.expect("a connection");
    drop(double);
    let closed = tokio::time::timeout(support::PATIENCE, connection.on_close()).await;
    assert!(closed.is_ok(), "the connection ends");
    open(&endpoint, SaslProfile::Anonymous).await.expect_err("nobody listens");
}
