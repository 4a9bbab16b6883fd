//! The policy against simulated servers.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use proptest::prelude::*;

use super::*;

/// What a server does with more than it has seats for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beyond {
    Refuse,
    Queue,
}

/// A server with seats, asked by somebody who always has more to ask. Time is in microseconds.
struct Simulated {
    seats: usize,
    beyond: Beyond,
    /// How long a request is on its way, and worked at; the latter by up to `noise` percent longer.
    way: u64,
    work: u64,
    noise: u64,
    drawn: u64,
    now: u64,
    pace: Pace,
    working: usize,
    waiting: VecDeque<u64>,
    /// Answers: when, to what was sent when, and whether it is a good one.
    events: BinaryHeap<Reverse<(u64, u64, bool)>>,
    flying: usize,
    refused: usize,
    done: usize,
    limits: Vec<usize>,
}

impl Simulated {
    fn new(seats: usize, beyond: Beyond, way: u64, work: u64, noise: u64) -> Self {
        Self {
            seats,
            beyond,
            way,
            work,
            noise,
            drawn: 0x9e37_79b9_7f4a_7c15,
            now: 0,
            pace: Pace::default(),
            working: 0,
            waiting: VecDeque::new(),
            events: BinaryHeap::new(),
            flying: 0,
            refused: 0,
            done: 0,
            limits: Vec::new(),
        }
    }

    fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.work + self.work * self.noise * (self.drawn >> 40) / (1 << 24) / 100
    }

    /// Until so many have been answered. Who is on the way has a seat.
    fn run(&mut self, answers: usize) {
        let until = self.done + self.refused + answers;
        while self.done + self.refused < until {
            while self.flying < self.pace.limit() {
                self.flying += 1;
                if self.working < self.seats {
                    self.begin(self.now);
                } else if self.beyond == Beyond::Queue {
                    self.waiting.push_back(self.now);
                } else {
                    self.events.push(Reverse((self.now + self.way, self.now, false)));
                }
            }
            let Some(Reverse((at, sent, good))) = self.events.pop() else { unreachable!() };
            self.now = at;
            let sign = if good { Sign::Good } else { Sign::Refused };
            if good {
                self.done += 1;
                self.working -= 1;
                if self.working < self.seats
                    && let Some(next) = self.waiting.pop_front()
                {
                    self.begin(next);
                }
            } else {
                self.refused += 1;
            }
            let sort = ("apply", "configmaps".to_owned());
            let (now, took) = (Duration::from_micros(self.now), Duration::from_micros(self.now - sent));
            self.pace.heard(&sort, sign, now, took, self.flying);
            self.flying -= 1;
            assert!((1..=MOST).contains(&self.pace.limit()));
            self.limits.push(self.pace.limit());
        }
    }

    fn begin(&mut self, sent: u64) {
        self.working += 1;
        let at = self.now + self.way + self.draw();
        self.events.push(Reverse((at, sent, true)));
    }

    /// The limit that it had in the middle of the last answers.
    fn usual(&self, answers: usize) -> usize {
        let mut last = self.limits[self.limits.len() - answers..].to_vec();
        last.sort_unstable();
        last[answers / 2]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn it_finds_the_seats_of_a_server_that_refuses_more(seats in 1_usize..=60, way in 0_u64..50_000, noise in 0_u64..50) {
        let mut server = Simulated::new(seats, Beyond::Refuse, way, 5_000, noise);
        server.run(4_000);
        server.refused = 0;
        server.run(4_000);
        let usual = server.usual(2_000);
        prop_assert!(usual.abs_diff(seats) <= 1, "{usual} for {seats}");
        prop_assert!(server.refused <= 200, "{} refusals for {seats}", server.refused);
    }

    /// Not to the seat: a short queue costs nothing, and noise must not slow it down.
    #[test]
    fn it_finds_the_seats_of_a_server_where_more_have_to_wait(seats in 8_usize..=50, noise in 10_u64..40) {
        let mut server = Simulated::new(seats, Beyond::Queue, 1_000, 20_000, noise);
        server.run(6_000);
        let (usual, more) = (server.usual(2_000), 2 + seats / 2);
        prop_assert!(usual + 1 >= seats && usual <= seats + more, "{usual} for {seats}");
    }

    /// However answers come, it stays within its bounds.
    #[test]
    fn it_never_stops_and_never_floods(
        answers in prop::collection::vec((0_u8..4, 0_u64..1_000_000, 1_usize..100), 0..400),
    ) {
        let (mut pace, mut now) = (Pace::default(), 0);
        for (sign, took, flying) in answers {
            now += took / 3;
            let sign = [Sign::Good, Sign::Refused, Sign::Failed, Sign::Unsaid][usize::from(sign)];
            let (at, took) = (Duration::from_micros(now), Duration::from_micros(took));
            pace.heard(&("get", String::new()), sign, at, took, flying);
            prop_assert!((1..=MOST).contains(&pace.limit()));
        }
    }

    #[test]
    fn it_recovers_after_an_overload(seats in 10_usize..=50, few in 1_usize..5) {
        let mut server = Simulated::new(seats, Beyond::Refuse, 1_000, 5_000, 20);
        server.run(3_000);
        server.seats = few;
        server.run(3_000);
        let low = server.usual(1_000);
        prop_assert!(low <= few + 1, "{low} for {few}");
        server.seats = seats;
        server.run(12_000);
        let usual = server.usual(2_000);
        prop_assert!(usual.abs_diff(seats) <= 1, "{usual} for {seats}");
    }
}

#[test]
fn far_away_many_are_sent_soon() {
    let mut server = Simulated::new(1_000, Beyond::Queue, 50_000, 1_000, 10);
    server.run(200);
    assert_eq!(server.pace.limit(), MOST);
    assert!(server.now < 400_000, "{}", server.now);
}

#[test]
fn who_has_little_to_ask_learns_nothing() {
    let mut pace = Pace::default();
    for i in 1..500 {
        let at = Duration::from_millis(i);
        pace.heard(&("get", String::new()), Sign::Good, at, Duration::from_millis(1), 1);
    }
    assert_eq!(pace.limit(), 8);
}

#[test]
fn what_was_sent_together_is_refused_once() {
    let (mut pace, sort) = (Pace::default(), ("get", String::new()));
    let (at, took) = (Duration::from_millis(50), Duration::from_millis(10));
    for flying in (1..=8).rev() {
        pace.heard(&sort, Sign::Failed, at, took, flying);
    }
    assert_eq!(pace.limit(), 4);
}
