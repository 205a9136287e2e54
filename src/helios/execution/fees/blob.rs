//! The price of blobs (EIP-4844, EIP-7892, EIP-7918).

use alloy_consensus::Header;
use alloy_primitives::U256;

use crate::helios::network::Spec;

/// Gas of one blob.
pub(in super::super) const GAS: u64 = 1 << 17;

/// EIP-7918's: the execution gas that one blob has to be worth.
const RESERVE: u64 = 1 << 13;

/// Cancun's update fraction of the base fee.
const CANCUN: u64 = 3_338_477;

/// Prague's.
const PRAGUE: u64 = 5_007_716;

/// How many blobs a block is to have and may have, for every update fraction there was: Cancun, Prague (EIP-7691), and
/// the two blob-parameter-only forks of EIP-7892. The network's schedule knows the fraction alone.
const COUNTS: [(u64, u64, u64); 4] = [(CANCUN, 3, 6), (PRAGUE, 6, 9), (8_346_193, 10, 15), (11_684_671, 14, 21)];

/// The update fraction at a time; `None` before there were blobs.
pub(in super::super) fn fraction(spec: &Spec, timestamp: u64) -> Option<u64> {
    let begun = |epoch: u64| timestamp >= spec.epoch_time(epoch);
    let scheduled = spec.blob_schedule.iter().filter(|(from, _)| timestamp >= *from).max_by_key(|(from, _)| *from);
    match scheduled {
        Some((_, fraction)) => Some(*fraction),
        None if begun(spec.electra.epoch) => Some(PRAGUE),
        None => begun(spec.deneb.epoch).then_some(CANCUN),
    }
}

/// Blobs a block is to have, and may have, at a time; `None` where that is not known.
fn counts(spec: &Spec, timestamp: u64) -> Option<(u64, u64)> {
    let fraction = fraction(spec, timestamp)?;
    COUNTS.iter().find(|known| known.0 == fraction).map(|(_, target, most)| (*target, *most))
}

/// EIP-4844's approximation of `e^(numerator / denominator)`, in wei. `None` beyond 256 bits.
pub(super) fn exponential(numerator: u64, denominator: u64) -> Option<U256> {
    let (numerator, denominator) = (U256::from(numerator), U256::from(denominator));
    let (mut term, mut sum, mut step) = (denominator, U256::ZERO, U256::from(1));
    // The terms grow up to step numerator / denominator, which overflows long before a million, and then fall to nothing.
    while !term.is_zero() {
        sum = sum.checked_add(term)?;
        term = term.checked_mul(numerator)?.checked_div(denominator.checked_mul(step)?)?;
        step += U256::from(1);
    }
    sum.checked_div(denominator)
}

/// The price of blob gas in a block, in wei; `None` where it has none.
pub(in super::super) fn price(spec: &Spec, header: &Header) -> Option<U256> {
    exponential(header.excess_blob_gas?, fraction(spec, header.timestamp)?)
}

/// The share of the blobs that a block may have which it has; `None` where that is not known.
pub(super) fn used_ratio(spec: &Spec, header: &Header) -> Option<f64> {
    let (_, most) = counts(spec, header.timestamp)?;
    Some(header.blob_gas_used? as f64 / (GAS * most) as f64)
}

/// The price of blob gas in the next block, one slot later, in wei; `None` where that is not known.
pub(super) fn next_price(spec: &Spec, header: &Header) -> Option<U256> {
    let next = header.timestamp.saturating_add(spec.seconds_per_slot);
    let ((target, most), fraction) = (counts(spec, next)?, fraction(spec, next)?);
    let (excess, used) = (header.excess_blob_gas?, header.blob_gas_used?);
    let all = excess.checked_add(used)?;
    let Some(above) = all.checked_sub(GAS * target) else { return exponential(0, fraction) };
    let worth = U256::from(RESERVE) * U256::from(header.base_fee_per_gas?);
    let osaka = next >= spec.epoch_time(spec.fulu.epoch);
    let next = match osaka && worth > U256::from(GAS).checked_mul(exponential(excess, fraction)?)? {
        true => excess.checked_add(used.checked_mul(most - target)? / most)?,
        false => above,
    };
    exponential(next, fraction)
}
