//! Concurrent handlers within one partition.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::flow::Flow;
use super::workers::Bell;
use super::{Job, maybe_async};
use crate::processing::{Concurrency, LeaveCause, ReceivedEvent, lane_of};

/// The events that wait for a handler, and the handlers, which are started on demand.
pub(super) struct Lanes {
    flow: Arc<Flow>,
    by_key: bool,
    bells: Vec<Arc<Bell>>,
    state: Mutex<State>,
    /// Wakes the task that waits for the end of all handlers.
    ended: Bell,
}

struct State {
    /// The queues: one for each lane, or one for all of them.
    queues: Vec<VecDeque<Arc<ReceivedEvent>>>,
    lanes: Vec<Lane>,
    /// The highest number of an event that a handler was given.
    begun: Option<i64>,
    is_closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    NotStarted,
    Idle,
    Busy,
}

impl Lanes {
    pub(super) fn new(flow: Arc<Flow>, concurrency: Concurrency) -> Arc<Self> {
        let limit = concurrency.limit();
        let clock = &flow.partition.fleet().clock;
        let bells: Vec<_> = (0..limit).map(|_| Arc::new(Bell::new(clock))).collect();
        let by_key = matches!(concurrency, Concurrency::ByKey(_));
        let mut queues = Vec::new();
        queues.resize_with(if by_key { limit } else { 1 }, VecDeque::new);
        let lanes = vec![Lane::NotStarted; limit];
        let state = State { queues, lanes, begun: None, is_closed: false };
        let ended = Bell::new(clock);
        for bell in &bells {
            let bell = Arc::clone(bell);
            flow.partition.listen(Arc::new(move || bell.ring()));
        }
        Arc::new(Self { flow, by_key, bells, state: Mutex::new(state), ended })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers an event to a handler, now or later.
    pub(super) fn send(self: &Arc<Self>, event: Arc<ReceivedEvent>) {
        let lane = {
            let mut state = self.lock();
            let limit = state.lanes.len();
            let lane = if self.by_key {
                let lane = lane_of(event.partition_key(), limit);
                state.queues[lane].push_back(event);
                Some(lane)
            } else {
                state.queues[0].push_back(event);
                let idle = state.lanes.iter().position(|lane| *lane == Lane::Idle);
                idle.or_else(|| state.lanes.iter().position(|lane| *lane == Lane::NotStarted))
            };
            let Some(lane) = lane else { return };
            let before = std::mem::replace(&mut state.lanes[lane], Lane::Busy);
            if before == Lane::NotStarted {
                Some(lane)
            } else {
                self.bells[lane].ring();
                None
            }
        };
        if let Some(lane) = lane {
            self.start(lane);
        }
    }

    fn start(self: &Arc<Self>, lane: usize) {
        let job = Box::new(LaneJob { lanes: Arc::clone(self), lane });
        let fleet = self.flow.partition.fleet();
        if let Err(error) = fleet.tasks.start(job) {
            fleet.report(Some(&self.flow.partition), &error);
            let others_run = self.lock().lanes.iter().any(|lane| *lane != Lane::NotStarted);
            if self.by_key || !others_run {
                // Nobody would handle the event. The partition is closed, and read again later.
                self.flow.partition.leave(LeaveCause::Stop);
            }
        }
    }

    /// Returns the next event of a lane. `None` if the lane has to wait or end.
    fn take(&self, lane: usize) -> Option<Arc<ReceivedEvent>> {
        let mut state = self.lock();
        let queue = if self.by_key { lane } else { 0 };
        let event = state.queues[queue].pop_front();
        state.begun = state.begun.max(event.as_ref().map(|event| event.sequence_number()));
        state.lanes[lane] = if event.is_some() { Lane::Busy } else { Lane::Idle };
        event
    }

    fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn all_ended(&self) -> bool {
        self.lock().lanes.iter().all(|lane| *lane == Lane::NotStarted)
    }
}

#[maybe_async]
impl Lanes {
    /// Ends the lanes, and waits for running handlers. Waiting events are delivered again elsewhere, unless a handler was
    /// given a later one: no checkpoint could cover that, so the next owner would repeat it.
    pub(super) async fn close(&self) {
        {
            let mut state = self.lock();
            state.is_closed = true;
            let begun = state.begun.filter(|_| self.flow.partition.may_drain());
            for queue in &mut state.queues {
                queue.retain(|event| Some(event.sequence_number()) < begun);
            }
        }
        self.bells.iter().for_each(|bell| bell.ring());
        while !self.all_ended() {
            self.ended.wait(None).await;
        }
    }
}

struct LaneJob {
    lanes: Arc<Lanes>,
    lane: usize,
}

#[maybe_async]
impl Job for LaneJob {
    async fn run(self: Box<Self>) {
        let bell = &self.lanes.bells[self.lane];
        loop {
            match self.lanes.take(self.lane) {
                Some(event) => {
                    let one = std::slice::from_ref(&event);
                    self.lanes.flow.deliver_or_drain(one, bell).await;
                }
                None if self.lanes.is_closed() => return,
                None => bell.wait(None).await,
            }
        }
    }
}

/// Also runs if the job panics.
impl Drop for LaneJob {
    fn drop(&mut self) {
        self.lanes.lock().lanes[self.lane] = Lane::NotStarted;
        self.lanes.ended.ring();
    }
}
