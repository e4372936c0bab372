//! The faults of the table, and what each must lead to.

use std::time::Duration;

use eventhub_checkpointstore::ErrorKind;

use super::support::blob_service::{Fault, error_reply};
use super::support::loopback::Reply;

/// A fault, and what it must lead to when it never ends.
pub struct Row {
    pub name: &'static str,
    pub fault: fn() -> Fault,
    pub kinds: &'static [ErrorKind],
    /// Whether a write may have been applied, for all that the client can know.
    pub unknown: bool,
    /// Whether the call succeeds all the same if only the first request meets it.
    pub passes: bool,
}

const fn row(
    name: &'static str,
    fault: fn() -> Fault,
    kinds: &'static [ErrorKind],
    unknown: bool,
    passes: bool,
) -> Row {
    Row { name, fault, kinds, unknown, passes }
}

fn answer(status: u16, code: &str) -> Fault {
    Fault::Answer(error_reply(status, code, "scripted"))
}

/// What a proxy or a hotel's network says in place of the service.
fn portal(status: u16) -> Reply {
    Reply::new(status).header("Content-Type", "text/html").header("ETag", "\"1\"").body("<html/>")
}

const BROKEN: &[ErrorKind] = &[ErrorKind::Network];
const UNREADABLE: &[ErrorKind] = &[ErrorKind::InvalidResponse];
/// The clients tell these apart in different ways.
const CUT: &[ErrorKind] = &[ErrorKind::Network, ErrorKind::InvalidResponse];

pub const ROWS: &[Row] = &[
    row("close before processing", || Fault::DropBeforeProcessing, BROKEN, true, true),
    row("close after processing", || Fault::DropAfterProcessing, BROKEN, true, true),
    row("silence before processing", || Fault::HangBefore, &[ErrorKind::Timeout], true, true),
    row("silence after processing", || Fault::HangAfter, &[ErrorKind::Timeout], true, true),
    row("half a head", || Fault::TruncateAnswer(30), CUT, true, true),
    row(
        "not HTTP",
        || Fault::ApplyThenAnswer(Reply::raw("garbage\r\n\r\n").close_after()),
        CUT,
        true,
        true,
    ),
    row(
        "a byte a minute",
        || Fault::edit(|reply| reply.drip(Duration::from_secs(60))),
        &[ErrorKind::Timeout],
        true,
        true,
    ),
    row("400", || answer(400, "InvalidHeaderValue"), &[ErrorKind::Rejected], false, false),
    row(
        "401",
        || answer(401, "NoAuthenticationInformation"),
        &[ErrorKind::AccessDenied],
        false,
        false,
    ),
    row("403", || answer(403, "AuthorizationFailure"), &[ErrorKind::AccessDenied], false, false),
    row(
        "404 without a code",
        || Fault::Answer(Reply::new(404)),
        &[ErrorKind::Rejected],
        false,
        false,
    ),
    row(
        "404 ContainerNotFound",
        || answer(404, "ContainerNotFound"),
        &[ErrorKind::ContainerNotFound],
        false,
        false,
    ),
    row("408", || Fault::Answer(Reply::new(408)), &[ErrorKind::Service], true, true),
    row(
        "409 of another kind",
        || answer(409, "LeaseAlreadyPresent"),
        &[ErrorKind::Rejected],
        false,
        false,
    ),
    row(
        "412 of another kind",
        || answer(412, "LeaseIdMissing"),
        &[ErrorKind::Rejected],
        false,
        false,
    ),
    row(
        "409 ContainerBeingDeleted",
        || answer(409, "ContainerBeingDeleted"),
        &[ErrorKind::ContainerNotFound],
        false,
        false,
    ),
    row(
        "429",
        || Fault::Answer(Reply::new(429).header("Retry-After", "0")),
        &[ErrorKind::Throttled],
        false,
        true,
    ),
    row("500", || answer(500, "InternalError"), &[ErrorKind::Service], true, true),
    row(
        "500 after processing",
        || Fault::ApplyThenAnswer(Reply::new(500)),
        &[ErrorKind::Service],
        true,
        true,
    ),
    row("501", || answer(501, "NotImplemented"), &[ErrorKind::Service], true, false),
    row("502", || Fault::Answer(portal(502)), &[ErrorKind::Service], true, true),
    row("503 ServerBusy", || answer(503, "ServerBusy"), &[ErrorKind::Throttled], false, true),
    row("503", || Fault::Answer(Reply::new(503)), &[ErrorKind::Service], true, true),
    row("504", || Fault::Answer(Reply::new(504)), &[ErrorKind::Service], true, true),
    row(
        "302",
        || Fault::Answer(Reply::new(302).header("Location", "/login")),
        UNREADABLE,
        false,
        false,
    ),
    row("200 of a portal", || Fault::Answer(portal(200)), UNREADABLE, true, false),
    row(
        "204 of a portal",
        || Fault::Answer(Reply::new(204).header("ETag", "\"1\"")),
        UNREADABLE,
        true,
        false,
    ),
];

/// Only a list has a body.
pub const LIST_ROWS: &[Row] = &[
    row(
        "half a body",
        || Fault::edit(|reply| reply.with_length().truncate_body_at(300)),
        CUT,
        false,
        true,
    ),
    row(
        "half a chunked body",
        || Fault::edit(|reply| reply.chunked().truncate_body_at(300)),
        CUT,
        false,
        true,
    ),
    row(
        "a body that stops",
        || Fault::edit(|reply| reply.with_length().declared_length(1 << 20)),
        &[ErrorKind::Timeout],
        false,
        true,
    ),
    row(
        "a length that is too short",
        || Fault::edit(|reply| reply.with_length().declared_length(300).close_after()),
        UNREADABLE,
        false,
        true,
    ),
    row(
        "garbage in place of XML",
        || Fault::Answer(Reply::new(200).body("\u{0}<<>>")),
        UNREADABLE,
        false,
        false,
    ),
    row(
        "JSON in place of XML",
        || Fault::Answer(Reply::new(200).body("{}")),
        UNREADABLE,
        false,
        true,
    ),
    row("no body", || Fault::Answer(Reply::new(200)), UNREADABLE, false, false),
    row(
        "another document",
        || Fault::Answer(Reply::new(200).body("<Error><Code>x</Code></Error>")),
        UNREADABLE,
        false,
        false,
    ),
];
