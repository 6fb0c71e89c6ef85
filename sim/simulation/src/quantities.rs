//! Quantities as people write them.

/// A quantity of a resource: CPUs with their thousandths, bytes in the largest unit that divides them, else a count.
pub(crate) fn amount(resource: &str, quantity: i64) -> String {
    match resource {
        "cpu" if quantity % 1_000 == 0 => format!("{}", quantity / 1_000),
        "cpu" => format!("{quantity}m"),
        "memory" | "ephemeral-storage" => bytes(quantity),
        name if name.starts_with("hugepages-") => bytes(quantity),
        _ => quantity.to_string(),
    }
}

fn bytes(quantity: i64) -> String {
    let units = [(40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
    let unit = units.into_iter().find(|(bits, _)| quantity != 0 && quantity % (1 << bits) == 0);
    match unit {
        Some((bits, unit)) => format!("{}{unit}", quantity >> bits),
        None => quantity.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts_are_written_as_kubernetes_does() {
        for (resource, quantity, want) in [
            ("cpu", 4_000, "4"),
            ("cpu", 250, "250m"),
            ("memory", 3 << 30, "3Gi"),
            ("memory", 1_536 << 20, "1536Mi"),
            ("memory", 1_000, "1000"),
            ("memory", 0, "0"),
            ("hugepages-2Mi", 4 << 20, "4Mi"),
            ("nvidia.com/gpu", 8, "8"),
        ] {
            assert_eq!(amount(resource, quantity), want);
        }
    }
}
