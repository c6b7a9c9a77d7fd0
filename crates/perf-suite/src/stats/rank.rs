//! Ranks of values, the same for equal ones. Source: M. Hollander, D. A. Wolfe, E. Chicken, *Nonparametric Statistical
//! Methods*, third edition, Wiley 2014, section 3.1 (mid-ranks).

/// Returns twice the mid-rank of each value, in the order given: whole numbers also where values are equal.
pub(super) fn doubled_ranks(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    let mut start = 0;
    for tied in order.chunk_by(|a, b| values[*a] == values[*b]) {
        // The ranks start + 1 to start + n have this mean, halved.
        let doubled = 2 * start + tied.len() + 1;
        tied.iter().for_each(|index| ranks[*index] = doubled);
        start += tied.len();
    }
    ranks
}

/// Returns the sizes of the groups of equal values.
pub(super) fn tie_sizes(values: &[f64]) -> Vec<usize> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(<[f64]>::len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_ranks() {
        assert_eq!(doubled_ranks(&[3.0, 1.0, 3.0, 2.0]), [7, 2, 7, 4]);
        assert_eq!(tie_sizes(&[3.0, 1.0, 3.0, 2.0]), [1, 1, 2]);
    }
}
