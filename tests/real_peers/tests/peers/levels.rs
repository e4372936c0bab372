//! Owner levels: whoever comes with a higher one takes the partition, in whatever language both are.

use crate::bed::{Bed, eventually};
use crate::peer::{Consumer, Kind, Options};

#[test]
fn a_higher_level_displaces_across_languages() {
    use Kind::{JavaScript, Ours, OursAio, PythonAio, PythonSync};
    let bed = Bed::new(1);
    // Each of ours displaces, and is displaced by, one of each language.
    let order = [
        PythonSync, Ours, JavaScript, OursAio, PythonAio, Ours, PythonSync, OursAio, JavaScript,
        Ours,
    ];
    let mut holder: Option<Consumer> = None;
    for (level, kind) in order.into_iter().enumerate() {
        let level = level as i64;
        let mut newcomer = Consumer::start(kind, &bed, &Options::level("$Default", "0", level));
        eventually("the newcomer holds the partition", || {
            let receivers = bed.double.receivers();
            (receivers.len() == 1 && receivers[0].owner_level == Some(level)).then_some(())
        });
        if let Some(mut displaced) = holder {
            let kind = displaced.kind;
            displaced.until("it is displaced", |heard| heard.is_displaced(kind, "0").then_some(()));
            displaced.kill();
        }
        let number = bed.double.append("0", format!("for level {level}"));
        newcomer.until_event("0", number);
        holder = Some(newcomer);
    }
    assert_eq!(bed.double.counters().stolen_links, order.len() as u64 - 1);
    holder.unwrap().stop();
    eventually("the partition is left", || bed.double.receivers().is_empty().then_some(()));
}

/// A lower level is refused, and the holder goes on.
#[test]
fn a_lower_level_is_refused_across_languages() {
    for (high, low) in [(Kind::Ours, Kind::PythonSync), (Kind::JavaScript, Kind::OursAio)] {
        let bed = Bed::new(1);
        let mut holder = Consumer::start(high, &bed, &Options::level("$Default", "0", 5));
        let number = bed.double.append("0", "first");
        holder.until_event("0", number);
        let mut refused = Consumer::start(low, &bed, &Options::level("$Default", "0", 4));
        eventually("the link is refused", || {
            (bed.double.counters().refused_links > 0).then_some(())
        });
        if low.is_ours() {
            refused.until("it is told", |heard| heard.is_displaced(low, "0").then_some(()));
        } else {
            refused.until("it is told", |heard| (!heard.errors().is_empty()).then_some(()));
        }
        let number = bed.double.append("0", "second");
        holder.until_event("0", number);
        assert_eq!(refused.kill().numbers("0"), [0; 0]);
        assert_eq!(holder.stop().numbers("0"), [0, 1]);
    }
}
