use super::*;
use crate::config::value::Network;

#[test]
fn the_next_poll_is_a_third_into_a_slot() {
    let spec = Spec::of(Network::Mainnet);
    let at = spec.slot_time(1000);
    for (now, wait) in [(at, 4), (at + 3, 1), (at + 4, 12), (at + 5, 11), (at + 11, 5), (at - 1, 5)] {
        assert_eq!(until_next_poll(&spec, now), Duration::from_secs(wait), "{now}");
    }
    let early = until_next_poll(&spec, 0);
    assert!(!early.is_zero() && early <= Duration::from_secs(12), "before genesis");
    assert!(!until_next_poll(&spec, u64::MAX).is_zero());
}

#[test]
fn the_log_hears_of_a_trouble_once_and_of_its_end() {
    let mut trouble = Trouble::default();
    trouble.report("one".into());
    let since = trouble.0.clone().unwrap().1;
    trouble.report("one".into());
    assert_eq!(trouble.0.as_ref().unwrap().1, since, "not again so soon");
    trouble.report("other".into());
    assert_eq!(trouble.0.as_ref().unwrap().0, "other");
    trouble.over();
    assert!(trouble.0.is_none());
}
