//! Any text is a connection string or is refused, and what may be a secret is never named.

use eventhub_checkpointstore::ErrorKind;
use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;

const SECRET: &str = "TheSecretThatIsNotBase64!";

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    check(text);
    let with_key = format!("{text};AccountName=acct;AccountKey={SECRET}");
    let with_sas = format!("{text};AccountName=acct;SharedAccessSignature=sv=1&{SECRET}");
    for text in [with_key, with_sas] {
        let shown = check(&text);
        assert!(!shown.contains("TheSecret"), "{shown}");
    }
}

fn check(text: &str) -> String {
    let builder = BlobCheckpointStore::builder_from_connection_string(text, "checkpoints");
    let shown = format!("{builder:?}");
    match builder.build() {
        // Without a client this is as far as a good one gets.
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Configuration));
            format!("{shown} {error} {error:?}")
        }
        Ok(store) => format!("{shown} {store:?}"),
    }
}
