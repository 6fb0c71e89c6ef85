//! What this process has taken: memory and processor time.

/// The largest resident size so far, in bytes; 0 where `/proc` does not tell.
pub(crate) fn peak_resident_bytes() -> u64 {
    status(OWN, "VmHWM:")
}

/// The number of this process in `/proc`.
pub(crate) const OWN: &str = "self";

/// The resident size of a process now, in bytes; 0 where `/proc` does not tell.
pub(crate) fn resident_bytes(process: &str) -> u64 {
    status(process, "VmRSS:")
}

fn status(process: &str, name: &str) -> u64 {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) else { return 0 };
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}

/// The processor time of all threads so far, in milliseconds; 0 where `/proc` does not tell.
pub(crate) fn processor_milliseconds() -> u64 {
    // Linux counts in hundredths of a second here, whatever its own clock does.
    const MILLISECONDS: u64 = 10;
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return 0 };
    // Behind the name, which may hold anything, the fields are plain: user and system time are the 12th and 13th of them.
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0 };
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks * MILLISECONDS
}
