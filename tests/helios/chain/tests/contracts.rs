use alloy_primitives::{Address, Bytes, TxKind, U256, keccak256};
use revm::context::result::ExecutionResult;
use revm::context::{Context, TxEnv};
use revm::database::InMemoryDB;
use revm::state::{AccountInfo, Bytecode};
use revm::{ExecuteEvm, MainBuilder, MainContext};

use crate::chain::contracts::{self, HISTORY};
use crate::chain::{Chain, HEAD_FINALIZED, state};

/// What a call at the head's state comes to, in a block above it.
fn run(to: Address, data: Vec<u8>) -> ExecutionResult {
    let chain = Chain::shared();
    let head = chain.head();
    let mut database = InMemoryDB::default();
    for (address, account) in &head.state.accounts {
        let info = AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: keccak256(&account.code),
            code: Some(Bytecode::new_raw(account.code.clone().into())),
            ..AccountInfo::default()
        };
        database.insert_account_info(*address, info);
        for (slot, value) in account.slots() {
            database.insert_account_storage(*address, slot, value).unwrap();
        }
    }
    let context = Context::mainnet().with_db(database).modify_block_chained(|block| {
        block.number = U256::from(head.header.number + 1);
        block.timestamp = U256::from(head.header.timestamp + 12);
    });
    let call = TxEnv::builder().caller(contracts::named("caller")).kind(TxKind::Call(to)).data(data.into());
    context.build_mainnet().transact(call.gas_limit(500_000).build().unwrap()).unwrap().result
}

fn returned(result: ExecutionResult) -> Bytes {
    assert!(result.is_success(), "{result:?}");
    result.output().unwrap().clone()
}

#[test]
fn contracts_of_the_chain_do_what_they_are_there_for() {
    let chain = Chain::shared();
    let head = chain.head();
    for contract in [contracts::token(), contracts::proxy()] {
        let holder = state::person(4);
        let tokens = head.state.tokens(contract, holder);
        assert!(!tokens.is_zero());
        assert_eq!(returned(run(contract, contracts::balance_of(holder))), tokens.to_be_bytes_vec());
        assert_eq!(returned(run(contract, contracts::balance_of(contracts::named("nobody")))), vec![0; 32]);
        assert!(matches!(run(contract, vec![1, 2, 3, 4]), ExecutionResult::Revert { output, .. } if output.is_empty()));
    }
    let reverted = run(contracts::reverter(), Vec::new());
    assert!(matches!(reverted, ExecutionResult::Revert { output, .. } if output == contracts::reason()));
    assert!(matches!(run(contracts::looper(), Vec::new()), ExecutionResult::Halt { .. }));

    let seen = returned(run(contracts::environment(), Vec::new()));
    assert_eq!(seen.len(), 14 * 32);
    assert_eq!(U256::from_be_slice(&seen[..32]), U256::from(head.header.number + 1));
    assert_eq!(U256::from_be_slice(&seen[32..64]), U256::from(head.header.timestamp + 12));
    assert_eq!(Address::from_slice(&seen[8 * 32 + 12..9 * 32]), contracts::named("caller"));

    let finalized = chain.block(HEAD_FINALIZED);
    let number = U256::from(finalized.header.number).to_be_bytes_vec();
    assert_eq!(returned(run(HISTORY, number)), finalized.hash.to_vec());
}
