//! The system's clocks.

use std::time::{Instant, SystemTime};

use super::Clock;

/// The system's clocks.
///
/// On Linux and macOS, `Instant::now` stands still while the machine is suspended, so a lease would survive a suspension.
/// This clock includes the time of a suspension, as on Windows: it uses `CLOCK_BOOTTIME` on Linux and Android, and
/// `CLOCK_MONOTONIC` on Apple's systems. On other systems it is `Instant::now`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        now()
    }

    fn system_time(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// An `Instant` can only be derived from another one, so the time since boot is added to a first one.
#[cfg(all(
    any(feature = "blocking", feature = "aio"),
    any(target_os = "linux", target_os = "android", target_vendor = "apple")
))]
fn now() -> Instant {
    use std::sync::OnceLock;
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    #[cfg(target_vendor = "apple")]
    const CLOCK: ClockId = ClockId::Monotonic;
    #[cfg(not(target_vendor = "apple"))]
    const CLOCK: ClockId = ClockId::Boottime;
    static FIRST: OnceLock<(Instant, Duration)> = OnceLock::new();

    let since_boot = || Duration::try_from(clock_gettime(CLOCK)).unwrap_or_default();
    let (first, booted) = FIRST.get_or_init(|| (Instant::now(), since_boot()));
    *first + since_boot().saturating_sub(*booted)
}

#[cfg(not(all(
    any(feature = "blocking", feature = "aio"),
    any(target_os = "linux", target_os = "android", target_vendor = "apple")
)))]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_goes_as_fast_as_the_monotonic_clock_and_never_back() {
        let (start, started) = (SystemClock.now(), Instant::now());
        let mut last = start;
        for _ in 0..1_000 {
            let now = SystemClock.now();
            assert!(now >= last);
            last = now;
        }
        std::thread::sleep(Duration::from_millis(20));
        let (now, elapsed) = (SystemClock.now(), started.elapsed());
        let difference = (now - start).abs_diff(elapsed);
        assert!(difference < Duration::from_secs(5), "{difference:?}");
    }

    /// Compares with `/proc/uptime`, which also includes suspensions.
    #[cfg(target_os = "linux")]
    #[test]
    fn it_counts_from_the_boot() {
        let uptime = || {
            let text = std::fs::read_to_string("/proc/uptime").unwrap();
            let seconds = text.split(' ').next().unwrap().parse().unwrap();
            Duration::from_secs_f64(seconds)
        };
        let (start, up) = (SystemClock.now(), uptime());
        std::thread::sleep(Duration::from_millis(50));
        let (now, up_now) = (SystemClock.now(), uptime());
        let difference = (start + up_now).saturating_duration_since(now + up);
        assert!(difference < Duration::from_secs(5), "{difference:?}");
        let difference = (now + up).saturating_duration_since(start + up_now);
        assert!(difference < Duration::from_secs(5), "{difference:?}");
    }
}
