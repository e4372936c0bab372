//! On which cores a bench runs.

/// Does a work with this thread, and those that it starts, on one core.
///
/// A caller that waits for each answer leaves its core, and how long the other core takes to wake up differs from one
/// connection to the next, three times over. Where server and caller share a core, only their work counts.
#[cfg(target_os = "linux")]
pub fn on_one_core<T>(work: impl FnOnce() -> T) -> T {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let allowed = sched_getaffinity(None).expect("the allowed cores");
    let mut one = CpuSet::new();
    let first = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core));
    one.set(first.expect("a core that is allowed"));
    sched_setaffinity(None, &one).expect("one of the allowed cores");
    let done = work();
    sched_setaffinity(None, &allowed).expect("the allowed cores");
    done
}

/// Elsewhere the system chooses.
#[cfg(not(target_os = "linux"))]
pub fn on_one_core<T>(work: impl FnOnce() -> T) -> T {
    work()
}
