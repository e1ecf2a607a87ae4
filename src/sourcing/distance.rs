//! The distance between two points on the earth.

use stockhold_protocol::query::GeoPoint;

/// The radius of the earth in meters that Magento's offline distances use.
const RADIUS_M: f64 = 6_371_000.0;
const MICRO: f64 = 1e6;

/// The great-circle distance in whole meters, by the haversine formula.
#[expect(clippy::float_arithmetic, reason = "a proposal is no decision, so it may be rounded")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "half the equator fits, and is positive"
)]
pub(super) fn meters(from: GeoPoint, to: GeoPoint) -> u32 {
    let radians = |micro: i32| (f64::from(micro) / MICRO).to_radians();
    let (latitude, other) = (radians(from.latitude_micro), radians(to.latitude_micro));
    let longitudes = radians(to.longitude_micro) - radians(from.longitude_micro);
    let half = ((other - latitude) / 2.0).sin().powi(2)
        + latitude.cos() * other.cos() * (longitudes / 2.0).sin().powi(2);
    (2.0 * half.sqrt().min(1.0).asin() * RADIUS_M).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn point(latitude_micro: i32, longitude_micro: i32) -> GeoPoint {
        GeoPoint { latitude_micro, longitude_micro }
    }

    #[test]
    fn distances_are_those_of_a_sphere() {
        // Proves the formula at known arcs: none, a quarter, a half, and one degree of a meridian.
        assert_eq!(meters(point(1, 1), point(1, 1)), 0);
        assert_eq!(meters(point(0, 0), point(0, 90_000_000)), 10_007_543);
        assert_eq!(meters(point(90_000_000, 0), point(-90_000_000, 0)), 20_015_087);
        assert_eq!(meters(point(48_000_000, 11_000_000), point(49_000_000, 11_000_000)), 111_195);
    }
}
