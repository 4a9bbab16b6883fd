//! How a number of replicas is divided: the arithmetic of strategies, on places that are only numbers.
//!
//! Nothing here gives a place more than its room. What finds none is left: the sum of the portions says
//! how much. Ties go to what runs there now, then to the place that comes first.

use std::cmp::Reverse;

use crate::{money::MicroUsd, quantity::Micros};

/// A place as a strategy sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    /// Most replicas that find room here, its own from before included.
    pub(super) room: u32,
    /// Nodes have to be bought for them: the last resort.
    pub(super) bought: bool,
    /// What `replicas` would cost here.
    pub(super) price: MicroUsd,
    /// Replicas that run here now.
    pub(super) now: u32,
    /// Its weight, where the strategy has weights.
    pub(super) weight: u64,
    /// What it receives.
    pub(super) traffic: u64,
    /// How large it is.
    pub(super) score: u64,
}

/// `total` in proportion to weights: whole parts first, what is left to the largest remainders, then to
/// the largest weights, then to what `prefer` says, then to the first.
pub(super) fn remainders(total: u32, weights: &[u64], prefer: &[u32]) -> Vec<u32> {
    let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let exact = |i: usize| u128::from(total) * u128::from(weights[i]);
    let mut parts: Vec<u32> = (0..weights.len()).map(|i| u32::try_from(exact(i) / sum).unwrap_or(total)).collect();
    let left = total - parts.iter().sum::<u32>();
    let mut order: Vec<usize> = (0..weights.len()).filter(|i| weights[*i] > 0).collect();
    order.sort_by_key(|i| (Reverse(exact(*i) % sum), Reverse(weights[*i]), Reverse(prefer[*i]), *i));
    for i in order.into_iter().take(left as usize) {
        parts[i] += 1;
    }
    parts
}

/// The same within bounds: what is above one is divided among the others in the same proportion.
pub(super) fn proportional(total: u32, weights: &[u64], most: &[u32], prefer: &[u32]) -> Vec<u32> {
    let mut parts = vec![0; weights.len()];
    let mut open = weights.to_vec();
    let mut left = total;
    loop {
        let shares = remainders(left, &open, prefer);
        let over: Vec<usize> = (0..open.len()).filter(|i| open[*i] > 0 && shares[*i] > most[*i]).collect();
        if over.is_empty() {
            parts.iter_mut().zip(shares).for_each(|(part, share)| *part += share);
            return parts;
        }
        for i in over {
            parts[i] = most[i];
            open[i] = 0;
            left -= most[i];
        }
    }
}

/// Gives every place of `order` what it has room for until nothing is left.
fn pour(order: impl IntoIterator<Item = usize>, spots: &[Spot], parts: &mut [u32], left: &mut u32) {
    for i in order {
        let more = (spots[i].room - parts[i]).min(*left);
        parts[i] += more;
        *left -= more;
    }
}

/// What orders places: those with nodes first, then those where nodes are bought, by price.
fn ordered<K: Ord>(spots: &[Spot], key: impl Fn(&Spot) -> K) -> Vec<usize> {
    let mut order: Vec<usize> = (0..spots.len()).filter(|i| spots[*i].room > 0).collect();
    order.sort_by_key(|i| (spots[*i].bought, key(&spots[*i]), spots[*i].price, *i));
    order
}

/// `each` in the first `locations` of an order; what does not fit goes to the next ones, at last to the
/// first ones beyond `each`.
fn in_order(order: &[usize], spots: &[Spot], each: u32, locations: u32) -> Vec<u32> {
    let mut parts = vec![0; spots.len()];
    let mut left = each.saturating_mul(locations);
    let (first, next) = order.split_at(order.len().min(locations as usize));
    for i in first {
        parts[*i] = each.min(spots[*i].room);
        left -= parts[*i];
    }
    pour(next.iter().copied(), spots, &mut parts, &mut left);
    pour(first.iter().copied(), spots, &mut parts, &mut left);
    parts
}

/// Those with the most room first.
pub(super) fn worst_fit(spots: &[Spot], each: u32, locations: u32) -> Vec<u32> {
    in_order(&ordered(spots, |s| Reverse(s.room)), spots, each, locations)
}

/// Those with the least room first.
pub(super) fn best_fit(spots: &[Spot], each: u32, locations: u32) -> Vec<u32> {
    in_order(&ordered(spots, |s| s.room), spots, each, locations)
}

/// Those that receive most first.
pub(super) fn most_traffic(spots: &[Spot], each: u32, locations: u32) -> Vec<u32> {
    in_order(&ordered(spots, |s| Reverse(s.traffic)), spots, each, locations)
}

/// `each` in the named ones, in their order; what one of them has no room for goes to the nearest of the
/// others, then to the named ones.
pub(super) fn affinity(
    spots: &[Spot],
    each: u32,
    named: &[usize],
    apart: &dyn Fn(usize, usize) -> Option<Micros>,
) -> Vec<u32> {
    let mut parts = vec![0; spots.len()];
    for i in named {
        parts[*i] = each.min(spots[*i].room);
    }
    let mut rest = 0;
    for i in named {
        let mut left = each - each.min(spots[*i].room);
        let mut near: Vec<usize> = (0..spots.len()).filter(|l| !named.contains(l)).collect();
        near.sort_by_key(|l| (spots[*l].bought, apart(*i, *l).map_or(u64::MAX, |m| m.0), *l));
        pour(near, spots, &mut parts, &mut left);
        rest += left;
    }
    pour(named.iter().copied(), spots, &mut parts, &mut rest);
    parts
}

/// `each` everywhere.
pub(super) fn duplicated(spots: &[Spot], each: u32) -> Vec<u32> {
    spots.iter().map(|s| each.min(s.room)).collect()
}

/// By fixed weights, all alike where there are none.
pub(super) fn weighted(spots: &[Spot], total: u32) -> Vec<u32> {
    let none = spots.iter().all(|s| s.weight == 0);
    let weights: Vec<u64> = spots.iter().map(|s| if none { 1 } else { s.weight }).collect();
    proportional(total, &weights, &rooms(spots), &now(spots))
}

fn rooms(spots: &[Spot]) -> Vec<u32> {
    spots.iter().map(|s| s.room).collect()
}

fn now(spots: &[Spot]) -> Vec<u32> {
    spots.iter().map(|s| s.now.min(s.room)).collect()
}

/// By the room there is. What runs stays: more replicas are divided by the room that is left, fewer by
/// what runs.
pub(super) fn dynamic(spots: &[Spot], total: u32) -> Vec<u32> {
    grown(spots, total, &|weights, _| weights)
}

/// As few places as hold all: those that it runs in first, then those with the most room. Within them by
/// the room there is.
pub(super) fn aggregated(spots: &[Spot], total: u32) -> Vec<u32> {
    grown(spots, total, &|weights, wanted| fewest(spots, weights, wanted))
}

/// Weights without those of places that are not needed to reach a sum.
fn fewest(spots: &[Spot], mut weights: Vec<u64>, wanted: u32) -> Vec<u64> {
    let mut order: Vec<usize> = (0..spots.len()).filter(|i| weights[*i] > 0).collect();
    order.sort_by_key(|i| (spots[*i].now == 0, Reverse(weights[*i]), spots[*i].bought, spots[*i].price, *i));
    let mut sum = 0;
    for i in order {
        if sum >= u64::from(wanted) {
            weights[i] = 0;
        }
        sum += weights[i];
    }
    weights
}

/// Divides by room, keeping what runs. `among` takes places out, given the weights and how many replicas
/// are to be divided by them.
fn grown(spots: &[Spot], total: u32, among: &dyn Fn(Vec<u64>, u32) -> Vec<u64>) -> Vec<u32> {
    let now = now(spots);
    let runs: u32 = now.iter().sum();
    let by = |wanted: u32, most: &[u32]| {
        let weights = among(most.iter().map(|m| u64::from(*m)).collect(), wanted);
        proportional(wanted, &weights, most, &now)
    };
    if runs > total {
        return by(total, &now);
    }
    let more: Vec<u32> = spots.iter().zip(&now).map(|(s, n)| s.room - n).collect();
    now.iter().zip(by(total - runs, &more)).map(|(a, b)| a + b).collect()
}

/// One place after the other as far as it goes, the highest score first.
pub(super) fn spread(spots: &[Spot], total: u32) -> Vec<u32> {
    let mut parts = vec![0; spots.len()];
    let mut left = total;
    pour(ordered(spots, |s| Reverse(s.score)), spots, &mut parts, &mut left);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spots(rooms: &[u32]) -> Vec<Spot> {
        rooms.iter().map(|room| Spot { room: *room, ..Spot::default() }).collect()
    }

    /// World W of mck8s: the room of five clusters, what they receive, how far they are apart.
    fn w() -> Vec<Spot> {
        let traffic = [100, 50, 900, 700, 10];
        spots(&[4, 10, 6, 2, 8]).into_iter().zip(traffic).map(|(s, traffic)| Spot { traffic, ..s }).collect()
    }

    fn apart(a: usize, b: usize) -> Option<Micros> {
        let table = [[0, 10, 5, 3, 20], [10, 0, 7, 9, 4], [5, 7, 0, 6, 8], [3, 9, 6, 0, 11], [20, 4, 8, 11, 0]];
        Some(Micros(table[a][b] * 1000))
    }

    #[test]
    fn m1_worst_fit() {
        assert_eq!(worst_fit(&w(), 2, 3), [0, 2, 2, 0, 2]);
    }

    #[test]
    fn m2_best_fit() {
        assert_eq!(best_fit(&w(), 2, 3), [2, 0, 2, 2, 0]);
    }

    #[test]
    fn m3_what_overflows_goes_on_in_the_same_order() {
        assert_eq!(most_traffic(&w(), 3, 2), [1, 0, 3, 2, 0]);
    }

    #[test]
    fn m5_one_place() {
        assert_eq!(most_traffic(&w(), 3, 1), [0, 0, 3, 0, 0]);
    }

    #[test]
    fn m6_what_finds_no_room_is_left() {
        let parts = worst_fit(&w(), 10, 5);
        assert_eq!((parts.as_slice(), 50 - parts.iter().sum::<u32>()), ([4, 10, 6, 2, 8].as_slice(), 20));
    }

    #[test]
    fn m8_and_m11_what_overflows_goes_to_the_nearest() {
        assert_eq!(affinity(&w(), 5, &[0, 3], &apart), [4, 0, 4, 2, 0]);
        let mut small = w();
        small[3].room = 0;
        assert_eq!(affinity(&small, 2, &[3], &apart), [2, 0, 0, 0, 0]);
    }

    #[test]
    fn m15_places_without_room_get_nothing() {
        assert_eq!(affinity(&spots(&[0, 10, 0, 0, 8]), 2, &[0, 3, 2], &apart), [0, 6, 0, 0, 0]);
    }

    #[test]
    fn named_places_take_what_the_others_cannot() {
        assert_eq!(affinity(&spots(&[2, 9, 1]), 4, &[0, 1], &apart), [2, 5, 1]);
        assert_eq!(worst_fit(&spots(&[9, 2]), 4, 2), [6, 2]);
    }

    #[test]
    fn nodes_are_bought_last() {
        let mut three = spots(&[2, 100, 100]);
        for (i, price) in [(1, 5), (2, 3)] {
            three[i].bought = true;
            three[i].price = MicroUsd(price);
        }
        assert_eq!(worst_fit(&three, 4, 1), [2, 0, 2], "the cheaper of two that could hold as much");
    }

    #[test]
    fn m17_the_remainder_is_not_lost() {
        assert_eq!(remainders(5, &[3, 2], &[0, 0]), [3, 2]);
        assert_eq!(remainders(5, &[1, 1], &[0, 0]), [3, 2]);
        assert_eq!(remainders(10, &[1, 1], &[0, 0]), [5, 5]);
        assert_eq!(remainders(5, &[1, 1], &[2, 3]), [2, 3], "what runs there decides a tie");
    }

    #[test]
    fn weights_within_rooms() {
        assert_eq!(proportional(10, &[1, 1, 2], &[9, 9, 9], &[0; 3]), [3, 2, 5]);
        assert_eq!(proportional(10, &[1, 1, 2], &[9, 1, 3], &[0; 3]), [6, 1, 3]);
        assert_eq!(weighted(&spots(&[5, 5]), 4), [2, 2]);
    }

    #[test]
    fn few_places() {
        assert_eq!(aggregated(&w(), 12), [0, 7, 0, 0, 5], "10 and 8 hold 12, by their room");
        assert_eq!(aggregated(&w(), 9), [0, 9, 0, 0, 0]);
        assert_eq!(dynamic(&w(), 15), [2, 5, 3, 1, 4]);
    }

    #[test]
    fn what_runs_stays() {
        let mut world = w();
        (world[0].now, world[3].now) = (2, 1);
        assert_eq!(aggregated(&world, 4), [3, 0, 0, 1, 0], "one more where it runs");
        assert_eq!(aggregated(&world, 2), [2, 0, 0, 0, 0], "one fewer: one place is enough");
        let grown = dynamic(&world, 9);
        assert!(grown[0] >= 2 && grown[3] >= 1 && grown.iter().sum::<u32>() == 9, "{grown:?}");
        assert_eq!(dynamic(&world, 2), [1, 0, 0, 1, 0]);
    }

    #[test]
    fn d21_and_d23_the_largest_is_filled_first() {
        let mut two = spots(&[3, 4]);
        (two[0].score, two[1].score) = (700, 800);
        assert_eq!(spread(&two, 5), [1, 4]);
        let mut three = spots(&[3, 4, 8]);
        (three[0].score, three[1].score, three[2].score) = (700, 16, 16);
        assert_eq!(spread(&three, 5), [3, 2, 0]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_overfilled(
            world in prop::collection::vec((0_u32..12, 0_u32..12, 0_u64..4, any::<bool>()), 1..7),
            each in 0_u32..9,
            locations in 1_u32..5,
        ) {
            let spots: Vec<Spot> = world
                .iter()
                .map(|(room, now, weight, bought)| Spot { room: *room, now: *now, weight: *weight, bought: *bought, ..Spot::default() })
                .collect();
            let room: u32 = spots.iter().map(|s| s.room).sum();
            let heavy: u32 = spots.iter().filter(|s| s.weight > 0).map(|s| s.room).sum();
            let heavy = if spots.iter().all(|s| s.weight == 0) { room } else { heavy };
            let all = each * locations;
            for (parts, total, room) in [
                (worst_fit(&spots, each, locations), all, room),
                (best_fit(&spots, each, locations), all, room),
                (most_traffic(&spots, each, locations), all, room),
                (affinity(&spots, each, &[0], &|_, _| None), each, room),
                (weighted(&spots, each), each, heavy),
                (dynamic(&spots, each), each, room),
                (aggregated(&spots, each), each, room),
                (spread(&spots, each), each, room),
            ] {
                prop_assert!(parts.iter().zip(&spots).all(|(p, s)| *p <= s.room), "{parts:?}");
                prop_assert_eq!(parts.iter().sum::<u32>(), total.min(room));
            }
        }

        #[test]
        fn one_more_replica_moves_none(rooms in prop::collection::vec(1_u32..12, 1..6), total in 0_u32..20) {
            let mut world = spots(&rooms);
            let total = total.min(rooms.iter().sum::<u32>() - 1);
            for divide in [dynamic, aggregated] {
                let before = divide(&world, total);
                world.iter_mut().zip(&before).for_each(|(s, n)| s.now = *n);
                prop_assert_eq!(&divide(&world, total), &before);
                let after = divide(&world, total + 1);
                prop_assert!(before.iter().zip(&after).all(|(b, a)| b <= a));
                world.iter_mut().for_each(|s| s.now = 0);
            }
        }
    }
}
