#!/bin/sh
# What the store adds to a program that makes one checkpoint: crates, time of a cold release build on two cores, size
# of the stripped program; per surface, beside the same request by the bare client. All four have TLS by rustls with
# aws-lc-rs, and the platform's roots.
#
#     benches/size.sh [FOLDER]
#
# FOLDER gets the four programs and what they are built of, about 1.5 GB; by default it is made and removed again.
set -eu

crate=$(cd "$(dirname "$0")/.." && pwd)
if [ $# -gt 0 ]; then
    folder=$1
    mkdir -p "$folder"
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi

signing='base64 = "0.23"
hmac = "0.13"
sha2 = "0.11"
httpdate = "1"'
tokio='tokio = { version = "1", features = ["rt-multi-thread", "macros"] }'

# The signature, as one would write it by hand.
cat > "$folder/sign.rs" <<'END'
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};

pub const URL: &str = "https://contoso.blob.core.windows.net/checkpoints/ns/hub/%24default/checkpoint/0?comp=metadata";

pub fn headers() -> Vec<(&'static str, String)> {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let key = STANDARD.decode(std::env::var("KEY").expect("KEY")).expect("Base64");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("a key of any length");
    mac.update(format!("PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-meta-offset:1\nx-ms-meta-sequencenumber:2\nx-ms-version:2019-07-07\n/contoso/checkpoints/ns/hub/%24default/checkpoint/0\ncomp:metadata").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    vec![
        ("x-ms-date", date),
        ("x-ms-meta-offset", "1".into()),
        ("x-ms-meta-sequencenumber", "2".into()),
        ("x-ms-version", "2019-07-07".into()),
        ("authorization", format!("SharedKey contoso:{signature}")),
    ]
}
END

program() { # name, dependencies; the source comes on standard input
    mkdir -p "$folder/$1/src"
    cat > "$folder/$1/src/main.rs"
    cp "$folder/sign.rs" "$folder/$1/src/"
    cat > "$folder/$1/Cargo.toml" <<END
[package]
name = "$1"
version = "0.0.0"
edition = "2024"
[dependencies]
$2
[profile.release]
strip = true
[workspace]
END
}

# ureq's own choice is ring; the store and reqwest have aws-lc-rs.
program bare-ureq "ureq = { version = \"3\", default-features = false, features = [\"rustls-no-provider\", \"platform-verifier\"] }
rustls = { version = \"0.23\", default-features = false, features = [\"aws_lc_rs\", \"std\", \"tls12\"] }
$signing" <<'END'
mod sign;
fn main() {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let agent = ureq::Agent::config_builder().tls_config(tls).build().new_agent();
    let mut request = agent.put(sign::URL);
    for (name, value) in sign::headers() {
        request = request.header(name, value);
    }
    println!("{}", request.send_empty().expect("an answer").status());
}
END

program bare-reqwest "reqwest = { version = \"0.13\", default-features = false, features = [\"rustls\"] }
$tokio
$signing" <<'END'
mod sign;
#[tokio::main]
async fn main() {
    let mut request = reqwest::Client::new().put(sign::URL).header("content-length", "0");
    for (name, value) in sign::headers() {
        request = request.header(name, value);
    }
    println!("{}", request.send().await.expect("an answer").status());
}
END

store() { # surface module, whether it awaits
    cat <<END
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, $1::BlobCheckpointStore};
$3
$2fn main() -> Result<(), eventhub_checkpointstore::Error> {
    let connection_string = std::env::var("CONNECTION_STRING").expect("CONNECTION_STRING");
    let store = BlobCheckpointStore::from_connection_string(&connection_string, "checkpoints")?;
    let group = ConsumerGroup::new("ns", "hub", "\$Default")?;
    store.update_checkpoint(&Checkpoint::new(&group, "0", "1", 2)?)$4?;
    Ok(())
}
END
}

dependency="eventhub-checkpointstore = { path = \"$crate\", default-features = false, features"
store checkpointstoreblob "" "" "" | program store-blocking "$dependency = [\"ureq\", \"rustls\"] }"
store checkpointstoreblob_aio "async " "#[tokio::main]" ".await" | program store-aio "$dependency = [\"reqwest\", \"rustls\"] }
$tokio"

echo "| program | crates | cold build | of CPU | stripped |"
echo "|---|---:|---:|---:|---:|"
for name in bare-ureq store-blocking bare-reqwest store-aio; do
    cd "$folder/$name"
    cargo fetch -q
    rm -rf target
    crates=$(cargo tree -q -e normal,build --prefix none | sed 's/ (\*)$//' | sort -u | wc -l)
    # The second line of `times` is what the children of a shell took; in a pipe it would be another shell.
    begin=$(date +%s)
    (
        CARGO_TARGET_DIR=target cargo build -q --release --jobs 2
        times > "$folder/times"
    )
    end=$(date +%s)
    cpu=$(tail -n 1 "$folder/times" | tr 'ms' '  ' | awk '{ printf "%.0f", $1 * 60 + $2 + $3 * 60 + $4 }')
    measured="$((end - begin)) s | $cpu s"
    bytes=$(stat -c %s "target/release/$name")
    echo "| $name | $((crates - 1)) | $measured | $(awk -v bytes="$bytes" 'BEGIN { printf "%.2f MiB", bytes / 1048576 }') |"
done
