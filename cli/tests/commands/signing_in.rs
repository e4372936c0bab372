//! Sign-in with Microsoft Entra ID: `az login`, a managed identity and a pod's, with doubles of what gives tokens.
#![cfg(all(unix, feature = "entra"))]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use eventhubs_double::{Config, EventHubsDouble};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::bed::{Bed, TARGET};
use crate::support::blob_service::BlobService;
use crate::support::loopback::{Loopback, Recorded, Reply, TlsIdentity};

const PROGRAM: &str = env!("CARGO_BIN_EXE_eventhub-checkpoints");
const STORAGE_TOKEN: &str = "token-of-the-storage-account";
const HUB_TOKEN: &str = "token-of-the-event-hub";

/// A storage account and an event hub that let in who has their tokens, over TLS as everything that takes tokens.
struct Cloud {
    bed: Bed,
    account: Loopback,
    tokens: Loopback,
    double: EventHubsDouble,
    // Ends after the double.
    _runtime: Runtime,
}

fn token_for(scope: &str) -> &'static str {
    if scope.contains("storage.azure.com") {
        STORAGE_TOKEN
    } else if scope.contains("eventhubs.azure.net") {
        HUB_TOKEN
    } else {
        "a token for something else"
    }
}

/// A pod's token is exchanged at `/TENANT/oauth2/v2.0/token`, an app's is asked for at `/identity`.
fn give_token(request: &Recorded) -> Reply {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let response = match request.path() {
        "/tenant/oauth2/v2.0/token"
            if body.contains("client_assertion=assertion-of-the-pod")
                && body.contains("client_id=client") =>
        {
            json!({
                "token_type": "Bearer",
                "expires_in": 3600,
                "ext_expires_in": 3600,
                "access_token": token_for(&body),
            })
        }
        "/identity" if request.header("x-identity-header") == Some("secret-of-the-app") => json!({
            "token_type": "Bearer",
            "expires_on": "4102444800",
            "resource": request.query("resource"),
            "access_token": token_for(&request.query("resource").unwrap_or_default()),
        }),
        _ => return Reply::new(400).body(json!({"error": "invalid_request"}).to_string()),
    };
    Reply::new(200).header("Content-Type", "application/json").body(response.to_string())
}

impl Cloud {
    fn new() -> Self {
        let bed = Bed::new();
        bed.checkpoint("0", 39, 30);
        let identity = TlsIdentity::new(&["localhost", "127.0.0.1"]);
        let service: BlobService = bed.service.clone().with_authorizer(|request| {
            request.header("authorization") == Some(&format!("Bearer {STORAGE_TOKEN}"))
        });
        let account = Loopback::start_tls_as(&identity, service.handler());
        let tokens = Loopback::start_tls_as(&identity, give_token);
        let runtime = Runtime::new().unwrap();
        let config = Config::new("telemetry", 1).tls(identity.server_config());
        let double = runtime.block_on(EventHubsDouble::start(config)).unwrap();
        double.fill("0", (0..100).map(|number| format!("event {number}")));
        fs::write(bed.path("ca.pem"), identity.ca_pem()).unwrap();
        Self { bed, account, tokens, double, _runtime: runtime }
    }

    /// Looks at the lag with the given variables, and without any secret.
    fn lag(&self, auth: &str, vars: &[(&str, String)]) -> Output {
        let mut command = Command::new(PROGRAM);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env_clear().current_dir(self.bed.folder.path());
        // The authority of the doubles is the only trusted one. Programs are looked for in the folder first.
        command.env("SSL_CERT_FILE", self.bed.path("ca.pem"));
        command.env("PATH", format!("{}:{path}", self.bed.folder.path().display()));
        command.args(["lag", TARGET, "-o", "json", "-c", "checkpoints", "--timeout", "20s"]);
        command.args(["--storage-url", &self.account.url()]);
        command.args(["--hub-endpoint", &format!("amqps://127.0.0.1:{}", self.double.port())]);
        command.args(auth.split_whitespace()).envs(vars.iter().cloned());
        let output = command.output().expect("it runs");
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        for secret in [STORAGE_TOKEN, HUB_TOKEN, "secret-of-the-app", "assertion-of-the-pod"] {
            assert!(!said.contains(secret), "{secret} is shown: {said}");
        }
        output
    }

    #[track_caller]
    fn lets_in(&self, auth: &str, vars: &[(&str, String)]) {
        let output = self.lag(auth, vars);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{auth}: {said}");
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(shown["groups"][0]["partitions"][0]["lag"], 60, "{shown}");
        let (_, token) = self.double.tokens().pop().expect("a token at the hub");
        assert_eq!(token, HUB_TOKEN);
    }

    fn pod(&self) -> Vec<(&'static str, String)> {
        fs::write(self.bed.path("assertion"), "assertion-of-the-pod").unwrap();
        vec![
            ("AZURE_AUTHORITY_HOST", self.tokens.url()),
            ("AZURE_TENANT_ID", "tenant".to_owned()),
            ("AZURE_CLIENT_ID", "client".to_owned()),
            ("AZURE_FEDERATED_TOKEN_FILE", self.bed.path("assertion").display().to_string()),
        ]
    }

    fn app(&self) -> Vec<(&'static str, String)> {
        vec![
            ("IDENTITY_ENDPOINT", format!("{}/identity", self.tokens.url())),
            ("IDENTITY_HEADER", "secret-of-the-app".to_owned()),
        ]
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.bed.path(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_user_signed_in_with_az_is_accepted() {
    let cloud = Cloud::new();
    cloud.program(
        "az",
        &format!(
            r#"#!/bin/sh
case "$*" in
*https://storage.azure.com/*) token={STORAGE_TOKEN} ;;
*https://eventhubs.azure.net/*) token={HUB_TOKEN} ;;
*) echo "unexpected: $*" >&2; exit 1 ;;
esac
echo "{{\"accessToken\":\"$token\",\"expires_on\":4102444800,\"tokenType\":\"Bearer\"}}"
"#
        ),
    );
    cloud.lets_in("--auth login", &[]);
}

#[test]
fn a_user_who_is_not_signed_in_is_told_how() {
    let cloud = Cloud::new();
    for name in ["az", "azd"] {
        cloud
            .program(name, "#!/bin/sh\necho 'Please run az login to setup account.' >&2\nexit 1\n");
    }
    let output = cloud.lag("--auth login", &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("az login"), "{said}");
}

#[test]
fn a_managed_identity_is_accepted() {
    let cloud = Cloud::new();
    cloud.lets_in("--auth managed-identity", &cloud.app());
    // Without a secret it is the way in that the app has.
    cloud.lets_in("", &cloud.app());
    let resources: Vec<_> =
        cloud.tokens.requests().iter().filter_map(|request| request.query("resource")).collect();
    assert!(resources.iter().any(|name| name.starts_with("https://storage.azure.com")));
    assert!(resources.iter().any(|name| name.starts_with("https://eventhubs.azure.net")));
}

#[test]
fn one_of_several_managed_identities_is_chosen() {
    let cloud = Cloud::new();
    let mut vars = cloud.app();
    vars.push(("AZURE_CLIENT_ID", "the-second".to_owned()));
    cloud.lets_in("--auth managed-identity", &vars);
    let requests = cloud.tokens.requests();
    assert!(
        requests.iter().all(|request| request.query("client_id").as_deref() == Some("the-second"))
    );
}

#[test]
fn the_identity_of_a_pod_is_accepted() {
    let cloud = Cloud::new();
    cloud.lets_in("--auth workload-identity", &cloud.pod());
    cloud.lets_in("", &cloud.pod());
}

#[test]
fn a_pod_without_an_identity_is_told_what_it_needs() {
    let cloud = Cloud::new();
    let output = cloud.lag("--auth workload-identity", &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("AZURE_FEDERATED_TOKEN_FILE"), "{said}");
}
