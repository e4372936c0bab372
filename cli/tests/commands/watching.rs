//! `watch` and `check`.

use eventhub_checkpoints::exit::Exit;

use crate::bed::{Bed, GROUP, TARGET};
use crate::reading::fleet;
use crate::support::blob_service::{Fault, error_reply};

#[test]
fn a_check_is_one_line_and_a_code() {
    let bed = fleet();
    let ran = bed.run(&format!("check {TARGET}")).ends(Exit::Findings);
    assert_eq!(
        ran.out,
        "FINDINGS contoso.servicebus.windows.net/telemetry/billing: lost: 3; stalled: 1 (4 partitions, 2 owners, lag <= 832,311)\n"
    );
    let ran = bed.run(&format!("check {TARGET} --nagios --max-lag 100000 --require-owners 3"));
    assert_eq!(ran.exit as u8, 2, "critical");
    assert_eq!(
        ran.out,
        "CRITICAL - 2 of 3 owners; lost: 3; stalled: 1; lag above 100,000: 2 (up to 790,001) | \
         lag=832311;;100000;0 owners=2;;;0\n"
    );
}

#[test]
fn a_group_that_is_well_passes_every_threshold() {
    let bed = Bed::new();
    bed.checkpoint("0", 90, 100);
    bed.owner("0", "worker-a", 10);
    bed.partition("0", 0, 100, 90);
    let line = format!("check {TARGET}");
    bed.run(&line)
        .ends(Exit::Done)
        .shows("OK contoso.servicebus.windows.net/telemetry/billing: 1 partition, 1 owner, lag 10");
    for (flags, exit) in [
        ("--max-lag 10", Exit::Done),
        ("--max-lag 9", Exit::Findings),
        ("--max-behind 5m", Exit::Done),
        ("--max-behind 1m", Exit::Findings),
        ("--max-checkpoint-age 5m", Exit::Done),
        ("--max-checkpoint-age 1m", Exit::Findings),
        ("--require-owners", Exit::Done),
        ("--require-owners 2", Exit::Findings),
    ] {
        bed.run(&format!("{line} {flags}")).ends(exit);
        let json = bed.run(&format!("{line} {flags} -o json")).ends(exit).rows("checks");
        assert_eq!(json[0]["is_ok"], exit == Exit::Done);
    }
    let ran = bed.run(&format!("{line} --nagios"));
    assert_eq!((ran.exit as u8, &ran.out[..4]), (0, "OK -"));
    bed.hub_is_away();
    let ran = bed.run(&format!("{line} --nagios"));
    assert_eq!((ran.exit as u8, ran.out.as_str()), (3, "UNKNOWN - the event hub is away\n"));
}

#[test]
fn a_watch_has_rates_and_names_who_moved() {
    let bed = Bed::new();
    bed.checkpoint("0", 500, 20);
    bed.owner("0", "worker-a", 10);
    bed.partition("0", 0, 999, 60);
    let (service, mut lists) = (bed.service.clone(), 0);
    bed.service.inject(move |request| {
        lists += usize::from(request.method == "GET");
        if lists == 2 {
            service.set_clock_offset(10);
            service.put(
                &format!("{GROUP}/checkpoint/0"),
                &[("offset", "80000"), ("sequencenumber", "800")],
            );
            service.put(&format!("{GROUP}/ownership/0"), &[("ownerid", "worker-b")]);
            lists += 1;
        }
        Fault::None
    });
    let ran = bed.run(&format!("watch {TARGET} --interval 10ms --count 2")).ends(Exit::Done);
    let blocks: Vec<_> = ran.out.split("PARTITION").collect();
    assert_eq!(blocks.len(), 3, "{ran}");
    assert!(blocks[1].contains("499"), "{ran}");
    // 300 events in about 10 s, and 199 to go.
    assert!(
        blocks[2].contains("199") && blocks[2].contains("0: moved from worker-a to worker-b."),
        "{ran}"
    );
    let row = blocks[2].lines().find(|line| line.starts_with("0 ")).unwrap();
    let cells: Vec<_> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let outgoing: f64 = cells[5].parse().unwrap();
    assert!((25.0..=30.0).contains(&outgoing), "{row}");
}

#[test]
fn a_watch_goes_on_after_a_failing_look_but_not_after_the_first() {
    let bed = fleet();
    let mut lists = 0;
    bed.service.inject(move |_| {
        lists += 1;
        if lists == 2 {
            Fault::Respond(error_reply(403, "AuthenticationFailed", "Expired."))
        } else {
            Fault::None
        }
    });
    let ran =
        bed.run(&format!("watch {TARGET} --interval 10ms --count 3 -o jsonl")).ends(Exit::Done);
    assert_eq!(ran.out.lines().count(), 8, "{ran}");
    ran.says("access denied");
    bed.run("watch contoso/nothing --no-hub").ends(Exit::NothingFound);
    bed.run(&format!("watch {TARGET} --interval 0s")).ends(Exit::Usage);
}
