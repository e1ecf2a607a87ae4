//! Numbers as people read them: `2.7 M/s`, `3.2 GiB`, `4 min`. Programs get the exact numbers with `--json`.

use super::times::utc;

/// From here on milliseconds are a moment and no span.
const TIMES_FROM_MS: u64 = 1_000_000_000_000;

/// A number with thousands separators.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with at most three digits and a prefix of the decimal units, exact below 10,000.
pub(super) fn count(number: u64) -> String {
    if number < 10_000 {
        grouped(number)
    } else {
        scaled(number, 1_000, &["", " k", " M", " G", " T", " P", " E"])
    }
}

/// A length in bytes.
pub(super) fn bytes(number: u64) -> String {
    scaled(number, 1_024, &[" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"])
}

/// The number in the largest unit that leaves at least 1, cut off after the third digit.
fn scaled(number: u64, step: u64, units: &[&str]) -> String {
    let (mut scale, mut at) = (1, 0);
    while number / scale >= step && at + 1 < units.len() {
        scale *= step;
        at += 1;
    }
    let (whole, tenth) = (number / scale, u128::from(number % scale) * 10 / u128::from(scale));
    let digits = if scale == 1 || whole >= 100 { whole.to_string() } else { format!("{whole}.{tenth}") };
    format!("{digits}{}", units[at])
}

/// A span of time in milliseconds, in at most two units.
pub(super) fn span(ms: u64) -> String {
    let (seconds, minutes, hours, days) = (ms / 1_000, ms / 60_000, ms / 3_600_000, ms / 86_400_000);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{seconds}.{} s", ms % 1_000 / 100),
        10_000..60_000 => format!("{seconds} s"),
        60_000..3_600_000 => format!("{minutes} min"),
        3_600_000..86_400_000 => format!("{hours} h {} min", minutes % 60),
        86_400_000.. => format!("{days} d {} h", hours % 24),
    }
}

/// A span of time in microseconds.
pub(super) fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        10_000.. => span(us / 1_000),
    }
}

/// The value of a metric with its unit.
pub(super) fn value(number: i64, unit: &str) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let size = number.unsigned_abs();
    let text = match unit {
        "bytes" => bytes(size),
        "ms" if size >= TIMES_FROM_MS => utc(size / 1_000),
        "ms" => span(size),
        "us" => micros(size),
        "op" | "position" => grouped(size),
        "bool" => if size == 0 { "no" } else { "yes" }.to_owned(),
        other => match other.strip_suffix("/s") {
            Some(what) => format!("{} {what}/s", count(size)),
            None => format!("{} {other}", count(size)),
        },
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_at_most_three_digits_and_a_unit() {
        // Proves each unit at its limits, up to the highest number.
        for (number, text) in [
            (0, "0"),
            (9_999, "9,999"),
            (10_000, "10.0 k"),
            (999_999, "999 k"),
            (2_719_000, "2.7 M"),
            (273_000_000, "273 M"),
            (u64::MAX, "18.4 E"),
        ] {
            assert_eq!(count(number), text);
        }
        for (number, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (3_435_973_837, "3.2 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
    }

    #[test]
    fn times_have_at_most_two_units() {
        // Proves each unit at its limits.
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (4_250, "4.2 s"),
            (59_999, "59 s"),
            (240_000, "4 min"),
            (11_520_000, "3 h 12 min"),
            (187_200_000, "2 d 4 h"),
        ] {
            assert_eq!(span(ms), text);
        }
        for (us, text) in [(999, "999 us"), (1_250, "1.2 ms"), (12_500, "12 ms"), (2_500_000, "2.5 s")] {
            assert_eq!(micros(us), text);
        }
    }

    #[test]
    fn metrics_are_shown_by_their_unit() {
        // Proves that signs stay and that every unit is written.
        for (number, unit, text) in [
            (-1_500, "ms", "-1.5 s"),
            (2_700_000, "ops/s", "2.7 M ops/s"),
            (12, "connections", "12 connections"),
            (1, "bool", "yes"),
            (1_795_316_645_000, "ms", "2026-11-22T03:04:05Z"),
            (1_234_567, "op", "1,234,567"),
            (1_200, "us", "1.2 ms"),
            (2_048, "bytes", "2.0 KiB"),
        ] {
            assert_eq!(value(number, unit), text);
        }
    }
}
