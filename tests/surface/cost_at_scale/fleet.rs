//! Consumers whose partitions are shared out already, over a service that counts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhub_checkpointstore::ownership::OwnershipOptions;
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, ETag, PartitionOwnership};

use super::super::maybe_async;
use super::super::ownership::partitions;
use super::super::script::{Script, Step};
use super::super::subject::{BlobCheckpointStore, Credential, OwnershipManager};
use super::super::support::blob_service::BlobService;
use super::traffic::Traffic;

const PREFIX: &str = "contoso.servicebus.windows.net/telemetry/$default";
/// How exactly the time is looked at.
const TICK: Duration = Duration::from_millis(100);

pub struct Fleet {
    service: BlobService,
    script: Script,
    store: BlobCheckpointStore,
    partitions: Vec<String>,
    traffic: Arc<Mutex<Traffic>>,
}

impl Fleet {
    /// The partitions are dealt out in turn, and each has a checkpoint.
    pub fn new(count: usize, consumers: usize) -> Self {
        let service = BlobService::new("checkpoints");
        let partitions = partitions(count);
        for (index, id) in partitions.iter().enumerate() {
            let owner = owner_id(index % consumers);
            service.put(&format!("{PREFIX}/ownership/{id}"), &[("ownerid", &owner)]);
            let position = [("offset", "8589934592"), ("sequencenumber", "960180")];
            service.put(&format!("{PREFIX}/checkpoint/{id}"), &position);
        }
        let (script, traffic) = counted(&service);
        let url = "https://contoso.blob.core.windows.net";
        let store = BlobCheckpointStore::builder(url, "checkpoints")
            .credential(Credential::account_key("contoso", "c2VjcmV0").unwrap())
            .transport(script.clone())
            .build()
            .unwrap();
        Self { service, script, store, partitions, traffic }
    }

    pub fn consumer(&self, index: usize, interval: Duration) -> OwnershipManager {
        let options = OwnershipOptions::new(interval, interval * 4).unwrap();
        OwnershipManager::builder(self.store.clone(), &group(), owner_id(index))
            .options(options)
            .build()
            .unwrap()
    }

    /// Returns the traffic since the last call.
    pub fn take_traffic(&self) -> Traffic {
        self.script.clear();
        std::mem::take(&mut *self.traffic.lock().unwrap())
    }

    fn advance(&self) {
        self.script.advance(TICK);
        self.service.set_clock_offset(self.script.passed().as_secs().try_into().unwrap());
    }
}

fn counted(service: &BlobService) -> (Script, Arc<Mutex<Traffic>>) {
    let (service, traffic) = (service.clone(), Arc::new(Mutex::new(Traffic::default())));
    let counts = Arc::clone(&traffic);
    let script = Script::new(move |sent| {
        let reply = service.handle(&sent.request);
        *counts.lock().unwrap() += Traffic::of(sent, &reply.delivered());
        Step::reply(sent, reply)
    });
    (script, traffic)
}

/// As long as the ids that consumers usually have.
fn owner_id(index: usize) -> String {
    format!("3c1f2c5e-8a30-4f6e-9f54-{index:012}")
}

fn group() -> ConsumerGroup {
    ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default").unwrap()
}

fn checkpoint(partition_id: &str) -> Checkpoint {
    Checkpoint::new(&group(), partition_id, "8589934592", 960_180).unwrap()
}

fn ownership(partition_id: &str) -> PartitionOwnership {
    PartitionOwnership::new(&group(), partition_id, owner_id(0)).unwrap()
}

#[maybe_async]
impl Fleet {
    /// Returns how many partitions the consumer owns after it.
    pub async fn round(&self, consumer: &OwnershipManager) -> usize {
        let round = consumer.round(&self.partitions).await.unwrap();
        assert!(round.lost.is_empty() && round.failed.is_empty());
        round.owned.len()
    }

    /// Makes a call of the page's table.
    pub async fn make(&self, call: &str) {
        let Self { store, .. } = self;
        match call {
            "a checkpoint" => _ = store.update_checkpoint(&checkpoint("100")).await.unwrap(),
            "the first checkpoint of a partition" => {
                _ = store.update_checkpoint(&checkpoint("1001")).await.unwrap();
            }
            "reading one checkpoint" => {
                store.get_checkpoint(&group(), "100").await.unwrap().expect("one is there");
            }
            "the first claim of a partition" => self.claim(ownership("1001")).await,
            "a renewal, a steal, a release" => {
                let blob = self.service.blob(&format!("{PREFIX}/ownership/100")).unwrap();
                self.claim(ownership("100").with_etag(ETag::new(blob.etag).unwrap())).await;
            }
            "listing 1,000 ownerships" => _ = store.list_ownership(&group()).await.unwrap(),
            "listing 1,000 checkpoints" => _ = store.list_checkpoints(&group()).await.unwrap(),
            "deleting a checkpoint" => {
                store.delete_checkpoint(&group(), "100").await.unwrap();
            }
            _ => panic!("what is {call}?"),
        }
    }

    async fn claim(&self, ownership: PartitionOwnership) {
        let claims = self.store.claim_ownership(&[ownership]).await;
        assert!(claims.all_claimed());
    }

    /// Rounds when they are due, and a checkpoint of every partition after so many seconds.
    pub async fn live_through_an_hour(
        &self,
        consumers: usize,
        interval: Duration,
        checkpoint_every: u64,
    ) -> Traffic {
        let consumers: Vec<_> = (0..consumers).map(|it| self.consumer(it, interval)).collect();
        for consumer in &consumers {
            self.round(consumer).await;
        }
        self.take_traffic();
        let begin = self.script.passed();
        let mut due = vec![begin; consumers.len()];
        let mut checkpoint_due = begin;
        while self.script.passed() < begin + Duration::from_secs(3600) {
            let now = self.script.passed();
            for (consumer, due) in consumers.iter().zip(&mut due) {
                if now >= *due {
                    let round = consumer.round(&self.partitions).await.unwrap();
                    *due = now + round.next_round_in;
                    assert!(round.won.is_empty() && round.revoked.is_empty());
                }
            }
            if now >= checkpoint_due {
                checkpoint_due += Duration::from_secs(checkpoint_every);
                for id in &self.partitions {
                    let _ = self.store.update_checkpoint(&checkpoint(id)).await.unwrap();
                }
            }
            self.advance();
        }
        self.take_traffic()
    }
}
