//! The contracts of the generated chain, assembled by hand.

use alloy_primitives::{Address, B256, U256, address, hex, keccak256};

/// EIP-2935's: slot `number % 8191` has the hash of an earlier block.
pub const HISTORY: Address = address!("0x0000F90827F1C53a10cb7A02335B175320002935");

/// Slots of [`HISTORY`].
pub const HISTORY_SLOTS: u64 = 8191;

/// An address that belongs to a name.
pub fn named(name: &str) -> Address {
    Address::from_slice(&keccak256(name)[12..])
}

/// Answers `balanceOf(address)` from the mapping at slot 0; reverts without data on anything else.
pub fn token() -> Address {
    named("token")
}

/// Passes every call on, by DELEGATECALL, to the address in its slot 0.
pub fn proxy() -> Address {
    named("proxy")
}

/// Reverts with [`REASON`] as Solidity's `Error(string)`.
pub fn reverter() -> Address {
    named("reverter")
}

/// Never ends by itself.
pub fn looper() -> Address {
    named("looper")
}

/// Returns what it sees, a word each: NUMBER, TIMESTAMP, CHAINID, BASEFEE, COINBASE, GASLIMIT, PREVRANDAO, BLOBBASEFEE,
/// CALLER, ORIGIN, CALLVALUE, GASPRICE, SELFBALANCE, BLOCKHASH(NUMBER - the word it is called with).
pub fn environment() -> Address {
    named("environment")
}

/// Has no code that runs but is the source of logs of the second kind.
pub fn noter() -> Address {
    named("noter")
}

/// What [`reverter`] says.
pub const REASON: &str = "not on this chain";

/// The event `Transfer(address,address,uint256)`.
pub fn transfer_topic() -> B256 {
    keccak256("Transfer(address,address,uint256)")
}

/// The event `Noted(uint256,uint256,address,bytes)`.
pub fn noted_topic() -> B256 {
    keccak256("Noted(uint256,uint256,address,bytes)")
}

/// The slot of an address in the mapping at slot 0.
pub fn balance_slot(holder: Address) -> U256 {
    let mut key = [0; 64];
    key[12..32].copy_from_slice(holder.as_slice());
    keccak256(key).into()
}

/// The call data of `balanceOf(holder)`.
pub fn balance_of(holder: Address) -> Vec<u8> {
    [&hex!("70a08231")[..], &[0; 12], holder.as_slice()].concat()
}

/// Solidity's `Error(string)` with [`REASON`], as [`reverter`] reverts with it.
pub fn reason() -> Vec<u8> {
    let mut data = hex!("08c379a0").to_vec();
    data.extend(U256::from(32).to_be_bytes::<32>());
    data.extend(U256::from(REASON.len()).to_be_bytes::<32>());
    data.extend(REASON.bytes());
    data.resize(4 + 3 * 32, 0);
    data
}

pub fn token_code() -> Vec<u8> {
    // selector == balanceOf ? return sload(keccak256(argument . 0)) : revert
    let head = hex!("5f3560e01c6370a0823114601157");
    let tail = hex!("5f5ffd" "5b6004355f525f60205260405f20545f5260205ff3");
    [&head[..], &tail].concat()
}

pub fn proxy_code() -> Vec<u8> {
    // calldatacopy; delegatecall(gas, sload(0), ..); returndatacopy; return or revert
    hex!("365f5f37" "5f5f365f5f545af4" "3d5f5f3e" "601657" "3d5ffd" "5b3d5ff3").to_vec()
}

pub fn reverter_code() -> Vec<u8> {
    let data = reason();
    let size = u8::try_from(data.len()).unwrap();
    // codecopy(0, 10, size); revert(0, size)
    [&[0x60, size, 0x60, 10, 0x5f, 0x39, 0x60, size, 0x5f, 0xfd], &data[..]].concat()
}

pub fn looper_code() -> Vec<u8> {
    hex!("5b5f56").to_vec()
}

pub fn noter_code() -> Vec<u8> {
    hex!("00").to_vec()
}

pub fn environment_code() -> Vec<u8> {
    let words: [&[u8]; 14] = [
        &[0x43],
        &[0x42],
        &[0x46],
        &[0x48],
        &[0x41],
        &[0x45],
        &[0x44],
        &[0x4a],
        &[0x33],
        &[0x32],
        &[0x34],
        &[0x3a],
        &[0x47],
        // calldataload(0), number, sub, blockhash
        &[0x5f, 0x35, 0x43, 0x03, 0x40],
    ];
    let mut code = Vec::new();
    for (index, word) in words.iter().enumerate() {
        code.extend_from_slice(word);
        let [high, low] = u16::try_from(index * 32).unwrap().to_be_bytes();
        code.extend([0x61, high, low, 0x52]);
    }
    let [high, low] = u16::try_from(words.len() * 32).unwrap().to_be_bytes();
    code.extend([0x61, high, low, 0x5f, 0xf3]);
    code
}

/// EIP-2935's own code.
pub fn history_code() -> Vec<u8> {
    hex!(
        "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257"
        "611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
    )
    .to_vec()
}
