//! The gate before a cluster: as many requests pass as its pace says. Others wait in order.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::pace::{Pace, Sign, Sort};

/// One per cluster and run.
#[derive(Debug)]
pub(super) struct Gate {
    began: Instant,
    seats: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pace: Pace,
    /// Seats that there are, taken or free.
    seats: usize,
    flying: usize,
}

impl Default for Gate {
    fn default() -> Self {
        let pace = Pace::default();
        let seats = pace.limit();
        let state = Mutex::new(State { pace, seats, flying: 0 });
        Self { began: Instant::now(), seats: Arc::new(Semaphore::new(seats)), state }
    }
}

impl Gate {
    /// Waits for its turn.
    pub(super) async fn enter(self: &Arc<Self>, sort: Sort) -> Seat {
        // It is never closed.
        let permit = self.seats.clone().acquire_owned().await.ok();
        self.state().flying += 1;
        Seat { gate: self.clone(), permit, sort, begun: Instant::now(), sign: Sign::Unsaid }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is under way. Dropped without a word, it says nothing of the server.
pub(super) struct Seat {
    gate: Arc<Gate>,
    permit: Option<OwnedSemaphorePermit>,
    sort: Sort,
    begun: Instant,
    sign: Sign,
}

impl Seat {
    /// It was answered, or not.
    pub(super) fn leave(mut self, sign: Sign) {
        self.sign = sign;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let gate = self.gate.clone();
        let mut state = gate.state();
        let (now, flying) = (gate.began.elapsed(), state.flying);
        state.pace.heard(&self.sort, self.sign, now, self.begun.elapsed(), flying);
        state.flying = flying.saturating_sub(1);
        let limit = state.pace.limit();
        if state.seats > limit
            && let Some(own) = self.permit.take()
        {
            own.forget();
            state.seats -= 1;
            let free = gate.seats.forget_permits(state.seats.saturating_sub(limit));
            state.seats -= free;
        } else if state.seats < limit {
            gate.seats.add_permits(limit - state.seats);
            state.seats = limit;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn sort() -> Sort {
        ("get", "pods".to_owned())
    }

    /// How many get in at once.
    async fn places(gate: &Arc<Gate>) -> usize {
        let mut seats = Vec::new();
        while let Ok(seat) = timeout(Duration::from_millis(20), gate.enter(sort())).await {
            seats.push(seat);
        }
        seats.len()
    }

    #[tokio::test]
    async fn seats_come_and_go_with_the_pace() {
        let gate = Arc::new(Gate::default());
        assert_eq!(places(&gate).await, 8);
        // Who no longer waits takes nobody's place.
        let seats: Vec<_> = futures::future::join_all((0..8).map(|_| gate.enter(sort()))).await;
        assert!(timeout(Duration::from_millis(5), gate.enter(sort())).await.is_err());
        for seat in seats {
            seat.leave(Sign::Failed);
        }
        assert_eq!(places(&gate).await, 4);
        for _ in 0..3 {
            gate.enter(sort()).await.leave(Sign::Failed);
        }
        assert_eq!(places(&gate).await, 1);
    }
}
