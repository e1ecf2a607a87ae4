//! The distance between two points on the earth, by the two formulas of Magento.

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

/// The radius of the earth in meters that Magento's search for pickup locations uses.
const PICKUP_RADIUS_M: f64 = 6_372_797.0;

/// The direction of a point from the center of the earth, as a vector of length 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direction([f64; 3]);

#[expect(clippy::float_arithmetic, reason = "a list of locations is no decision, so it may be rounded")]
impl Direction {
    pub(super) fn of(point: GeoPoint) -> Self {
        let radians = |micro: i32| (f64::from(micro) / MICRO).to_radians();
        let (latitude, longitude) = (radians(point.latitude_micro), radians(point.longitude_micro));
        let (height, width) = latitude.sin_cos();
        Self([width * longitude.cos(), width * longitude.sin(), height])
    }

    /// The great-circle distance by the spherical cosine, which is the scalar product of the two vectors.
    pub(super) fn meters_to(self, Self(other): Self) -> f64 {
        let Self(this) = self;
        let cosine: f64 = this.iter().zip(other).map(|(one, other)| one * other).sum();
        cosine.clamp(-1.0, 1.0).acos() * PICKUP_RADIUS_M
    }
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

    #[test]
    fn directions_give_the_same_distances_on_a_sphere_that_is_a_little_larger() {
        // Proves the spherical cosine at known arcs, and beside the other formula.
        let between = |one, other| Direction::of(one).meters_to(Direction::of(other));
        assert!(between(point(1, 1), point(1, 1)) < 0.2);
        assert!((between(point(0, 0), point(0, 90_000_000)) - 10_010_366.1).abs() < 0.1);
        assert!((between(point(90_000_000, 0), point(-90_000_000, 0)) - 20_020_732.2).abs() < 0.1);
        let (one, other) = (point(48_983_300, 2_616_700), point(47_849_600, 12_067_000));
        let scale = PICKUP_RADIUS_M / RADIUS_M;
        assert!((between(one, other) - f64::from(meters(one, other)) * scale).abs() < 1.0);
    }
}
