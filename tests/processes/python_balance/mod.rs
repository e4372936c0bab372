//! Decisions of Python's `OwnershipManager` (`azure-eventhub` 5.15.1) and of `balance` on the same listings.
//!
//! Where they differ the reason is named; a difference without a known reason fails.

mod difference;
mod question;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::counterpart::python_script;
use crate::support::process::LineProcess;
use crate::support::report;
use difference::{Difference, compare};
use question::{Decision, Question};

const QUESTIONS: u64 = 5_000;
const BATCH: usize = 1_000;

struct Python(LineProcess);

impl Python {
    fn start() -> Self {
        let mut command = python_script("balance.py", &[]);
        Self(LineProcess::start("Python's load balancer", &mut command))
    }

    fn decide(&mut self, questions: &[Question]) -> Vec<Decision> {
        let asked = questions.iter().map(Question::to_json).collect();
        self.0.send(&Value::Array(asked));
        let answers = self.0.receive(Duration::from_secs(120));
        let answers = answers.as_array().unwrap();
        assert_eq!(answers.len(), questions.len());
        questions.iter().zip(answers).map(|(question, answer)| question.theirs(answer)).collect()
    }
}

#[test]
fn every_difference_to_python_has_a_reason() {
    let mut python = Python::start();
    let questions: Vec<_> = (0..QUESTIONS).map(Question::generate).collect();
    let mut counts = BTreeMap::<Difference, usize>::new();
    let (mut same, mut with_foreign) = (0, 0);
    for questions in questions.chunks(BATCH) {
        let unclean = python.decide(questions);
        // What records of partitions that do not exist change is seen by leaving them out.
        let cleaned: Vec<_> = questions.iter().map(Question::without_foreign_records).collect();
        let answers = python.decide(&cleaned);

        for ((question, theirs), unclean) in questions.iter().zip(answers).zip(unclean) {
            with_foreign += usize::from(question.has_foreign_records());
            let mut differences = compare(question, &question.ours(), &theirs);
            if unclean.numbers() != theirs.numbers() {
                assert!(question.has_foreign_records(), "{question:?}");
                differences.push(Difference::CountsForeignRecords);
            }
            same += usize::from(differences.is_empty());
            for difference in differences {
                *counts.entry(difference).or_default() += 1;
            }
        }
    }
    let mut text = format!(
        "{QUESTIONS} listings, {with_foreign} with records of partitions that do not exist\n\
         {same:>6} the same decision, up to which of several equal partitions\n"
    );
    for (difference, count) in &counts {
        text += &format!("{count:>6} {}\n", difference.reason());
    }
    report::show(&text);
    assert!(same > usize::try_from(QUESTIONS).unwrap() / 10, "{same}");
    for difference in Difference::ALL {
        assert!(counts.contains_key(&difference), "no listing shows {difference:?}");
    }
}
