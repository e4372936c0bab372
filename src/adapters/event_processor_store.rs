//! The adapter for any version of `azure_messaging_eventhubs`.

/// Declares a checkpoint store for the official `EventProcessor` in the version of `azure_messaging_eventhubs` that
/// *your* crate depends on.
///
/// [`BlobCheckpointStore`] itself implements the trait of the version that the Cargo feature `azure_messaging_eventhubs`
/// adds. For other versions with the same trait and models, such as 0.15, leave the feature off and declare a type with
/// this line:
///
/// ```
/// # #[cfg(feature = "azure_messaging_eventhubs")] mod example {
/// # use std::sync::Arc;
/// # use azure_messaging_eventhubs::{ConsumerClient, EventProcessor};
/// # use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;
/// eventhub_checkpointstore::event_processor_store! {
///     /// Checkpoints and ownerships in blobs.
///     pub struct ProcessorStore;
/// }
///
/// # async fn run(consumer: ConsumerClient, store: BlobCheckpointStore) -> azure_messaging_eventhubs::Result<()> {
/// let processor = EventProcessor::builder().build(consumer, Arc::new(ProcessorStore::new(store))).await?;
/// # processor.run().await }
/// # }
/// ```
///
/// Your crate must depend on `azure_messaging_eventhubs` and on the matching `azure_core`. If your crate uses other names
/// for them, pass these: `pub struct ProcessorStore(my_eventhubs, my_azure_core);`.
///
/// # Behavior
///
/// - **Claims.** Won claims are returned with new ETags and times. Lost claims are left out. Failed claims are also left
///   out, with one warning per round. A round is an error, which ends `EventProcessor::run`, only if all claims failed
///   permanently: no access, no container, a refused request, an invalid name.
/// - **Lists.** A failure is an error after the store's retries; call `run` again. Ownerships are only read from the
///   primary.
/// - **Owners.** A relinquished partition is listed with the owner `None`; `None` and `Some("")` are written as `""`.
/// - **Times.** The processor judges the age of a claim by the local clock. If that differs from the server's clock by more
///   than 2 s, the returned times are corrected by the difference.
/// - **Errors** have this crate's [`Error`](crate::Error) as their source.
///
/// [`BlobCheckpointStore`]: crate::checkpointstoreblob_aio::BlobCheckpointStore
#[macro_export]
macro_rules! event_processor_store {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident;) => {
        $crate::event_processor_store! {
            $(#[$meta])* $visibility struct $name(azure_messaging_eventhubs, azure_core);
        }
    };
    ($(#[$meta:meta])* $visibility:vis struct $name:ident($eventhubs:ident, $core:ident);) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $visibility struct $name($crate::checkpointstoreblob_aio::BlobCheckpointStore);

        #[allow(dead_code, reason = "not every user needs both ways in")]
        impl $name {
            /// Wraps a store for an `EventProcessor`.
            $visibility fn new(store: $crate::checkpointstoreblob_aio::BlobCheckpointStore) -> Self {
                Self(store)
            }
        }

        impl ::std::convert::From<$crate::checkpointstoreblob_aio::BlobCheckpointStore> for $name {
            fn from(store: $crate::checkpointstoreblob_aio::BlobCheckpointStore) -> Self {
                Self(store)
            }
        }

        $crate::event_processor_store!(@implement $name, |store| &store.0, $eventhubs, $core);
    };
    (@implement $type:ty, |$self:ident| $store:expr, $eventhubs:ident, $core:ident) => {
        const _: () = {
            use ::std::option::Option;
            use ::std::string::ToString;
            use ::std::vec::Vec;
            use $crate::adapters::event_processor as shared;
            use ::$core::{Error, Result, error::ErrorKind, http::Etag, time::OffsetDateTime};
            use ::$eventhubs::models::{Checkpoint, Ownership};

            fn failed(error: $crate::Error) -> Error {
                let kind = match error.kind() {
                    $crate::ErrorKind::Credential => ErrorKind::Credential,
                    $crate::ErrorKind::Network | $crate::ErrorKind::Timeout => ErrorKind::Io,
                    _ => ErrorKind::Other,
                };
                Error::new(kind, error)
            }

            fn given(ownership: &Ownership) -> shared::Ownership {
                shared::Ownership {
                    fully_qualified_namespace: ownership.fully_qualified_namespace.clone(),
                    event_hub_name: ownership.event_hub_name.clone(),
                    consumer_group: ownership.consumer_group.clone(),
                    partition_id: ownership.partition_id.clone(),
                    owner_id: ownership.owner_id.clone(),
                    etag: ownership.etag.as_ref().map(ToString::to_string),
                    last_modified_time: Option::None,
                }
            }

            #[allow(clippy::needless_update, reason = "fields of a later version keep their defaults")]
            fn record(ownership: shared::Ownership) -> Ownership {
                Ownership {
                    fully_qualified_namespace: ownership.fully_qualified_namespace,
                    event_hub_name: ownership.event_hub_name,
                    consumer_group: ownership.consumer_group,
                    partition_id: ownership.partition_id,
                    owner_id: ownership.owner_id,
                    etag: ownership.etag.map(Etag::from),
                    last_modified_time: ownership.last_modified_time.map(OffsetDateTime::from),
                    ..::std::default::Default::default()
                }
            }

            #[allow(clippy::needless_update, reason = "fields of a later version keep their defaults")]
            fn checkpoint(position: shared::Position) -> Checkpoint {
                Checkpoint {
                    fully_qualified_namespace: position.fully_qualified_namespace,
                    event_hub_name: position.event_hub_name,
                    consumer_group: position.consumer_group,
                    partition_id: position.partition_id,
                    offset: position.offset,
                    sequence_number: position.sequence_number,
                    ..::std::default::Default::default()
                }
            }

            #[$crate::checkpointstoreblob_aio::async_trait]
            impl ::$eventhubs::CheckpointStore for $type {
                async fn claim_ownership(&self, ownerships: &[Ownership]) -> Result<Vec<Ownership>> {
                    let $self = self;
                    let wanted: Vec<_> = ownerships.iter().map(given).collect();
                    let claimed = shared::claim($store, wanted).await.map_err(failed)?;
                    Result::Ok(claimed.into_iter().map(record).collect())
                }

                async fn list_ownerships(
                    &self,
                    namespace: &str,
                    event_hub_name: &str,
                    consumer_group: &str,
                ) -> Result<Vec<Ownership>> {
                    let $self = self;
                    let listed =
                        shared::list_ownerships($store, namespace, event_hub_name, consumer_group)
                            .await
                            .map_err(failed)?;
                    Result::Ok(listed.into_iter().map(record).collect())
                }

                async fn list_checkpoints(
                    &self,
                    namespace: &str,
                    event_hub_name: &str,
                    consumer_group: &str,
                ) -> Result<Vec<Checkpoint>> {
                    let $self = self;
                    let listed =
                        shared::list_checkpoints($store, namespace, event_hub_name, consumer_group)
                            .await
                            .map_err(failed)?;
                    Result::Ok(listed.into_iter().map(checkpoint).collect())
                }

                async fn update_checkpoint(&self, checkpoint: Checkpoint) -> Result<()> {
                    let $self = self;
                    let position = shared::Position {
                        fully_qualified_namespace: checkpoint.fully_qualified_namespace,
                        event_hub_name: checkpoint.event_hub_name,
                        consumer_group: checkpoint.consumer_group,
                        partition_id: checkpoint.partition_id,
                        offset: checkpoint.offset,
                        sequence_number: checkpoint.sequence_number,
                    };
                    shared::update_checkpoint($store, position).await.map_err(failed)
                }
            }
        };
    };
}
