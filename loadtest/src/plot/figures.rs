//! Numbers for people: few digits, with their unit.
#![expect(clippy::float_arithmetic, reason = "numbers are only printed")]

/// A number with about three digits, without needless zeros.
pub(crate) fn short(value: f64) -> String {
    let digits = if value.abs() >= 99.95 {
        0
    } else if value.abs() >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Microseconds, in the unit that fits.
pub(crate) fn latency(us: f64) -> String {
    if us >= 999_500.0 {
        format!("{} s", short(us / 1e6))
    } else if us >= 999.5 {
        format!("{} ms", short(us / 1e3))
    } else {
        format!("{} µs", short(us))
    }
}

/// A count or a rate, in thousands or millions where it is large.
pub(crate) fn count(value: f64) -> String {
    if value >= 999_500.0 {
        format!("{}M", short(value / 1e6))
    } else if value >= 9_999.5 {
        format!("{}k", short(value / 1e3))
    } else {
        short(value)
    }
}

/// A share below 1 as a percentile, with all its nines.
pub(crate) fn percentile(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_their_unit() {
        // Proves units and digits at every threshold.
        for (us, text) in [
            (0.0, "0 µs"),
            (4.25, "4.25 µs"),
            (999.0, "999 µs"),
            (999.6, "1 ms"),
            (12_340.0, "12.3 ms"),
            (2e6, "2 s"),
        ] {
            assert_eq!(latency(us), text);
        }
        for (value, text) in [
            (0.0, "0"),
            (9_999.0, "9999"),
            (20_000.0, "20k"),
            (1.5e6, "1.5M"),
            (123_456.0, "123k"),
            (-0.001, "0"),
        ] {
            assert_eq!(count(value), text);
        }
        for (share, text) in [(0.0, "0 %"), (0.5, "50 %"), (0.999, "99.9 %"), (0.999_999, "99.9999 %")] {
            assert_eq!(percentile(share), text);
        }
    }
}
