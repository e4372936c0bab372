//! Both surfaces, used side by side while `maybe-async/is_sync` is on, and cookies and compression in the clients.
#![cfg(test)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::pin::pin;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll, Waker};

use clean_environment as _;
use eventhub_checkpointstore::{
    Checkpoint, ConsumerGroup, checkpointstoreblob, checkpointstoreblob_aio,
};

/// Not async at all where the switch is on.
#[maybe_async::maybe_async]
async fn switched() -> u8 {
    7
}

/// In memory nothing has to be waited for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("an in-memory call waits"),
    }
}

fn checkpoint() -> (ConsumerGroup, Checkpoint) {
    let group = ConsumerGroup::new("ns.servicebus.windows.net", "hub", "$Default").unwrap();
    let checkpoint = Checkpoint::new(&group, "0", "4711", 42).unwrap();
    (group, checkpoint)
}

#[test]
fn the_switch_is_on() {
    let value: u8 = switched();
    assert_eq!(value, 7);
}

#[test]
fn the_blocking_surface_blocks() {
    let (group, checkpoint) = checkpoint();
    let store = checkpointstoreblob::BlobCheckpointStore::in_memory();
    store.update_checkpoint(&checkpoint).unwrap();
    let read: Option<Checkpoint> = store.get_checkpoint(&group, "0").unwrap();
    assert_eq!(read.unwrap().sequence_number(), Some(42));
}

#[test]
fn the_async_surface_is_async() {
    let (group, checkpoint) = checkpoint();
    let store = checkpointstoreblob_aio::BlobCheckpointStore::in_memory();
    at_once(store.update_checkpoint(&checkpoint)).unwrap();
    let read: Option<Checkpoint> = at_once(store.get_checkpoint(&group, "0")).unwrap();
    assert_eq!(read.unwrap().sequence_number(), Some(42));
}

/// The traits, too: one type implements the async one while another is implemented for the blocking one.
#[test]
fn each_surface_has_its_own_traits() {
    let blocking: &dyn checkpointstoreblob::CheckpointStore =
        &checkpointstoreblob::BlobCheckpointStore::in_memory();
    let aio: &dyn checkpointstoreblob_aio::CheckpointStore =
        &checkpointstoreblob_aio::BlobCheckpointStore::in_memory();
    let (group, _) = checkpoint();
    assert!(blocking.list_checkpoints(&group).unwrap().into_iter().next().is_none());
    assert!(at_once(aio.list_checkpoints(&group)).unwrap().into_iter().next().is_none());
}

/// With the clients of the default features; nothing is sent.
#[test]
fn both_clients_are_built() {
    const NOWHERE: &str = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=MTIz;BlobEndpoint=http://127.0.0.1:1/a";
    let blocking =
        checkpointstoreblob::BlobCheckpointStore::from_connection_string(NOWHERE, "checkpoints");
    let aio = checkpointstoreblob_aio::BlobCheckpointStore::from_connection_string(
        NOWHERE,
        "checkpoints",
    );
    assert!(blocking.is_ok() && aio.is_ok(), "{blocking:?} {aio:?}");
}

/// Responds to each request that there is no such blob, and sets a cookie. The heads of the requests come out.
fn server_with_cookies() -> (String, Receiver<String>) {
    server(
        "HTTP/1.1 404 Not Found\r\nx-ms-error-code: BlobNotFound\r\nSet-Cookie: affinity=7; Path=/\r\n\
         Content-Length: 0\r\n\r\n",
    )
}

/// Responds to each request with this. The heads of the requests come out.
fn server(response: impl Into<String>) -> (String, Receiver<String>) {
    let response = response.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (heads, received) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (heads, response) = (heads.clone(), response.clone());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while stream.read(&mut byte).is_ok_and(|length| length == 1) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        let text =
                            String::from_utf8_lossy(&std::mem::take(&mut head)).to_lowercase();
                        if heads.send(text).is_err()
                            || stream.write_all(response.as_bytes()).is_err()
                        {
                            return;
                        }
                    }
                }
            });
        }
    });
    (url, received)
}

/// Only what was signed is sent.
#[test]
fn client_features_of_other_crates_stay_off() {
    let (group, _) = checkpoint();
    let (url, heads) = server_with_cookies();
    let blocking = checkpointstoreblob::BlobCheckpointStore::builder(&url, "checkpoints")
        .credential(checkpointstoreblob::Credential::anonymous())
        .build()
        .unwrap();
    let aio = checkpointstoreblob_aio::BlobCheckpointStore::builder(&url, "checkpoints")
        .credential(checkpointstoreblob_aio::Credential::anonymous())
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for _ in 0..3 {
        assert!(blocking.get_checkpoint(&group, "0").unwrap().is_none());
        assert!(runtime.block_on(aio.get_checkpoint(&group, "0")).unwrap().is_none());
    }
    for head in heads.try_iter().collect::<Vec<_>>() {
        assert!(!head.contains("cookie") && !head.contains("accept-encoding"), "{head}");
    }
    // The same agent as it comes sends the cookie back.
    let bare = ureq::Agent::new_with_config(
        ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build(),
    );
    let sent = |_| {
        bare.get(&url).call().unwrap();
        heads.recv().unwrap()
    };
    let last = (0..2).map(sent).last().unwrap();
    assert!(
        last.contains("cookie: affinity=7") && last.contains("accept-encoding: gzip"),
        "{last}"
    );
}

/// A body is read as it comes: nobody asked for another form of it, and a client that decodes it would read other records than
/// one that does not.
#[test]
fn bodies_are_not_decoded() {
    let (group, _) = checkpoint();
    // Nothing of this is compressed, and it is not in Latin-1.
    let list = "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs><Blob>\
        <Name>ns.servicebus.windows.net/hub/$default/checkpoint/\u{fc}</Name><Properties><Etag>1</Etag></Properties>\
        <Metadata><offset>4711</offset><sequencenumber>42</sequencenumber></Metadata>\
        </Blob></Blobs><NextMarker/></EnumerationResults>";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for header in [
        "Content-Encoding: gzip",
        "content-encoding: br",
        "Content-Encoding: zstd",
        "Content-Encoding: deflate",
        "Content-Type: text/plain; charset=iso-8859-1",
    ] {
        let length = list.len();
        let (url, _heads) = server(format!(
            "HTTP/1.1 200 OK\r\n{header}\r\nContent-Length: {length}\r\n\r\n{list}"
        ));
        let blocking = checkpointstoreblob::BlobCheckpointStore::builder(&url, "checkpoints")
            .credential(checkpointstoreblob::Credential::anonymous())
            .build()
            .unwrap();
        let aio = checkpointstoreblob_aio::BlobCheckpointStore::builder(&url, "checkpoints")
            .credential(checkpointstoreblob_aio::Credential::anonymous())
            .build()
            .unwrap();
        for _ in 0..2 {
            let listed = blocking.list_checkpoints(&group).unwrap();
            assert_eq!(listed.items()[0].partition_id(), "\u{fc}", "{header}");
            let beside = runtime.block_on(aio.list_checkpoints(&group)).unwrap();
            assert_eq!(listed.items(), beside.items(), "{header}");
        }
    }
    // The same agent as it comes decodes it, or fails to.
    let (url, _heads) = server(format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n{list}",
        list.len()
    ));
    let bare = ureq::Agent::new_with_config(ureq::Agent::config_builder().proxy(None).build());
    assert!(bare.get(&url).call().unwrap().body_mut().read_to_vec().is_err());
}
