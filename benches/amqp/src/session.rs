//! A session: its windows, and its links.

use std::collections::BTreeMap;

use fe2o3_amqp_types::definitions::{Handle, ReceiverSettleMode, Role, SenderSettleMode};
use fe2o3_amqp_types::messaging::{Accepted, DeliveryState, Source, TargetArchetype};
use fe2o3_amqp_types::performatives::{
    Attach, Begin, Detach, Disposition, Flow, Performative, Transfer,
};

use crate::Content;
use crate::connection::{push, push_frame};
use crate::event::Template;
use crate::reply::{self, Node};

/// Events of a link in its turn.
const TURN: u32 = 64;
const WINDOW: u32 = 5_000;

pub(crate) struct Session {
    channel: u16,
    next_outgoing: u32,
    next_incoming: u32,
    /// How many transfers the client takes.
    window: u32,
    /// Links on which it sends requests.
    requests: BTreeMap<u32, Node>,
    /// Links on which it gets answers.
    answers: BTreeMap<Node, u32>,
    partitions: BTreeMap<u32, PartitionLink>,
}

/// A link that events go out on.
struct PartitionLink {
    template: Template,
    sent: u32,
    events: u32,
    credit: u32,
}

impl Session {
    pub(crate) fn new(channel: u16, begin: &Begin) -> Self {
        Self {
            channel,
            next_outgoing: 0,
            next_incoming: begin.next_outgoing_id,
            window: begin.incoming_window,
            requests: BTreeMap::new(),
            answers: BTreeMap::new(),
            partitions: BTreeMap::new(),
        }
    }

    pub(crate) fn take(
        &mut self,
        performative: Performative,
        payload: &[u8],
        frames: &mut Vec<u8>,
    ) {
        match performative {
            Performative::Attach(attach) => self.attach(attach, frames),
            Performative::Flow(flow) => self.flow(&flow, frames),
            Performative::Transfer(transfer) => self.request(&transfer, payload, frames),
            Performative::Disposition(disposition) if !disposition.settled => {
                let settled = Disposition { role: Role::Sender, settled: true, ..disposition };
                push(frames, self.channel, &settled);
            }
            Performative::Detach(detach) => {
                let handle = detach.handle.0;
                self.requests.remove(&handle);
                self.partitions.remove(&handle);
                self.answers.retain(|_, answers| *answers != handle);
                push(frames, self.channel, &Detach { error: None, ..detach });
            }
            _ => {}
        }
    }

    fn attach(&mut self, attach: Attach, frames: &mut Vec<u8>) {
        let handle = attach.handle.0;
        let answer = Attach {
            role: if attach.role == Role::Sender { Role::Receiver } else { Role::Sender },
            rcv_settle_mode: ReceiverSettleMode::First,
            unsettled: None,
            incomplete_unsettled: false,
            initial_delivery_count: (attach.role == Role::Receiver).then_some(0),
            max_message_size: None,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
            ..attach.clone()
        };
        push(frames, self.channel, &answer);
        if attach.role == Role::Sender {
            let address = match attach.target.as_deref() {
                Some(TargetArchetype::Target(target)) => target.address.clone(),
                _ => None,
            };
            if let Some(node) = address.as_deref().and_then(Node::at) {
                self.requests.insert(handle, node);
            }
            let credit = Flow {
                handle: Some(Handle(handle)),
                delivery_count: Some(attach.initial_delivery_count.unwrap_or(0)),
                link_credit: Some(100),
                ..self.window_flow()
            };
            return push(frames, self.channel, &credit);
        }
        let address = attach.source.as_deref().and_then(|source: &Source| source.address.clone());
        let address = address.unwrap_or_default();
        match Node::at(&address) {
            Some(node) => drop(self.answers.insert(node, handle)),
            None => {
                let Some(content) = content_at(&address) else {
                    eprintln!("no event hub at {address}");
                    return;
                };
                let link = PartitionLink {
                    template: Template::new(
                        self.channel,
                        handle,
                        content.bytes,
                        attach.snd_settle_mode == SenderSettleMode::Settled,
                    ),
                    sent: 0,
                    events: content.events,
                    credit: 0,
                };
                self.partitions.insert(handle, link);
            }
        }
    }

    fn window_flow(&self) -> Flow {
        Flow {
            next_incoming_id: Some(self.next_incoming),
            incoming_window: WINDOW,
            next_outgoing_id: self.next_outgoing,
            outgoing_window: WINDOW,
            handle: None,
            delivery_count: None,
            link_credit: None,
            available: None,
            drain: false,
            echo: false,
            properties: None,
        }
    }

    fn flow(&mut self, flow: &Flow, frames: &mut Vec<u8>) {
        let ahead = self.next_outgoing.wrapping_sub(flow.next_incoming_id.unwrap_or(0));
        self.window = flow.incoming_window.saturating_sub(ahead);
        if let Some(link) =
            flow.handle.as_ref().and_then(|handle| self.partitions.get_mut(&handle.0))
        {
            let limit =
                flow.delivery_count.unwrap_or(0).wrapping_add(flow.link_credit.unwrap_or(0));
            link.credit = limit.wrapping_sub(link.sent);
        }
        if flow.echo {
            push(frames, self.channel, &self.window_flow());
        }
    }

    fn request(&mut self, transfer: &Transfer, payload: &[u8], frames: &mut Vec<u8>) {
        self.next_incoming = self.next_incoming.wrapping_add(1);
        let Some(&node) = self.requests.get(&transfer.handle.0) else { return };
        if transfer.settled != Some(true) {
            let accepted = Disposition {
                role: Role::Receiver,
                first: transfer.delivery_id.unwrap_or(0),
                last: None,
                settled: true,
                state: Some(DeliveryState::Accepted(Accepted {})),
                batchable: false,
            };
            push(frames, self.channel, &accepted);
        }
        let Some(&handle) = self.answers.get(&node) else { return };
        let answer = Transfer {
            handle: Handle(handle),
            delivery_id: Some(self.next_outgoing),
            delivery_tag: Some(self.next_outgoing.to_be_bytes().to_vec().into()),
            message_format: Some(0),
            settled: Some(true),
            more: false,
            rcv_settle_mode: None,
            state: None,
            resume: false,
            aborted: false,
            batchable: false,
        };
        self.next_outgoing = self.next_outgoing.wrapping_add(1);
        push_frame(frames, 0, self.channel, &answer, &reply::answer(node, payload));
    }

    /// Appends the events of this turn, and says whether there were any.
    pub(crate) fn push_events(&mut self, chunk: &mut Vec<u8>) -> bool {
        let before = chunk.len();
        for link in self.partitions.values_mut() {
            let ready = link.credit.min(link.events - link.sent).min(self.window).min(TURN);
            for _ in 0..ready {
                link.template.push(chunk, self.next_outgoing, link.sent);
                self.next_outgoing = self.next_outgoing.wrapping_add(1);
                link.sent += 1;
            }
            link.credit -= ready;
            self.window -= ready;
        }
        chunk.len() > before
    }
}

/// What `{hub}/ConsumerGroups/{group}/Partitions/{id}` holds, with or without a scheme and a host before it.
fn content_at(address: &str) -> Option<Content> {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => address,
    };
    Content::of_hub(path.split('/').next()?)
}
