//! What the tool knows without asking anybody: no file, socket, clock or terminal.

pub mod assess;
pub mod check;
pub mod diagnosis;
pub mod merge;
pub mod notes;
pub mod partition;
pub mod partition_set;
pub mod plan;
pub mod records;
pub mod reset;
pub mod samples;
pub mod target;
pub mod text;
