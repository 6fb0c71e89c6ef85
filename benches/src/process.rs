//! The memory of this process.

/// The largest resident size so far, in bytes; 0 where `/proc` does not tell.
pub(crate) fn peak_resident_bytes() -> u64 {
    status("VmHWM:")
}

/// The resident size now, in bytes; 0 where `/proc` does not tell.
pub(crate) fn resident_bytes() -> u64 {
    status("VmRSS:")
}

fn status(name: &str) -> u64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}
