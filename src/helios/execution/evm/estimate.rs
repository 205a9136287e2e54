//! `eth_estimateGas`.

use revm::primitives::eip7825::TX_GAS_LIMIT_CAP;
use revm::primitives::hardfork::SpecId;
use serde_json::{Value, json};

use super::prepare;
use crate::helios::execution::error::CallError;
use crate::helios::execution::view::View;
use crate::helios::limits;

/// `eth_estimateGas`: an amount with which the call was run here and came to its end, on top of the block's proven state.
/// At most one part in 64 above the smallest such amount. It can be above the gas used: a call passes on 63 parts of 64,
/// and refunds come after the end.
///
/// # Errors
/// See [`CallError`]; the call's own if it fails however much gas it has.
pub fn estimate_gas(view: &View<'_>, params: &[Value]) -> Result<Value, CallError> {
    let (mut machine, mut call) = prepare(view, params)?;
    // Less than any transaction takes is no bound: some libraries write 0 for none.
    call.gas = call.gas.filter(|gas| *gas >= TRANSFER);
    let run = |machine: &mut super::Machine<'_>, gas: u64| machine.run(call.transaction(view.node.spec.chain_id, gas));

    let most = machine.block.gas_limit.min(limits::CALL_GAS);
    let most = if machine.cfg.spec.is_enabled_in(SpecId::OSAKA) { most.min(TX_GAS_LIMIT_CAP) } else { most };
    let mut enough = machine.affordable(&call, most)?;
    let first = run(&mut machine, enough)?;
    first.result?;

    // Gas that was used in the end is the least it can take. Gas that was spent before refunds is often enough.
    let mut short = first.gas.tx_gas_used().saturating_sub(1);
    let spent = first.gas.total_gas_spent().max(first.gas.floor_gas());
    let roomy = spent.saturating_add(CALL_STIPEND).saturating_mul(64) / 63;
    for guess in [spent, roomy] {
        if short < guess && guess < enough {
            if run(&mut machine, guess)?.result.is_ok() {
                enough = guess;
            } else {
                short = guess;
            }
        }
    }
    while enough.saturating_sub(short) > 1 && enough.saturating_sub(short) > enough / 64 {
        let middle = short.midpoint(enough).min(short.saturating_mul(2).max(1));
        if run(&mut machine, middle)?.result.is_ok() {
            enough = middle;
        } else {
            short = middle;
        }
    }
    Ok(json!(format!("{enough:#x}")))
}

/// Gas of the smallest transaction.
const TRANSFER: u64 = 21_000;

/// What a callee gets on top when value goes along.
const CALL_STIPEND: u64 = 2300;
