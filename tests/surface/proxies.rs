//! Which proxy is asked, if any.

use eventhub_checkpointstore::{CallOptions, ErrorKind, ProxyOptions};

use super::options::builder;
use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::BlobService;
use super::support::loopback::{Loopback, Reply};
use super::support::process;
use super::{group, maybe_async, test};

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
    assert!(asked.target.contains(&target.address().to_string()), "{}", asked.target);

    let past = builder(&target).proxy(ProxyOptions::Disabled).build().unwrap();
    past.with_options(once).list_ownership(&group()).await.unwrap();
    assert_eq!((proxy.requests().len(), target.requests().len()), (1, 1));

    for url in ["", "no url", "http://u:secret@", "socks5://u:secret@127.0.0.1:1", "ftp://p"] {
        let error = builder(&target).proxy(ProxyOptions::Url(url.into())).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

/// The environment of the tests may have some of them.
const VARIABLES: [&str; 8] = [
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
    let rows: [(&[(&str, &str)], usize); 6] = [
        (&[], 0),
        (&[("HTTP_PROXY", &url)], 1),
        (&[("http_proxy", &url)], 1),
        (&[("ALL_PROXY", &url)], 1),
        (&[("HTTPS_PROXY", &url)], 0),
        (&[("HTTP_PROXY", &url), ("NO_PROXY", "other.example,127.0.0.1")], 0),
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
async fn be_child(url: &str) {
    let builder =
        || BlobCheckpointStore::builder(url, "checkpoints").credential(Credential::anonymous());
    let once = CallOptions::new().with_max_retries(0);
    let by_environment = builder().build().unwrap().with_options(once);
    let _refused_by_a_proxy = by_environment.list_ownership(&group()).await;
    let direct = builder().proxy(ProxyOptions::Disabled).build().unwrap();
    direct.list_ownership(&group()).await.unwrap();
}
