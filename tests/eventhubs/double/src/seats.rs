//! The receivers of each partition, and who takes a partition from whom.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A receiver that is attached now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedReceiver {
    /// Consumer group, as the receiver wrote it.
    pub consumer_group: String,
    /// Partition id.
    pub partition_id: String,
    /// Owner level (epoch); `None` for a receiver that shares the partition.
    pub owner_level: Option<i64>,
    /// Name of the link. The official client uses its instance id for all links of a client, or else a UUID.
    pub link_name: String,
}

impl AttachedReceiver {
    fn competes_with(&self, other: &Self) -> bool {
        self.partition_id == other.partition_id
            && self.consumer_group.eq_ignore_ascii_case(&other.consumer_group)
    }
}

/// All seats of a hub.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next_id: u64,
    holders: Vec<Holder>,
}

#[derive(Debug)]
struct Holder {
    id: u64,
    receiver: AttachedReceiver,
    displace: oneshot::Sender<Displaced>,
}

/// Says who took a seat: the text of the detach error.
#[derive(Debug)]
pub(crate) struct Displaced(pub(crate) String);

/// The right to receive from a partition, given back on drop.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    id: u64,
    displaced: oneshot::Receiver<Displaced>,
}

/// The effect of a new receiver on a holder of the same partition and group.
#[derive(Debug, PartialEq, Eq)]
enum Contest {
    Coexist,
    Displace,
    Refuse,
}

fn contest(holder: Option<i64>, newcomer: Option<i64>) -> Contest {
    match (holder, newcomer) {
        (None, None) => Contest::Coexist,
        (None, Some(_)) => Contest::Displace,
        (Some(_), None) => Contest::Refuse,
        (Some(holder), Some(newcomer)) if newcomer >= holder => Contest::Displace,
        (Some(_), Some(_)) => Contest::Refuse,
    }
}

impl Seats {
    /// Gives the newcomer a seat and displaces those that it outranks.
    ///
    /// # Errors
    ///
    /// The holder that outranks the newcomer.
    pub(crate) fn take(
        self: &Arc<Self>,
        newcomer: AttachedReceiver,
    ) -> Result<Seat, AttachedReceiver> {
        let mut taken = self.taken();
        let outcome = |holder: &Holder| match holder.receiver.competes_with(&newcomer) {
            true => contest(holder.receiver.owner_level, newcomer.owner_level),
            false => Contest::Coexist,
        };
        if let Some(holder) = taken.holders.iter().find(|holder| outcome(holder) == Contest::Refuse)
        {
            return Err(holder.receiver.clone());
        }
        for holder in taken.holders.extract_if(.., |holder| outcome(holder) == Contest::Displace) {
            // The link may be gone already, with its seat not yet given back.
            let _ = holder.displace.send(displaced_by(&newcomer));
        }
        let (displace, displaced) = oneshot::channel();
        let id = taken.next_id;
        taken.next_id += 1;
        taken.holders.push(Holder { id, receiver: newcomer, displace });
        Ok(Seat { seats: Arc::clone(self), id, displaced })
    }

    pub(crate) fn receivers(&self) -> Vec<AttachedReceiver> {
        self.taken().holders.iter().map(|holder| holder.receiver.clone()).collect()
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The words of the service, near enough.
fn displaced_by(newcomer: &AttachedReceiver) -> Displaced {
    let level = newcomer.owner_level.unwrap_or_default();
    Displaced(format!(
        "New receiver '{}' with higher epoch of '{level}' is created hence current receiver is getting disconnected.",
        newcomer.link_name
    ))
}

impl Seat {
    /// Waits until another receiver takes the seat.
    pub(crate) async fn displaced(&mut self) -> Displaced {
        match (&mut self.displaced).await {
            Ok(displaced) => displaced,
            // The other end lives in the list until it is used, so this is only reached when polled again.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().holders.retain(|holder| holder.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(group: &str, owner_level: Option<i64>) -> AttachedReceiver {
        AttachedReceiver {
            consumer_group: group.into(),
            partition_id: "0".into(),
            owner_level,
            link_name: format!("{group} at {owner_level:?}"),
        }
    }

    #[test]
    fn an_equal_or_higher_level_displaces_and_a_lower_one_is_refused() {
        let seats = Arc::new(Seats::default());
        let mut first = seats.take(receiver("$Default", Some(0))).expect("an empty partition");
        let _equal = seats.take(receiver("$default", Some(0))).expect("an equal level");
        assert!(first.displaced.try_recv().is_ok());
        let _higher = seats.take(receiver("$Default", Some(1))).expect("a higher level");
        let holder = seats.take(receiver("$Default", Some(0))).expect_err("a lower level");
        assert_eq!(holder.owner_level, Some(1));
        seats.take(receiver("$Default", None)).expect_err("no level");
        assert_eq!(seats.receivers(), [receiver("$Default", Some(1))]);
    }

    #[test]
    fn receivers_without_a_level_share_until_one_comes() {
        let seats = Arc::new(Seats::default());
        let mut first = seats.take(receiver("g", None)).expect("an empty partition");
        let mut second = seats.take(receiver("g", None)).expect("a shared partition");
        assert!(first.displaced.try_recv().is_err());
        let _owner = seats.take(receiver("g", Some(0))).expect("an owner");
        assert!(first.displaced.try_recv().is_ok() && second.displaced.try_recv().is_ok());
    }

    #[test]
    fn other_groups_do_not_compete_and_a_seat_is_given_back() {
        let seats = Arc::new(Seats::default());
        let mut first = seats.take(receiver("one", Some(0))).expect("an empty partition");
        let second = seats.take(receiver("two", Some(0))).expect("another group");
        assert!(first.displaced.try_recv().is_err());
        drop(second);
        assert_eq!(seats.receivers(), [receiver("one", Some(0))]);
    }
}
