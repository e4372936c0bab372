//! Replays the fuzz corpora on stable: every input that was ever interesting stays green.

#[path = "../../fuzz/targets/lib.rs"]
mod targets;

use std::path::Path;

use crate::report;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is committed") {
        let path = entry.expect("an entry").path();
        let data = std::fs::read(&path).expect("an input");
        if std::panic::catch_unwind(|| run(&data)).is_err() {
            panic!("{target}: {} breaks a promise", path.display());
        }
        count += 1;
    }
    assert!(count >= 5, "{target}: only {count} inputs");
    report::show(&format!("{target}: {count} inputs"));
}

macro_rules! corpora {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), targets::$target::run);
        }
    )*};
}

#[cfg(feature = "amqp")]
corpora! { event_hub_connection_string }

#[cfg(all(feature = "amqp", feature = "_fuzz"))]
corpora! { amqp_event amqp_properties }

corpora! { list_xml error_xml metadata names connection_string response_headers }
