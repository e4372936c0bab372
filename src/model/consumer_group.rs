//! The namespace, event hub and consumer group that records belong to.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "serde")]
use super::check::is_name_part;
use super::check::{check_eventhub_name, check_group_name};
use crate::error::Result;

/// The maximum number of dotless namespaces that a process warns about.
const MAX_WARNINGS: usize = 64;

/// A consumer group of an event hub, to which checkpoints and ownerships belong.
///
/// The names are kept as given. The store decides how they appear in blob names; see [`NameCase`](crate::NameCase). Cloning
/// is cheap.
///
/// ```
/// use eventhub_checkpointstore::ConsumerGroup;
///
/// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
/// assert_eq!(group.eventhub_name(), "telemetry");
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(
        try_from = "super::serde_form::ConsumerGroupForm",
        into = "super::serde_form::ConsumerGroupForm"
    )
)]
pub struct ConsumerGroup(Arc<Names>);

#[derive(PartialEq, Eq, Hash)]
struct Names {
    fully_qualified_namespace: String,
    eventhub_name: String,
    consumer_group: String,
}

impl ConsumerGroup {
    /// Creates the name of a consumer group.
    ///
    /// The namespace is the fully qualified host name. A name without a dot, such as `contoso` instead of
    /// `contoso.servicebus.windows.net`, is accepted because emulators have such names, but logged once as a warning:
    /// consumers that use the full name do not find its records.
    ///
    /// ```
    /// use eventhub_checkpointstore::ConsumerGroup;
    ///
    /// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "messages/events", "$Default")?;
    /// assert_eq!(group.to_string(), "contoso.servicebus.windows.net/messages/events/$Default");
    /// assert!(ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "a/b").is_err());
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a name is empty, `.` or `..`, is longer than
    /// 256 characters, begins or ends with a blank, or contains a slash, a backslash, a control character or an invisible
    /// one. The name of the event hub may have slashes between its parts, as `messages/events` of an IoT hub has.
    pub fn new(
        fully_qualified_namespace: impl Into<String>,
        eventhub_name: impl Into<String>,
        consumer_group: impl Into<String>,
    ) -> Result<Self> {
        let names = Names {
            fully_qualified_namespace: fully_qualified_namespace.into(),
            eventhub_name: eventhub_name.into(),
            consumer_group: consumer_group.into(),
        };
        check_group_name("fully qualified namespace", &names.fully_qualified_namespace)?;
        check_eventhub_name(&names.eventhub_name)?;
        check_group_name("consumer group", &names.consumer_group)?;
        warn_of_short_namespace(&names.fully_qualified_namespace);
        Ok(Self(Arc::new(names)))
    }

    /// Creates the name of a record that was serialized. Names that [`new`](Self::new) would refuse are accepted if a list
    /// accepts them.
    #[cfg(feature = "serde")]
    pub(super) fn of_record(
        fully_qualified_namespace: &str,
        eventhub_name: &str,
        consumer_group: &str,
    ) -> Result<Self> {
        Self::new(fully_qualified_namespace, eventhub_name, consumer_group).or_else(|error| {
            let is_listed = is_name_part(fully_qualified_namespace)
                && eventhub_name.split('/').all(is_name_part)
                && is_name_part(consumer_group);
            let read =
                || Self::from_storage(fully_qualified_namespace, eventhub_name, consumer_group);
            if is_listed { Ok(read()) } else { Err(error) }
        })
    }

    /// Creates a name that was read. Names that [`new`](Self::new) would refuse also lead to blobs.
    pub(crate) fn from_storage(
        fully_qualified_namespace: &str,
        eventhub_name: &str,
        consumer_group: &str,
    ) -> Self {
        Self(Arc::new(Names {
            fully_qualified_namespace: fully_qualified_namespace.to_owned(),
            eventhub_name: eventhub_name.to_owned(),
            consumer_group: consumer_group.to_owned(),
        }))
    }

    /// Returns the host name of the Event Hubs namespace, as in `contoso.servicebus.windows.net`.
    ///
    /// ```
    /// # use eventhub_checkpointstore::{ConsumerGroup};
    /// # let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
    /// assert_eq!(group.fully_qualified_namespace(), "contoso.servicebus.windows.net");
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    pub fn fully_qualified_namespace(&self) -> &str {
        &self.0.fully_qualified_namespace
    }

    /// Returns the name of the event hub.
    ///
    /// ```
    /// # use eventhub_checkpointstore::{ConsumerGroup};
    /// # let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
    /// assert_eq!(group.eventhub_name(), "telemetry");
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    pub fn eventhub_name(&self) -> &str {
        &self.0.eventhub_name
    }

    /// Returns the name of the consumer group, as in `$Default`.
    ///
    /// ```
    /// # use eventhub_checkpointstore::{ConsumerGroup};
    /// # let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
    /// assert_eq!(group.consumer_group(), "$Default");
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    pub fn consumer_group(&self) -> &str {
        &self.0.consumer_group
    }
}

/// Warns once about each namespace that does not look like a full host name.
fn warn_of_short_namespace(namespace: &str) {
    static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if namespace.contains('.') || namespace.starts_with("localhost") {
        return;
    }
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.len() < MAX_WARNINGS && warned.insert(namespace.to_owned()) {
        log::warn!(
            target: "eventhub_checkpointstore",
            "namespace{}: it has no dot; consumers that use the fully qualified name, such as \
             contoso.servicebus.windows.net, do not find its records",
            super::check::shown(namespace)
        );
    }
}

impl fmt::Display for ConsumerGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = &*self.0;
        write!(
            f,
            "{}/{}/{}",
            names.fully_qualified_namespace, names.eventhub_name, names.consumer_group
        )
    }
}

impl fmt::Debug for ConsumerGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConsumerGroup({self})")
    }
}
