//! A plot one line high, of block characters.

/// From the lowest to the highest.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The values in at most `columns` characters, from 0 (or the smallest value, if that is less) up to the largest.
///
/// Where several values share a character the largest is shown, so that a short peak is seen; values that are not
/// finite leave a gap.
pub(super) fn sparkline(values: &[f64], columns: usize) -> String {
    let shown = columns.min(values.len());
    let known = |value: &f64| value.is_finite();
    let low = values.iter().copied().filter(known).fold(0.0, f64::min);
    let high = values.iter().copied().filter(known).fold(f64::NEG_INFINITY, f64::max);
    let mut line = String::with_capacity(shown * 3);
    for column in 0..shown {
        let part = &values[column * values.len() / shown..(column + 1) * values.len() / shown];
        let largest = part.iter().copied().filter(known).reduce(f64::max);
        line.push(largest.map_or(' ', |value| block(value, low, high)));
    }
    line
}

fn block(value: f64, low: f64, high: f64) -> char {
    // Halves keep the difference of the two largest floats finite. All values equal: the bottom.
    let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    BLOCKS[((share * BLOCKS.len() as f64) as usize).min(BLOCKS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_used_from_bottom_to_top() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 8), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[4.0, 8.0], 8), "▅█");
    }

    #[test]
    fn a_short_peak_is_seen() {
        let mut values = [0.0; 1_000];
        values[501] = 9.0;
        assert_eq!(sparkline(&values, 4), "▁▁█▁");
    }

    #[test]
    fn corners() {
        assert_eq!(sparkline(&[], 8), "");
        assert_eq!(sparkline(&[3.0], 0), "");
        assert_eq!(sparkline(&[3.0, 3.0], 8), "██");
        assert_eq!(sparkline(&[0.0, 0.0], 8), "▁▁");
        assert_eq!(sparkline(&[f64::NAN, 1.0, f64::INFINITY], 8), " █ ");
        assert_eq!(sparkline(&[f64::MIN, f64::MAX], 8), "▁█");
    }
}
