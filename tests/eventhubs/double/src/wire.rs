//! The bytes between a client and the double, which a test can cut or hold.

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, copy, split};
use tokio::sync::watch;

use crate::endings::Endings;
use crate::frames::END;
use crate::{frames, padding};

/// Connections are numbered as they come; a fault is for those that are there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wire {
    /// Connections before this one are cut.
    pub(crate) cut_before: u64,
    /// Connections before this one are held: neither side hears the other, and none learns of it.
    pub(crate) silent_before: u64,
    /// The double does not learn that a session ends.
    pub(crate) hides_ends: bool,
}

/// Carries the bytes of a connection until one side closes it or it is cut.
pub(crate) async fn carry(
    client: impl AsyncRead + AsyncWrite + Unpin,
    double: DuplexStream,
    as_the_service: bool,
    id: u64,
    mut wire: watch::Receiver<Wire>,
) {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_double, mut to_double) = split(double);
    let endings = Endings::default();
    let settings = wire.clone();
    let copying = async {
        let asking = frames::copy(&mut from_client, &mut to_double, |frame| {
            let is_end = || frames::performative(&frame).is_some_and(|found| found.code == END);
            if settings.borrow().hides_ends && is_end() { None } else { endings.pass_in(frame) }
        });
        let responding = async {
            if as_the_service {
                let change = |frame| endings.pass_out(frame).map(padding::pad);
                frames::copy(&mut from_double, &mut to_client, change).await
            } else {
                copy(&mut from_double, &mut to_client).await.map(drop)
            }
        };
        tokio::select! {
            _ = asking => {}
            _ = responding => {}
        }
    };
    tokio::pin!(copying);
    loop {
        let now = *wire.borrow_and_update();
        if id < now.cut_before {
            return;
        }
        let is_silent = id < now.silent_before;
        tokio::select! {
            () = &mut copying, if !is_silent => return,
            changed = wire.changed() => if changed.is_err() { return },
        }
    }
}
