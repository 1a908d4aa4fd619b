//! Runs jobs on several threads, with results in order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

/// The results of `each` for `jobs`, in their order. At most `threads` jobs run at a time. `done`
/// is called with each result on this thread, in the order in which the jobs end.
pub(crate) fn map<J: Sync, R: Send>(
    jobs: &[J],
    threads: usize,
    each: impl Fn(&J) -> R + Sync,
    mut done: impl FnMut(&R),
) -> Vec<R> {
    let threads = threads.min(jobs.len());
    if threads <= 1 {
        let each = |job| {
            let result = each(job);
            done(&result);
            result
        };
        return jobs.iter().map(each).collect();
    }
    let mut results: Vec<Option<R>> = jobs.iter().map(|_| None).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        // The capacity keeps threads from running ahead of the receiver.
        let (sender, receiver) = mpsc::sync_channel(threads);
        for _ in 0..threads {
            let (next, each, sender) = (&next, &each, sender.clone());
            scope.spawn(move || {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else { return };
                    if sender.send((place, each(job))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (place, result) in receiver {
            done(&result);
            if let Some(slot) = results.get_mut(place) {
                *slot = Some(result);
            }
        }
    });
    results.into_iter().flatten().collect()
}

/// A number of slots that may be in use at a time.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Mutex<usize>,
    is_free: Condvar,
}

/// A slot that is in use until this is dropped.
pub(crate) struct Slot<'s>(&'s Slots);

impl Slots {
    pub(crate) fn new(slots: usize) -> Self {
        Self { free: Mutex::new(slots.max(1)), is_free: Condvar::new() }
    }

    /// Waits for a free slot.
    pub(crate) fn take(&self) -> Slot<'_> {
        let mut free = lock(&self.free);
        while *free == 0 {
            free = self.is_free.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Slot(self)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.is_free.notify_one();
    }
}

/// The amount that all threads hold in memory. A thread that wants to start something waits while
/// the amount exceeds the limit.
#[derive(Debug)]
pub(crate) struct Gate {
    limit: usize,
    held: Mutex<usize>,
    is_less: Condvar,
}

/// The amount that one thread holds in memory, until this is dropped.
pub(crate) struct Held<'g> {
    gate: &'g Gate,
    amount: usize,
}

impl Gate {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, held: Mutex::new(0), is_less: Condvar::new() }
    }

    /// Waits until the others hold no more than the limit.
    pub(crate) fn enter(&self) -> Held<'_> {
        let mut held = lock(&self.held);
        while *held > self.limit {
            held = self.is_less.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        Held { gate: self, amount: 0 }
    }
}

impl Held<'_> {
    /// Increases the amount.
    pub(crate) fn add(&mut self, amount: usize) {
        self.amount += amount;
        *lock(&self.gate.held) += amount;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *lock(&self.gate.held) -= self.amount;
        self.gate.is_less.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_jobs_whatever_ends_first() {
        let jobs: Vec<u64> = (0..50).collect();
        for threads in [0, 1, 3, 200] {
            let (at_once, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let mut ended = 0;
            let each = |job: &u64| {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(std::time::Duration::from_micros(job * 7919 % 300));
                at_once.fetch_sub(1, Ordering::SeqCst);
                job * 2
            };
            let doubled = map(&jobs, threads, each, |_| ended += 1);
            assert_eq!(doubled, jobs.iter().map(|job| job * 2).collect::<Vec<_>>());
            assert_eq!(ended, 50);
            assert!(most.into_inner() <= threads.max(1), "{threads}");
        }
        assert!(map(&[] as &[u64], 4, |job| *job, |_| ()).is_empty());
    }

    #[test]
    fn no_more_slots_are_taken_than_there_are() {
        let slots = Slots::new(2);
        let (at_once, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        map(
            &[(); 40],
            8,
            |()| {
                let _slot = slots.take();
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                at_once.fetch_sub(1, Ordering::SeqCst);
            },
            |()| (),
        );
        assert!(most.into_inner() <= 2);
    }

    #[test]
    fn nobody_begins_while_the_others_have_too_much() {
        let gate = Gate::new(10);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        map(
            &[9usize; 60],
            6,
            |amount| {
                let mut held = gate.enter();
                let before = now.fetch_add(*amount, Ordering::SeqCst);
                held.add(*amount);
                most.fetch_max(before + amount, Ordering::SeqCst);
                now.fetch_sub(*amount, Ordering::SeqCst);
            },
            |()| (),
        );
        // At most the limit, plus one amount per thread that found the limit not exceeded.
        assert!(most.into_inner() <= 10 + 6 * 9);
        assert_eq!(*lock(&gate.held), 0);
    }
}
