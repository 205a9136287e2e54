//! Calls, run here: `eth_call`, `eth_estimateGas`, `eth_createAccessList`.
//!
//! Promises: what a call reads was proven against the block's state root before it reads it, and a read that cannot be
//! proven ends the call with that error: a contract never sees a value in its place. The block's fields, forks and blob
//! price are the header's. As other nodes have it: no signature and no nonce is asked for, the sender may be a contract,
//! without a gas price gas is free and the base fee 0, value and fees must be in the sender's balance. Bounded in gas,
//! accounts, slots and time.

pub mod access;
pub mod database;
pub mod estimate;
pub mod request;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use alloy_primitives::{Address, Bytes, U256};
use revm::context::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction, ResultGas};
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::{ContextSetters as _, ContextTr, JournalTr};
use revm::handler::{EvmTr, EvmTrError, FrameResult, FrameTr, Handler};
use revm::interpreter::interpreter_action::FrameInit;
use revm::primitives::hardfork::SpecId;
use revm::state::EvmState;
use revm::{Context, Database as _, ExecuteEvm, MainBuilder, MainContext};
use serde_json::{Value, json};

use super::error::CallError;
use super::fees::blob;
use super::header::Sealed;
use super::params;
use super::view::View;
use crate::helios::limits;
use crate::helios::network::Spec;
use database::Database;
use request::Call;

/// `eth_call`: the output of the call on top of the block's proven state.
///
/// # Errors
/// See [`CallError`].
pub fn call(view: &View<'_>, params: &[Value]) -> Result<Value, CallError> {
    let (mut machine, call) = prepare(view, params)?;
    let gas = machine.affordable(&call, limits::CALL_GAS)?;
    Ok(json!(machine.run(call.transaction(view.node.spec.chain_id, gas))?.result?))
}

/// The parameters that the three methods share: the call, the block, and no state overrides.
fn prepare<'a>(view: &View<'a>, params: &[Value]) -> Result<(Machine<'a>, Call), CallError> {
    if params.get(2).is_some_and(|overrides| !overrides.is_null()) {
        return Err(CallError::Params("parameter 3 (state overrides): not served".to_owned()));
    }
    params::at_most(params, 3)?;
    let object = params.first().unwrap_or(&Value::Null);
    let call = Call::read(object, view.node.spec.chain_id)?;
    let block = view.header(params::block_or_pending(params, 1)?)?;
    Ok((Machine::new(*view, block, object.clone(), &call), call))
}

/// Mainnet's rules, but that the fees go to nobody: no call sees what its block's proposer gets, whose account would have
/// to be proven for it.
struct Unpaid<EVM, ERROR>(PhantomData<(EVM, ERROR)>);

impl<EVM, ERROR> Default for Unpaid<EVM, ERROR> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<EVM, ERROR> Handler for Unpaid<EVM, ERROR>
where
    EVM: EvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>>,
            Frame: FrameTr<FrameResult = FrameResult, FrameInit = FrameInit>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type Evm = EVM;
    type Error = ERROR;
    type HaltReason = HaltReason;

    fn reward_beneficiary(&self, _: &mut EVM, _: &mut FrameResult) -> Result<(), ERROR> {
        Ok(())
    }
}

/// Runs transactions in a block's environment, each from the block's state.
struct Machine<'a> {
    database: Database<'a>,
    block: BlockEnv,
    cfg: CfgEnv,
    deadline: Instant,
}

/// What a run came to.
struct Ran {
    /// The output, or [`CallError::Reverted`] or [`CallError::Halted`].
    result: Result<Bytes, CallError>,
    /// What it cost; nothing when it did not even begin.
    gas: ResultGas,
    /// The accounts and slots it looked at.
    state: EvmState,
}

impl<'a> Machine<'a> {
    fn new(view: View<'a>, block: Arc<Sealed>, object: Value, call: &Call) -> Self {
        let (spec, header) = (&view.node.spec, &block.header);
        let fork = fork(spec, header.timestamp);
        let mut cfg = CfgEnv::new().with_spec_and_mainnet_gas_params(fork);
        cfg.chain_id = spec.chain_id;
        cfg.disable_nonce_check = true;
        cfg.disable_eip3607 = true;
        cfg.disable_block_gas_limit = true;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        let block_env = BlockEnv {
            number: U256::from(header.number),
            beneficiary: header.beneficiary,
            timestamp: U256::from(header.timestamp),
            gas_limit: header.gas_limit,
            basefee: if call.price() == 0 { 0 } else { header.base_fee_per_gas.unwrap_or_default() },
            difficulty: header.difficulty,
            prevrandao: Some(header.mix_hash),
            blob_excess_gas_and_price: header
                .excess_blob_gas
                .zip(blob::fraction(spec, header.timestamp))
                .map(|(gas, fraction)| BlobExcessGasAndPrice::new(gas, fraction)),
            ..BlockEnv::default()
        };
        let deadline = view.deadline;
        Self { database: Database::new(view, block, object), block: block_env, cfg, deadline }
    }

    /// The gas a call has: what it says, else what its sender can pay for, at most `most`.
    fn affordable(&mut self, call: &Call, most: u64) -> Result<u64, CallError> {
        let gas = call.gas.unwrap_or(most).min(most);
        if call.gas.is_some() || call.price() == 0 {
            return Ok(gas);
        }
        let balance = self.database.basic(call.from)?.map_or(U256::ZERO, |account| account.balance);
        let payable = balance.saturating_sub(call.value).checked_div(U256::from(call.price()));
        Ok(payable.and_then(|gas| u64::try_from(gas).ok()).map_or(gas, |payable| payable.min(gas)))
    }

    /// Runs one transaction; nothing of it stays.
    fn run(&mut self, transaction: TxEnv) -> Result<Ran, CallError> {
        if Instant::now() >= self.deadline {
            return Err(CallError::Deadline);
        }
        let context =
            Context::mainnet().with_db(&mut self.database).with_block(self.block.clone()).with_cfg(self.cfg.clone());
        let mut evm = context.build_mainnet();
        evm.ctx.set_tx(transaction);
        let outcome: Result<_, EVMError<CallError, InvalidTransaction>> = Unpaid::default().run(&mut evm);
        let state = evm.finalize();
        let ran = match outcome {
            Ok(ran) => ran,
            Err(EVMError::Database(e)) => return Err(e),
            Err(EVMError::Transaction(e)) => {
                let result = Err(CallError::Halted(e.to_string()));
                return Ok(Ran { result, gas: ResultGas::default(), state: EvmState::default() });
            }
            Err(e) => return Err(CallError::Halted(e.to_string())),
        };
        let (result, gas) = match ran {
            ExecutionResult::Success { output, gas, .. } => (Ok(output.into_data()), gas),
            ExecutionResult::Revert { output, gas, .. } => (Err(CallError::Reverted(output)), gas),
            ExecutionResult::Halt { reason, gas, .. } => (Err(CallError::Halted(halted(&reason))), gas),
        };
        Ok(Ran { result, gas, state })
    }

    /// Addresses of contracts that every node has built in, at this block.
    fn precompiles(&self) -> impl Iterator<Item = Address> + use<> {
        let id = revm::precompile::PrecompileSpecId::from_spec_id(self.cfg.spec);
        revm::precompile::Precompiles::new(id).addresses().copied().collect::<Vec<_>>().into_iter()
    }
}

/// Why it could not go on, in the words nodes use where they agree on any.
fn halted(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::OpcodeNotFound | HaltReason::InvalidFEOpcode | HaltReason::NotActivated => {
            "invalid opcode".to_owned()
        }
        HaltReason::InvalidJump => "invalid jump destination".to_owned(),
        other => format!("halted: {other:?}"),
    }
}

/// The execution layer's rules at a moment. A fork that is not known here keeps the last one's: its blocks are refused
/// where they are followed.
fn fork(spec: &Spec, timestamp: u64) -> SpecId {
    let since = |epoch| timestamp >= spec.epoch_time(epoch);
    if since(spec.fulu.epoch) {
        SpecId::OSAKA
    } else if since(spec.electra.epoch) {
        SpecId::PRAGUE
    } else if since(spec.deneb.epoch) {
        SpecId::CANCUN
    } else if since(spec.capella.epoch) {
        SpecId::SHANGHAI
    } else {
        SpecId::MERGE
    }
}

#[cfg(test)]
mod tests;
