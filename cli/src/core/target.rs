//! Targets: `NAMESPACE/HUB[/GROUP]`.

use std::fmt;

use eventhub_checkpointstore::ConsumerGroup;

const DEFAULT_GROUP: &str = "$Default";
const SUFFIX: &str = ".servicebus.windows.net";

/// An event hub, and a consumer group if one was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub namespace: String,
    pub eventhub: String,
    pub group: Option<String>,
}

impl Target {
    /// Reads `NAMESPACE/HUB` or `NAMESPACE/HUB/GROUP`.
    ///
    /// The name of a hub may have slashes itself (`messages/events`); the group must be named then.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") || text.contains('=') {
            return Err(
                "a target is NAMESPACE/HUB[/GROUP], not a URL or a connection string".to_owned()
            );
        }
        let parts: Vec<_> = text.split('/').collect();
        let (namespace, eventhub, group) = match &parts[..] {
            [namespace, hub] => (*namespace, (*hub).to_owned(), None),
            [namespace, hub @ .., group] if !hub.is_empty() => {
                (*namespace, hub.join("/"), Some(*group))
            }
            _ => {
                return Err(format!(
                    "{text:?}: a target is NAMESPACE/HUB[/GROUP], such as contoso/telemetry/billing"
                ));
            }
        };
        if group == Some("") {
            return Err(format!(
                "{text:?}: the group after the last slash is empty. The shell expands an unquoted $Default to nothing: put \
                 the target in single quotes, '{text}$Default', or omit the group and its slash"
            ));
        }
        if namespace.is_empty() || eventhub.is_empty() {
            return Err(format!(
                "{text:?}: the namespace and the event hub must not be empty: write NAMESPACE/HUB[/GROUP]"
            ));
        }
        Ok(Self { namespace: full_namespace(namespace), eventhub, group: group.map(str::to_owned) })
    }

    /// A group that was found in a container.
    pub fn of(group: &ConsumerGroup) -> Self {
        Self {
            namespace: group.fully_qualified_namespace().to_owned(),
            eventhub: group.eventhub_name().to_owned(),
            group: Some(group.consumer_group().to_owned()),
        }
    }

    /// Leaves out what another one shows, too: of the two spellings of a group the one as given reads both.
    pub fn without_twins(mut targets: Vec<Self>) -> Vec<Self> {
        targets.sort_by_key(|target| (target.to_string().to_lowercase(), target.to_string()));
        targets.dedup();
        let names: Vec<_> = targets.iter().map(Self::to_string).collect();
        targets.retain(|target| {
            let name = target.to_string();
            let has_twin =
                || names.iter().any(|other| *other != name && other.to_lowercase() == name);
            !(name == name.to_lowercase() && has_twin())
        });
        targets
    }

    /// The consumer group; `$Default` if none was named.
    pub fn consumer_group(&self) -> eventhub_checkpointstore::Result<ConsumerGroup> {
        self.group_called(self.group.as_deref().unwrap_or(DEFAULT_GROUP))
    }

    /// Another group of the same hub.
    pub fn group_called(&self, group: &str) -> eventhub_checkpointstore::Result<ConsumerGroup> {
        ConsumerGroup::new(&*self.namespace, &*self.eventhub, group)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.eventhub)?;
        match &self.group {
            Some(group) => write!(f, "/{group}"),
            None => Ok(()),
        }
    }
}

/// A part of all groups of a container: `NAMESPACE[/HUB]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    namespace: String,
    eventhub: Option<String>,
}

impl Scope {
    pub fn parse(text: &str) -> Result<Self, String> {
        let (namespace, eventhub) = match text.split_once('/') {
            Some((namespace, hub)) => (namespace, Some(hub)),
            None => (text, None),
        };
        if namespace.is_empty() || eventhub == Some("") {
            return Err(format!("{text:?}: write NAMESPACE or NAMESPACE/HUB"));
        }
        Ok(Self { namespace: full_namespace(namespace), eventhub: eventhub.map(str::to_owned) })
    }

    pub fn of_hub(target: &Target) -> Self {
        Self { namespace: target.namespace.clone(), eventhub: Some(target.eventhub.clone()) }
    }

    /// Whether the group is inside, whatever the case of its names.
    pub fn contains(&self, group: &ConsumerGroup) -> bool {
        same(&self.namespace, group.fully_qualified_namespace())
            && self.eventhub.as_ref().is_none_or(|hub| same(hub, group.eventhub_name()))
    }
}

/// Whether a name is like a pattern, in which `*` stands for any text. The case counts for nothing.
pub fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(end) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(end)
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn full_namespace(name: &str) -> String {
    // The emulator's name stands in blobs as it is.
    if name.contains('.') || name.eq_ignore_ascii_case("localhost") {
        name.to_owned()
    } else {
        format!("{name}{SUFFIX}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (String, String, Option<String>) {
        let target = Target::parse(text).expect(text);
        (target.namespace, target.eventhub, target.group)
    }

    #[test]
    fn names_are_completed() {
        let full = "contoso.servicebus.windows.net".to_owned();
        assert_eq!(parse("contoso/telemetry"), (full.clone(), "telemetry".into(), None));
        assert_eq!(
            parse("contoso/telemetry/billing"),
            (full, "telemetry".into(), Some("billing".into()))
        );
        assert_eq!(parse("ns.servicebus.chinacloudapi.cn/h/g").0, "ns.servicebus.chinacloudapi.cn");
        assert_eq!(parse("localhost/h").0, "localhost");
        assert_eq!(parse("iot/messages/events/$Default").1, "messages/events");
        let group = Target::parse("contoso/telemetry").unwrap().consumer_group().unwrap();
        assert_eq!(group.consumer_group(), "$Default");
    }

    #[test]
    fn invalid_targets_are_refused_with_a_hint() {
        for (text, part) in [
            ("contoso", "NAMESPACE/HUB"),
            ("", "NAMESPACE/HUB"),
            ("/h", "must not be empty"),
            ("contoso/telemetry/", "single quotes"),
            ("sb://contoso.servicebus.windows.net/", "not a URL"),
            ("Endpoint=sb;SharedAccessKey=x/y", "connection string"),
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(!Target::parse("a=sb;SharedAccessKey=secret/").unwrap_err().contains("secret"));
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name) in [
            ("*", "a/b/c"),
            ("*/telemetry/*", "ns.x/Telemetry/g"),
            ("a*c", "abc"),
            ("a*", "a"),
            ("a", "A"),
        ] {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("", "a"), ("a", "ab"), ("*/telemetry/*", "ns/other/g"), ("ab*ba", "aba")]
        {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_scope_ignores_case() {
        let group =
            ConsumerGroup::new("Contoso.servicebus.windows.net", "Telemetry", "$Default").unwrap();
        assert!(Scope::parse("contoso").unwrap().contains(&group));
        assert!(Scope::parse("contoso/telemetry").unwrap().contains(&group));
        assert!(!Scope::parse("contoso/other").unwrap().contains(&group));
        assert!(Scope::parse("contoso/").is_err());
    }
}
