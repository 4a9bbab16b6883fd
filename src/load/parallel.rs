//! The same for many, on as many threads as the machine has: results come in the order of what they
//! were made from, whoever was first.

use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// More threads than this only wait for the memory.
const MOST_THREADS: usize = 16;
/// Fewer than this for each thread are done sooner by fewer.
const FEW: usize = 4;
/// Values within values are read by functions within functions, whatever stack the caller has.
const STACK: usize = 16 * 1024 * 1024;

/// Applies `f` to every item.
pub(super) fn map<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.is_empty() {
        return Vec::new();
    }
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let threads = threads.min(items.len() / FEW).max(1);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { return done };
            done.push((i, f(item)));
        }
    };
    let mut all: Vec<(usize, R)> = Vec::with_capacity(items.len());
    thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).ok();
        let workers: Vec<_> = (0..threads).filter_map(spawn).collect();
        if workers.is_empty() {
            // No thread can be had: the one that is here has to do.
            all.extend(work());
        }
        for worker in workers {
            match worker.join() {
                Ok(done) => all.extend(done),
                Err(cause) => std::panic::resume_unwind(cause),
            }
        }
    });
    all.sort_unstable_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, r)| r).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_order() {
        let items: Vec<usize> = (0..1000).collect();
        let squares = super::map(&items, |i| {
            if i % 7 == 0 {
                std::thread::yield_now();
            }
            i * i
        });
        assert_eq!(squares, items.iter().map(|i| i * i).collect::<Vec<_>>());
    }
}
