//! The selector filter of a receive link: where in the partition to start.

/// Where a receiver wants to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) position: Position,
    /// Whether an event that stands exactly at the position is wanted too (`>=`).
    pub(crate) inclusive: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Position {
    Earliest,
    Latest,
    /// The byte position inside an offset.
    Offset(i64),
    SequenceNumber(i64),
    /// Milliseconds since the Unix epoch.
    EnqueuedTime(i64),
}

impl Selector {
    /// A link without a filter gets everything.
    pub(crate) fn everything() -> Self {
        Self { position: Position::Earliest, inclusive: false }
    }

    /// Parses `amqp.annotation.{name} > '{value}'`, with `>` or `>=`, with or without blanks around it.
    pub(crate) fn parse(expression: &str) -> Option<Self> {
        let (name, comparison) = expression.split_once('>')?;
        let (inclusive, quoted) = match comparison.strip_prefix('=') {
            Some(rest) => (true, rest),
            None => (false, comparison),
        };
        let value = quoted.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        let position = match name.trim().strip_prefix("amqp.annotation.")? {
            "x-opt-offset" => parse_offset(value)?,
            "x-opt-sequence-number" => Position::SequenceNumber(value.parse().ok()?),
            "x-opt-enqueued-time" => Position::EnqueuedTime(value.parse().ok()?),
            _ => return None,
        };
        Some(Self { position, inclusive })
    }
}

/// Accepts byte positions and geo-replicated offsets alike, and refuses what is neither: `""`, `None`, `no offset`.
fn parse_offset(value: &str) -> Option<Position> {
    if value == "@latest" {
        return Some(Position::Latest);
    }
    let position = match value.split(':').collect::<Vec<_>>()[..] {
        [position] | [_, position, _] => position.parse().ok()?,
        _ => return None,
    };
    Some(if position < 0 { Position::Earliest } else { Position::Offset(position) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(expression: &str) -> (Position, bool) {
        let selector = Selector::parse(expression).expect("a valid selector");
        (selector.position, selector.inclusive)
    }

    #[test]
    fn the_texts_of_the_official_client_are_understood() {
        assert_eq!(parsed("amqp.annotation.x-opt-offset > '-1'"), (Position::Earliest, false));
        assert_eq!(parsed("amqp.annotation.x-opt-offset > '@latest'"), (Position::Latest, false));
        assert_eq!(parsed("amqp.annotation.x-opt-offset >'70'"), (Position::Offset(70), false));
        assert_eq!(
            parsed("amqp.annotation.x-opt-sequence-number >='7'"),
            (Position::SequenceNumber(7), true)
        );
        assert_eq!(
            parsed("amqp.annotation.x-opt-enqueued-time >'1700000000000'"),
            (Position::EnqueuedTime(1_700_000_000_000), false)
        );
    }

    #[test]
    fn geo_replicated_offsets_are_understood() {
        assert_eq!(parsed("amqp.annotation.x-opt-offset >'1:70:1'"), (Position::Offset(70), false));
        assert_eq!(parsed("amqp.annotation.x-opt-offset >'2:-1:-1'"), (Position::Earliest, false));
    }

    #[test]
    fn invalid_positions_are_refused() {
        for expression in [
            "",
            "amqp.annotation.x-opt-offset > ''",
            "amqp.annotation.x-opt-offset > 'None'",
            "amqp.annotation.x-opt-offset > 'no offset'",
            "amqp.annotation.x-opt-offset > 70",
            "amqp.annotation.x-opt-offset < '70'",
            "amqp.annotation.x-opt-sequence-number > 'seven'",
            "amqp.annotation.x-opt-partition-key > '1'",
        ] {
            assert_eq!(Selector::parse(expression), None, "{expression}");
        }
    }
}
