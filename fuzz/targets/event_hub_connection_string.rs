//! Any text is a connection string of an event hub or is refused, and what may be a secret is never named.

use eventhub_checkpointstore::ErrorKind;
use eventhub_checkpointstore::checkpointstoreblob::EventSource;
use eventhub_checkpointstore::checkpointstoreblob::eventhubs::EventHub;

const SECRET: &str = "TheSecretOfTheEventHub";

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    check(text);
    let with_key = format!("{text};SharedAccessKeyName=listen;SharedAccessKey={SECRET}");
    let with_signature = format!(
        "{text};SharedAccessSignature=SharedAccessSignature sr=a&sig={SECRET}&se=1&skn=listen"
    );
    for text in [with_key, with_signature] {
        let shown = check(&text);
        assert!(!shown.contains("TheSecret"), "{shown}");
    }
}

fn check(text: &str) -> String {
    let builder = EventHub::builder_from_connection_string(text, "$Default", None);
    let shown = format!("{builder:?}");
    match builder.build() {
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Configuration));
            format!("{shown} {error} {error:?}")
        }
        Ok(hub) => {
            assert!(!hub.group().fully_qualified_namespace().is_empty());
            assert!(!hub.group().eventhub_name().is_empty());
            format!("{shown} {hub:?}")
        }
    }
}
