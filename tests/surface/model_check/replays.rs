//! Sequences that once failed, as short as they could be made.

use super::super::{maybe_async, test};
use super::model::Model;
use super::steps::{Action, FaultKind, Intrusion, Step};

use FaultKind::{FailedButApplied, Late, LostResponse, None as NoFault, Refused};

/// A step of the first owner with the first partition.
fn step(action: Action, faults: &[FaultKind], intrusions: &[(usize, Intrusion)]) -> Step {
    let (faults, intrusions) = (faults.to_vec(), intrusions.to_vec());
    Step { owner: 0, partition: 0, action, faults, intrusions }
}

#[maybe_async]
async fn replay(steps: &[Step]) {
    let checked = Model::new().run(steps).await;
    assert_eq!(checked, Ok(()));
}

/// Setting metadata was held up and then found no blob, and writing the blob was refused.
#[maybe_async]
#[test]
async fn a_checkpoint_is_unknown_if_its_first_request_is() {
    let steps = [
        step(Action::Checkpoint, &[Late, NoFault, Refused], &[]),
        step(Action::Checkpoint, &[], &[]),
        step(Action::Arrive, &[], &[]),
    ];
    replay(&steps).await;
}

/// A conflict of unknown outcome, a record that vanished, and a second creation that is refused after one that was applied.
#[maybe_async]
#[test]
async fn a_claim_is_unknown_if_any_of_its_requests_is() {
    let faults =
        [LostResponse, NoFault, NoFault, FailedButApplied, FailedButApplied, NoFault, Refused];
    replay(&[step(Action::FirstClaim, &faults, &[(3, Intrusion::Delete)])]).await;
}
