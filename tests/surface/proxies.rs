//! Which proxy is asked, if any.

use std::time::Duration;

use eventhub_checkpointstore::{CallOptions, ErrorKind, ProxyOptions, RetryOptions};

use super::options::builder;
use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::BlobService;
use super::support::loopback::{Loopback, Reply};
use super::support::process;
use super::{checkpoint, group, maybe_async, test};

/// All that counts is who was asked.
fn refusing_proxy() -> Loopback {
    Loopback::start(|_| Reply::new(403).announce_close())
}

#[maybe_async]
#[test]
async fn a_proxy_is_used_or_bypassed_as_told() {
    let (proxy, target) = (refusing_proxy(), BlobService::new("checkpoints").serve());
    let once = CallOptions::new().with_max_retries(0);

    let through = builder(&target).proxy(ProxyOptions::Url(proxy.url())).build().unwrap();
    through.with_options(once.clone()).list_ownership(&group()).await.unwrap_err();
    assert_eq!((proxy.requests().len(), target.requests().len()), (1, 0));
    let asked = &proxy.requests()[0];
    // Whole, for no proxy needs to allow a tunnel for it.
    let whole = format!("{}/checkpoints?", target.url());
    assert!(asked.target.starts_with(&whole), "{}", asked.target);

    let past = builder(&target).proxy(ProxyOptions::Disabled).build().unwrap();
    past.with_options(once).list_ownership(&group()).await.unwrap();
    assert_eq!((proxy.requests().len(), target.requests().len()), (1, 1));

    for url in ["", "no url", "http://u:secret@", "socks5://u:secret@127.0.0.1:1", "ftp://p"] {
        let error = builder(&target).proxy(ProxyOptions::Url(url.into())).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

/// A proxy that does what it is asked for.
fn forwarding_proxy(service: &BlobService) -> Loopback {
    let service = service.clone();
    Loopback::start(move |request| {
        let mut request = request.clone();
        let path = request.target.strip_prefix("http://").and_then(|rest| rest.find('/'));
        request.target.drain(.."http://".len() + path.expect("a whole URL"));
        service.handle(&request)
    })
}

#[maybe_async]
#[test]
async fn plain_http_goes_through_a_proxy_as_whole_urls_on_one_connection() {
    let service = BlobService::new("checkpoints");
    let proxy = forwarding_proxy(&service);
    for (user, authorization) in [("", None), ("u:p%40ss@", Some("Basic dTpwQHNz"))] {
        let url = proxy.url().replace("//", &format!("//{user}"));
        // Nobody needs to know the host but the proxy.
        let target = "http://acct.blob.example:10000";
        let store = BlobCheckpointStore::builder(target, "checkpoints")
            .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
            .proxy(ProxyOptions::Url(url))
            .build()
            .unwrap();
        let before = proxy.connections();
        for number in 0..3 {
            store.update_checkpoint(&checkpoint("0", "1", number)).await.unwrap();
            store.list_checkpoints(&group()).await.unwrap();
        }
        assert_eq!(proxy.connections() - before, 1);
        let requests = proxy.requests();
        assert!(requests.len() >= 6);
        for request in requests {
            assert!(request.target.starts_with(target), "{}", request.target);
            assert_eq!(request.header("host"), Some("acct.blob.example:10000"));
            assert_eq!(request.header("proxy-authorization"), authorization);
            let mut direct = request.clone();
            direct.target.drain(..target.len());
            assert!(super::shared_key::is_signed(&direct, "acct", "c2VjcmV0"));
        }
        proxy.clear();
    }
}

/// The environment of the tests may have some of them.
const VARIABLES: [&str; 9] = [
    "REQUEST_METHOD",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Runs the test below in a process with these variables and no others about proxies.
fn run_child(target: &Loopback, variables: &[(&str, &str)]) {
    let test = "surface::proxies::the_environment_says_which";
    let mut child = process::in_a_process_of_its_own(test, &target.url());
    for variable in VARIABLES {
        child.env_remove(variable);
    }
    let output = child.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[maybe_async]
#[test]
async fn the_environment_says_which() {
    if let Some(url) = process::argument() {
        return be_child(&url).await;
    }
    let (proxy, target) = (refusing_proxy(), BlobService::new("checkpoints").serve());
    let url = proxy.url();
    // Each child asks twice, the second time with proxies disabled.
    let with_port = format!("127.0.0.1:{}", target.port());
    let other_port = format!("127.0.0.1:{}", proxy.port());
    let rows: [(&[(&str, &str)], usize); 10] = [
        (&[], 0),
        (&[("HTTP_PROXY", &url)], 1),
        (&[("http_proxy", &url)], 1),
        (&[("ALL_PROXY", &url)], 1),
        (&[("HTTPS_PROXY", &url)], 0),
        (&[("HTTP_PROXY", &url), ("NO_PROXY", "other.example,127.0.0.1")], 0),
        (&[("HTTP_PROXY", &url), ("NO_PROXY", "10.0.0.0/8,127.0.0.0/8")], 0),
        (&[("HTTP_PROXY", &url), ("NO_PROXY", &with_port)], 0),
        (&[("HTTP_PROXY", &url), ("NO_PROXY", &other_port)], 1),
        (&[("HTTP_PROXY", &url), ("REQUEST_METHOD", "GET")], 0),
    ];
    for (variables, through_proxy) in rows {
        run_child(&target, variables);
        let asked = (proxy.requests().len(), target.requests().len());
        assert_eq!(asked, (through_proxy, 2 - through_proxy), "{variables:?}");
        proxy.clear();
        target.clear();
    }
}

#[maybe_async]
#[test]
async fn the_secondary_is_judged_by_its_own_name() {
    if let Some(urls) = process::argument() {
        return be_child_with_secondary(&urls).await;
    }
    let service = BlobService::new("checkpoints");
    let primary = Loopback::start(|_| Reply::new(503));
    let proxy = forwarding_proxy(&service);
    let test = "surface::proxies::the_secondary_is_judged_by_its_own_name";
    for (no_proxy, primary_through, secondary_through) in
        [("127.0.0.0/8", 0, 1), ("other.example", 2, 0), ("127.0.0.1,other.example", 0, 0)]
    {
        let mut child = process::in_a_process_of_its_own(test, &primary.url());
        for variable in VARIABLES {
            child.env_remove(variable);
        }
        child.env("HTTP_PROXY", proxy.url()).env("NO_PROXY", no_proxy);
        let output = child.output().unwrap();
        assert!(output.status.success(), "{no_proxy}: {output:?}");
        let through = |host: &str| {
            let requests = proxy.requests();
            requests.iter().filter(|request| request.header("host") == Some(host)).count()
        };
        let found = (through(&primary.address().to_string()), through("other.example"));
        assert_eq!(found.1, secondary_through, "{no_proxy}");
        assert_eq!(found.0 > 0, primary_through > 0, "{no_proxy}");
        proxy.clear();
        primary.clear();
    }
}

#[maybe_async]
async fn be_child_with_secondary(url: &str) {
    let quick = RetryOptions::default().with_base_delay(Duration::from_millis(1)).unwrap();
    let store = BlobCheckpointStore::builder(url, "checkpoints")
        .credential(Credential::anonymous())
        .secondary_hostname("other.example")
        .retry(quick)
        .build()
        .unwrap();
    // Whether the proxy responds to it depends on the row.
    let once = store.with_options(CallOptions::new().with_max_retries(1));
    let _refused = once.list_ownership(&group()).await;
}

#[maybe_async]
async fn be_child(url: &str) {
    let builder =
        || BlobCheckpointStore::builder(url, "checkpoints").credential(Credential::anonymous());
    let once = CallOptions::new().with_max_retries(0);
    let by_environment = builder().build().unwrap().with_options(once);
    let _refused_by_a_proxy = by_environment.list_ownership(&group()).await;
    let direct = builder().proxy(ProxyOptions::Disabled).build().unwrap();
    direct.list_ownership(&group()).await.unwrap();
}
