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

fn respond(status: u16, code: &str) -> Fault {
    Fault::Respond(error_reply(status, code, "scripted"))
}

/// The response of a proxy, or of a hotel's network, in place of the service.
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
    row("half a head", || Fault::TruncateResponse(30), CUT, true, true),
    row(
        "not HTTP",
        || Fault::ApplyThenRespond(Reply::raw("garbage\r\n\r\n").close_after()),
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
    row("400", || respond(400, "InvalidHeaderValue"), &[ErrorKind::Rejected], false, false),
    row(
        "401",
        || respond(401, "NoAuthenticationInformation"),
        &[ErrorKind::AccessDenied],
        false,
        false,
    ),
    row("403", || respond(403, "AuthorizationFailure"), &[ErrorKind::AccessDenied], false, false),
    row(
        "404 without a code",
        || Fault::Respond(Reply::new(404)),
        &[ErrorKind::Rejected],
        false,
        false,
    ),
    row(
        "404 ContainerNotFound",
        || respond(404, "ContainerNotFound"),
        &[ErrorKind::ContainerNotFound],
        false,
        false,
    ),
    row("408", || Fault::Respond(Reply::new(408)), &[ErrorKind::Service], true, true),
    row(
        "409 of another kind",
        || respond(409, "LeaseAlreadyPresent"),
        &[ErrorKind::Rejected],
        false,
        false,
    ),
    row(
        "412 of another kind",
        || respond(412, "LeaseIdMissing"),
        &[ErrorKind::Rejected],
        false,
        false,
    ),
    row(
        "409 ContainerBeingDeleted",
        || respond(409, "ContainerBeingDeleted"),
        &[ErrorKind::ContainerNotFound],
        false,
        false,
    ),
    row(
        "429",
        || Fault::Respond(Reply::new(429).header("Retry-After", "0")),
        &[ErrorKind::Throttled],
        false,
        true,
    ),
    row("500", || respond(500, "InternalError"), &[ErrorKind::Service], true, true),
    row(
        "500 after processing",
        || Fault::ApplyThenRespond(Reply::new(500)),
        &[ErrorKind::Service],
        true,
        true,
    ),
    row("501", || respond(501, "NotImplemented"), &[ErrorKind::Service], true, false),
    row("502", || Fault::Respond(portal(502)), &[ErrorKind::Service], true, true),
    row("503 ServerBusy", || respond(503, "ServerBusy"), &[ErrorKind::Throttled], false, true),
    row("503", || Fault::Respond(Reply::new(503)), &[ErrorKind::Service], true, true),
    row("504", || Fault::Respond(Reply::new(504)), &[ErrorKind::Service], true, true),
    row(
        "302",
        || Fault::Respond(Reply::new(302).header("Location", "/login")),
        UNREADABLE,
        false,
        false,
    ),
    row("200 of a portal", || Fault::Respond(portal(200)), UNREADABLE, true, false),
    row(
        "204 of a portal",
        || Fault::Respond(Reply::new(204).header("ETag", "\"1\"")),
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
        || Fault::Respond(Reply::new(200).body("\u{0}<<>>")),
        UNREADABLE,
        false,
        false,
    ),
    row(
        "JSON in place of XML",
        || Fault::Respond(Reply::new(200).body("{}")),
        UNREADABLE,
        false,
        true,
    ),
    row("no body", || Fault::Respond(Reply::new(200)), UNREADABLE, false, false),
    row(
        "another document",
        || Fault::Respond(Reply::new(200).body("<Error><Code>x</Code></Error>")),
        UNREADABLE,
        false,
        false,
    ),
];
