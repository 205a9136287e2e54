use super::*;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

/// Counts attempts and answers each as `answer` says.
fn counted<T: Send + Sync + 'static>(
    answer: impl Fn(u32) -> Result<Fetched<T>, CredentialsError> + Send + Sync + 'static,
) -> (Flight<T>, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&count);
    (Flight::new("test", move || answer(counter.fetch_add(1, Ordering::SeqCst) + 1)), count)
}

fn lasting<T>(value: T) -> Result<Fetched<T>, CredentialsError> {
    Ok(Fetched { value, end: None })
}

#[test]
fn many_who_wait_share_one_fetch() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let (flight, count) = counted(move |n| {
        lock(&released).recv().unwrap();
        lasting(n)
    });
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..32).map(|_| scope.spawn(|| *flight.value(PATIENCE).unwrap())).collect();
        release.send(()).unwrap();
        for waiter in waiting {
            assert_eq!(waiter.join().unwrap(), 1);
        }
    });
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn who_has_a_value_uses_it_while_the_next_is_fetched() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let end = SystemTime::now() + 10 * limits::CREDENTIALS_AHEAD;
    let (flight, count) = counted(move |n| {
        if n > 1 {
            lock(&released).recv().unwrap();
        }
        Ok(Fetched { value: n, end: Some(end) })
    });
    assert_eq!(*flight.value(PATIENCE).unwrap(), 1);
    lock(&flight.0.state).held.as_mut().unwrap().renew = Some(SystemTime::UNIX_EPOCH);
    for _ in 0..100 {
        assert_eq!(*flight.value(Duration::ZERO).unwrap(), 1);
    }
    release.send(()).unwrap();
    while *flight.value(PATIENCE).unwrap() == 1 {
        std::thread::yield_now();
    }
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn what_has_ended_is_never_used() {
    let (flight, _) = counted(|n| Ok(Fetched { value: n, end: Some(SystemTime::now() + PATIENCE) }));
    assert_eq!(*flight.value(PATIENCE).unwrap(), 1);
    lock(&flight.0.state).held.as_mut().unwrap().end = Some(SystemTime::now());
    assert_eq!(*flight.value(PATIENCE).unwrap(), 2);
}

#[test]
fn a_passing_failure_is_waited_out_and_a_storm_does_not_hammer() {
    let begun = Instant::now();
    let (flight, count) = counted(|n| if n < 4 { Err(CredentialsError::Defect) } else { lasting(n) });
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| assert_eq!(*flight.value(PATIENCE).unwrap(), 4));
        }
    });
    assert_eq!(count.load(Ordering::SeqCst), 4);
    // Three pauses, each at least half of its length.
    assert!(begun.elapsed() >= limits::CREDENTIALS_PAUSE * 7 / 2);
}

#[test]
fn a_failure_that_does_not_pass_is_told_at_once_and_forgotten_when_it_does() {
    let (flight, count) = counted(|n| if n < 2 { Err(CredentialsError::NoRole) } else { lasting(n) });
    for _ in 0..10 {
        match flight.value(PATIENCE) {
            Err(e) => assert!(matches!(*e, CredentialsError::NoRole)),
            // The pause was over by now.
            Ok(value) => assert_eq!(*value, 2),
        }
    }
    while flight.value(PATIENCE).is_err() {
        std::thread::yield_now();
    }
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn a_panic_is_a_failure_like_any_other() {
    let (flight, _) = counted(|n| if n < 2 { panic!("planned") } else { lasting(n) });
    assert_eq!(*flight.value(PATIENCE).unwrap(), 2);
}

#[test]
fn renewal_is_ahead_of_the_end_and_never_a_storm() {
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    assert_eq!(renewal(now, now + hour), now + hour - limits::CREDENTIALS_AHEAD);
    assert_eq!(renewal(now, now + limits::CREDENTIALS_AHEAD), now + limits::CREDENTIALS_AHEAD / 2);
    assert_eq!(renewal(now, now - hour), now + limits::CREDENTIALS_INTERVAL);
}

#[test]
fn what_is_forgotten_as_soon_as_it_came_is_not_fetched_again_at_once() {
    let (flight, count) = counted(lasting);
    let first = flight.value(PATIENCE).unwrap();
    flight.forget(&first);
    assert!(lock(&flight.0.state).not_before.unwrap() > Instant::now());
    flight.value(Duration::ZERO).unwrap_err();
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn a_pause_chosen_while_there_was_a_value_ends_soon_after_it_is_forgotten() {
    let (flight, count) = counted(lasting);
    let first = flight.value(PATIENCE).unwrap();
    lock(&flight.0.state).not_before = Some(Instant::now() + 100 * PATIENCE);
    flight.forget(&first);
    assert_eq!(*flight.value(PATIENCE).unwrap(), 2);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}
