#!/bin/sh
# What a build costs with each choice of features: crates with this one, and processor time of a cold debug build. The
# last table of features.md.
#
#     benches/features.sh            builds all of them and prints the table
#     benches/features.sh --check    compares the crates with those in features.md, and builds nothing
set -eu

cd "$(dirname "$0")/.."

rows() { # what stands in the table; features
    cat <<'END'
no feature;
only `serde`;serde
only `legacy`;legacy
only `blocking`, without a client;blocking
only `aio`, without a client;aio
only `ureq` and `rustls`;ureq,rustls
only `ureq` and `rustls-ring`;ureq,rustls-ring
only `ureq` and `native-tls`;ureq,native-tls
only `reqwest` and `rustls`;reqwest,rustls
only `reqwest` and `rustls-ring`;reqwest,rustls-ring
only `reqwest` and `native-tls`;reqwest,native-tls
the clients of both, `rustls`;ureq,reqwest,rustls
the default: the row above, with `serde`;default
only `amqp`, `rustls` and `blocking`, without a client;amqp,rustls,blocking
only `azure_core` and `aio`, without a client;azure_core,aio
only `azure_messaging_eventhubs`, without a client and the AMQP stack;azure_messaging_eventhubs
only `azure_storage_blobs`, without its HTTP client;azure_storage_blobs
the default and `amqp`;default,amqp
the default and `amqp-websockets`;default,amqp-websockets
the default and `metrics`;default,metrics
the default and `tracing`;default,tracing
the default and `azure_core`;default,azure_core
the default and `azure_messaging_eventhubs`;default,azure_messaging_eventhubs
the default and `azure_storage_blobs`;default,azure_storage_blobs
END
}

crates() { # features
    cargo tree --quiet --edges normal,build --target x86_64-unknown-linux-gnu --prefix none \
        --no-default-features --features "$1" | sed 's/ (\*)$//; s/ (proc-macro)//' | sort -u | wc -l
}

# In seconds, of cargo and all compilers, as a user's build is: with whole debug information.
processor_time() { # features
    folder=$(mktemp -d)
    # The second line of `times` is what the children of a shell took; in a pipe it would be another shell.
    (
        export CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=full
        cargo build --quiet --lib --no-default-features --features "$1"
        times > "$folder/times"
    )
    tail -n 1 "$folder/times" | tr 'ms' '  ' | awk '{ printf "%.0f", $1 * 60 + $2 + $3 * 60 + $4 }'
    rm -rf "$folder"
}

print_table() {
    cargo fetch --quiet
    echo '| build | crates | seconds of processor time |'
    echo '|---|---|---|'
    rows | while IFS=';' read -r label features; do
        echo "| $label | $(crates "$features") | $(processor_time "$features") |"
    done
}

# New versions of dependencies bring and drop a few crates, and no lock file stands in the repository.
check() {
    rows | {
        wrong=0
        while IFS=';' read -r label features; do
            said=$(awk -F ' *[|] *' -v label="$label" '$2 == label { print $3 }' features.md)
            found=$(crates "$features")
            difference=$((found - ${said:-0}))
            if [ "$difference" -gt 3 ] || [ "$difference" -lt -3 ]; then
                echo "features.md: a build of $label has $found crates, not '$said'" >&2
                wrong=1
            fi
        done
        return "$wrong"
    }
}

case ${1-} in
    '') print_table ;;
    --check) check ;;
    *)
        echo "usage: $0 [--check]" >&2
        exit 2
        ;;
esac
