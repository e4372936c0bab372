//! AMQP over WebSockets, and through proxies.

use super::test;
use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;

/// A proxy that knows `CONNECT`, and the heads of the requests that it saw.
struct Proxy {
    port: u16,
    heads: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let seen = Arc::clone(&heads);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, seen) = (client.unwrap(), Arc::clone(&seen));
                std::thread::spawn(move || Self::serve(client, &seen));
            }
        });
        Self { port, heads }
    }

    fn serve(client: TcpStream, seen: &Mutex<Vec<Vec<String>>>) {
        let mut from_client = BufReader::new(client.try_clone().unwrap());
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            from_client.read_line(&mut line).unwrap();
            let line = line.trim_end().to_string();
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        let target = head[0].split(' ').nth(1).unwrap().to_string();
        seen.lock().unwrap().push(head);
        let mut target = TcpStream::connect(target).unwrap();
        let mut to_client = client;
        to_client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        let mut from_target = target.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut from_target, &mut to_client));
        let _ = std::io::copy(&mut from_client, &mut target);
        let _ = target.shutdown(std::net::Shutdown::Both);
    }
}

#[maybe_async]
#[test]
async fn events_come_over_websockets_and_a_cut_is_healed() {
    let double = start(config(1).websockets());
    double.fill("0", (0..500).map(|number| format!("event {number}")));
    let hub = builder(&double).websockets(true).build().unwrap();
    let mut reader = hub.open(earliest("0")).await.unwrap();
    let events = receive(&mut *reader, 400).await;
    assert_eq!(numbers(&events), (0..400).collect::<Vec<_>>());
    double.cut_connections();
    let events = receive(&mut *reader, 100).await;
    assert_eq!(numbers(&events), (400..500).collect::<Vec<_>>());
    reader.close().await.unwrap();
}

#[maybe_async]
#[test]
async fn a_proxy_is_asked_for_a_tunnel() {
    for websockets in [true, false] {
        let config = config(1);
        let double = start(if websockets { config.websockets() } else { config });
        double.append("0", "event");
        let proxy = Proxy::start();
        let url = format!("http://user:p%40ss@127.0.0.1:{}", proxy.port);
        let hub =
            builder(&double).websockets(websockets).proxy(ProxyOptions::Url(url)).build().unwrap();
        let mut reader = hub.open(earliest("0")).await.unwrap();
        receive(&mut *reader, 1).await;
        let heads = proxy.heads.lock().unwrap().clone();
        assert_eq!(heads[0][0], format!("CONNECT 127.0.0.1:{} HTTP/1.1", double.port()));
        let user = "Proxy-Authorization: Basic dXNlcjpwQHNz";
        assert!(heads[0].iter().any(|line| line == user), "{:?}", heads[0]);
        reader.close().await.unwrap();
    }
}

/// Or the user would look for the fault at the namespace.
#[maybe_async]
#[test]
async fn the_proxy_on_the_way_is_named_without_its_user() {
    let double = start(config(1));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hub = builder(&double)
        .proxy(ProxyOptions::Url(format!("http://someone:pa55word@{nobody}")))
        .open_timeout(Duration::from_secs(1))
        .request_timeout(Duration::from_secs(1))
        .build()
        .unwrap();
    let shown = match hub.open(earliest("0")).await {
        Ok(mut reader) => match reader.receive(&mut Vec::new(), 1, Duration::from_secs(5)).await {
            Err(ReadEnd::Failed(error)) => format!("{error} {error:?}"),
            other => panic!("{other:?}"),
        },
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(shown.contains(&format!("through the proxy {nobody}")), "{shown}");
    assert!(!shown.contains("someone") && !shown.contains("pa55word"), "{shown}");
}
