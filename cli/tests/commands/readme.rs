//! The README's sessions are run, and say what it says.

use std::collections::HashMap;

use crate::bed::Bed;
use crate::reading;

fn scene(name: &str) -> Bed {
    let bed = Bed::at_one_moment();
    // What follows a comma tells one use of a scene from another.
    match name.split(',').next().unwrap_or_default() {
        "fleet" => reading::populate(&bed),
        "stopped" => {
            for id in ["0", "1"] {
                bed.checkpoint(id, 500, 3_600);
                bed.partition(id, 100, 999, 60);
            }
        }
        "incident" => incident(&bed, 3_243, Some("worker-b")),
        "incident-stopped" => incident(&bed, 3_243, None),
        "incident-resumed" => incident(&bed, 8, Some("worker-d")),
        other => panic!("no scene is called {other}"),
    }
    bed
}

/// An event a second; the checkpoint of partition 1 is this many seconds behind.
fn incident(bed: &Bed, behind: u32, owner: Option<&str>) {
    const LAST: i64 = 20_000;
    for (id, behind) in [("0", 5), ("1", behind)] {
        bed.partition(id, 10_000, LAST, 3);
        bed.checkpoint(id, LAST + 3 - i64::from(behind), u64::from(behind) - 3);
        bed.owner(id, owner.unwrap_or_default(), 6);
    }
}

/// A command and what it is said to show.
struct Step {
    scene: String,
    line: usize,
    command: String,
    expected: String,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut scene, mut is_in_session) = (String::new(), false);
    for (index, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("<!-- scene: ") {
            name.trim_end_matches(" -->").clone_into(&mut scene);
        } else if line.starts_with("```") {
            is_in_session = line == "```console";
        } else if let (true, Some(command)) =
            (is_in_session, line.strip_prefix("$ eventhub-checkpoints "))
        {
            steps.push(Step {
                scene: scene.clone(),
                line: index + 1,
                command: command.to_owned(),
                expected: String::new(),
            });
        } else if let (true, Some(step)) = (is_in_session, steps.last_mut()) {
            step.expected += line;
            step.expected.push('\n');
        }
    }
    steps
}

/// How long a list took is another number each time.
pub fn without_times(text: &str) -> String {
    let Some((before, rest)) = text.split_once("the lists took ") else {
        return text.to_owned();
    };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}the lists took 41{rest}")
}

#[test]
fn every_session_of_the_readme_is_true() {
    let mut scenes = HashMap::new();
    let steps = steps(include_str!("../../README.md"));
    assert!(steps.len() >= 10, "only {} sessions", steps.len());
    for step in steps {
        let bed = scenes.entry(step.scene.clone()).or_insert_with(|| scene(&step.scene));
        let ran = bed.run(&step.command);
        let folder = format!("{}/", bed.folder.path().display());
        let shown = format!("{}{}", ran.out, ran.err).replace(&folder, "");
        let shown = without_times(&shown);
        snapbox::assert_data_eq!(shown, snapbox::Data::text(step.expected).raw());
        assert!(ran.exit as u8 <= 6, "README.md:{}: {ran}", step.line);
    }
}
