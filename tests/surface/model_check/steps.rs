//! The possible steps, and how often each is drawn.

use proptest::prelude::*;

use super::support::blob_service::{Fault, error_reply};

pub const OWNERS: [&str; 3] = ["a", "b", "c"];
pub const PARTITIONS: [&str; 2] = ["0", "1"];

#[derive(Debug, Clone)]
pub struct Step {
    pub owner: usize,
    pub partition: usize,
    pub action: Action,
    /// Of the requests of the call, in their order.
    pub faults: Vec<FaultKind>,
    /// Each just before the request of that number.
    pub intrusions: Vec<(usize, Intrusion)>,
}

#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// Claims what a list shows: first claim, renewal or takeover.
    Claim,
    /// Claims without looking.
    FirstClaim,
    /// All partitions, in one call.
    ClaimAll,
    Relinquish,
    Checkpoint,
    DeleteCheckpoint,
    FencedCheckpoint,
    /// As a former owner that is behind.
    OldFencedCheckpoint,
    Read,
    List,
    /// Requests that were held on their way arrive now.
    Arrive,
}

/// The actions of others between two requests of a call.
#[derive(Debug, Clone, Copy)]
pub enum Intrusion {
    /// Another owner takes the partition.
    Take,
    /// An administrator deletes the records of the partition, or a checkpoint of it.
    Delete,
    /// Requests that were held on their way arrive, those of this call, too.
    Arrive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    None,
    LostRequest,
    LostResponse,
    Busy,
    Refused,
    FailedButApplied,
    Late,
}

impl FaultKind {
    pub fn fault(self) -> Fault {
        match self {
            Self::None => Fault::None,
            Self::LostRequest => Fault::DropBeforeProcessing,
            Self::LostResponse => Fault::DropAfterProcessing,
            Self::Busy => Fault::Respond(error_reply(503, "ServerBusy", "busy")),
            Self::Refused => Fault::Respond(error_reply(403, "AuthorizationFailure", "refused")),
            Self::FailedButApplied => {
                Fault::ApplyThenRespond(error_reply(500, "InternalError", ""))
            }
            Self::Late => Fault::Hold,
        }
    }
}

pub fn sequences() -> impl Strategy<Value = Vec<Step>> {
    let action = weighted(&[
        (4, Action::Claim),
        (2, Action::FirstClaim),
        (1, Action::ClaimAll),
        (2, Action::Relinquish),
        (3, Action::Checkpoint),
        (1, Action::DeleteCheckpoint),
        (2, Action::FencedCheckpoint),
        (1, Action::OldFencedCheckpoint),
        (2, Action::Read),
        (1, Action::List),
        (1, Action::Arrive),
    ]);
    let fault = weighted(&[
        (4, FaultKind::None),
        (2, FaultKind::LostRequest),
        (4, FaultKind::LostResponse),
        (2, FaultKind::Busy),
        (1, FaultKind::Refused),
        (2, FaultKind::FailedButApplied),
        (3, FaultKind::Late),
    ]);
    let intrusion =
        weighted(&[(3, Intrusion::Take), (2, Intrusion::Delete), (1, Intrusion::Arrive)]);
    let intrusions = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec((0usize..6, intrusion), 1..4),
    ];
    let faults = prop::collection::vec(fault, 0..8);
    let step = (0..OWNERS.len(), 0..PARTITIONS.len(), action, faults, intrusions).prop_map(
        |(owner, partition, action, faults, intrusions)| Step {
            owner,
            partition,
            action,
            faults,
            intrusions,
        },
    );
    prop::collection::vec(step, 1..60)
}

/// Draws the values as often as their weights say, and shrinks towards the first one.
///
/// `prop_oneof!` does the same, but seeds a generator for each alternative that it does not draw, which took longer than the
/// sequences themselves.
fn weighted<T: Copy + std::fmt::Debug + 'static>(
    choices: &[(usize, T)],
) -> impl Strategy<Value = T> + use<T> {
    let values = choices.iter().flat_map(|&(weight, value)| std::iter::repeat_n(value, weight));
    prop::sample::select(values.collect::<Vec<_>>())
}
