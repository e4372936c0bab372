//! A receiver of fe2o3-amqp for each partition, and nothing around it.

use std::sync::Arc;

use fe2o3_amqp::link::{CreditMode, Receiver};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::{Connection, Session};
use fe2o3_amqp_types::definitions::{ReceiverSettleMode, SenderSettleMode};
use fe2o3_amqp_types::messaging::annotations::OwnedKey;
use fe2o3_amqp_types::messaging::{Body, Message};
use fe2o3_amqp_types::primitives::Value;
use firehose::Content;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Endpoint;
use crate::meter::Meter;

pub async fn receive(endpoint: &Endpoint, content: Content, meter: Arc<Meter>) {
    let stream = TcpStream::connect(("127.0.0.1", endpoint.port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let Some(pem) = &endpoint.pem else {
        return receive_on(stream, content, meter).await;
    };
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap();
    receive_on(stream, content, meter).await;
}

/// As our client asks for by default.
const CREDIT: u32 = 300;

async fn receive_on<S>(stream: S, content: Content, meter: Arc<Meter>)
where
    S: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Sync + Unpin + 'static,
{
    let mut connection = Connection::builder()
        .container_id("bare")
        .scheme("amqp")
        .hostname("bench.servicebus.windows.net")
        .sasl_profile(SaslProfile::Anonymous)
        .max_frame_size(64 * 1024)
        .open_with_stream(stream)
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for id in 0..content.partitions {
        let mut session = Session::begin(&mut connection).await.unwrap();
        let address = format!("{}/ConsumerGroups/$Default/Partitions/{id}", content.hub_name());
        let mut receiver = Receiver::builder()
            .name(format!("bare-{id}"))
            .source(address)
            .sender_settle_mode(SenderSettleMode::Settled)
            .receiver_settle_mode(ReceiverSettleMode::First)
            .credit_mode(CreditMode::Manual)
            .attach(&mut session)
            .await
            .unwrap();
        let meter = Arc::clone(&meter);
        tasks.push(tokio::spawn(async move {
            let key = OwnedKey::from("x-opt-sequence-number");
            for seen in 0..content.events {
                // By itself the receiver asks for more only when it settles, which is done already.
                if seen % (CREDIT / 2) == 0 {
                    receiver.set_credit(CREDIT).await.unwrap();
                }
                let delivery = receiver.recv::<Body<Value>>().await.unwrap();
                let (number, length) = read(delivery.message(), &key);
                meter.saw(id as usize, std::iter::once((number, length)));
            }
            session.end().await.unwrap();
            drop(receiver);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    connection.close().await.unwrap();
}

/// The sequence number, and the length of the body.
fn read(message: &Message<Body<Value>>, key: &OwnedKey) -> (i64, usize) {
    let annotations = &message.message_annotations.as_ref().unwrap().0;
    let number = match annotations.get(key) {
        Some(Value::Long(number)) => *number,
        other => panic!("no sequence number: {other:?}"),
    };
    let length = match &message.body {
        Body::Data(sections) => sections.iter().map(|data| data.0.len()).sum(),
        other => panic!("not bytes: {other:?}"),
    };
    (number, length)
}
