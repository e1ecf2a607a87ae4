//! Quotas: which commands take units from a quota, and which give them back.

use super::reserving::PLAIN;
use super::script::run;

#[test]
fn a_quota_is_given_back_by_release_expiry_and_refund_but_not_by_ship() {
    // Proves every way in which a unit of a quota is taken or given back.
    run(PLAIN).go("
        quota WEB BIKE 6
        reserve a WEB 2xBIKE ttl=10s
        reserve b WEB 3xBIKE
        quota_taken WEB BIKE -> 5/6
        reserve c WEB 2xBIKE -> quota_exceeded available=1
        release a 1xBIKE
        quota_taken WEB BIKE -> 4/6
        time +10s
        tick
        quota_taken WEB BIKE -> 3/6
        confirm a -> confirmed_late
        quota_taken WEB BIKE -> 4/6
        ship b A1 2xBIKE
        quota_taken WEB BIKE -> 4/6
        refund b unshipped:1xBIKE returned@A1:2xBIKE
        quota_taken WEB BIKE -> 3/6
        release a
        quota_taken WEB BIKE -> 2/6
        reserve d WEB 2xBIKE ttl=10s
        replace e d WEB 4xBIKE ttl=10s -> ok
        quota_taken WEB BIKE -> 6/6
        replace f e WEB 1xBIKE ttl=10s -> ok
        quota_taken WEB BIKE -> 3/6
        replace g f WEB 5xBIKE ttl=10s -> quota_exceeded
        reserve h WEB 9xBIKE best -> partial granted=3xBIKE
        time +10s
        reserve i WEB 1xBIKE
        confirm f -> too_late
        quota_taken WEB BIKE -> 6/6
    ");
}

#[test]
fn a_lowered_quota_takes_nothing_back() {
    // Proves a quota below what is taken, one that is lifted, and one that is set again and begins with
    // nothing taken.
    run(PLAIN).go("
        reserve before WEB 1xBIKE ttl=1h
        quota WEB BIKE 5
        quota_taken WEB BIKE -> 0/5
        reserve a WEB 4xBIKE ttl=1h
        quota WEB BIKE 2
        quota_taken WEB BIKE -> 4/2
        salable WEB BIKE -> -2
        reserve b WEB 1xBIKE -> quota_exceeded bare
        state a -> held 4xBIKE
        confirm a
        release a 3xBIKE
        quota_taken WEB BIKE -> 1/2
        reserve c WEB 1xBIKE ttl=1h
        quota WEB BIKE none
        quota_taken WEB BIKE -> none
        salable WEB BIKE -> 7
        release a
        quota WEB BIKE 3
        quota_taken WEB BIKE -> 0/3
        // Units of an earlier quota, or of none, are not given back to this one.
        release c
        release before
        quota_taken WEB BIKE -> 0/3
        reserve d WEB 3xBIKE ttl=1h
        confirm d
        quota_taken WEB BIKE -> 3/3
        quota WEB BIKE 0
        reserve e WEB 1xBIKE -> quota_exceeded
        quota WEB BIKE none
        quota WEB BIKE none
        reserve f WEB 7xBIKE
    ");
}
