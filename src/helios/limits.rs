//! Every cap and deadline of the light client, each with its reason; see also [`crate::config::limits`].

use std::time::Duration;

/// How long a call waits for the first head (contract section 11).
pub const SYNC_WAIT: Duration = Duration::from_secs(30);

/// One JSON-RPC call, from the whole request to its answer, all fetching included. Wallets give up after a minute.
pub const CALL: Duration = Duration::from_secs(55);

/// From the end of a JSON-RPC request to its answer, waiting for a handler included.
pub const ANSWERED: Duration = Duration::from_secs(60);

/// Bytes of requests and answers held at once, all connections together: four of the largest answers.
pub const HELD: usize = 4 * ANSWER;

/// One request to a server.
pub const FETCH: Duration = Duration::from_secs(20);

/// Threads that answer JSON-RPC. Each mostly waits for the execution RPC.
pub const HANDLERS: usize = 16;

/// Largest JSON-RPC request: a transaction with six blobs' sidecar has 800 KiB in hexadecimal digits twice over.
pub const REQUEST: usize = 2 << 20;

/// Calls in one batch: what public RPCs allow.
pub const BATCH: usize = 100;

/// Largest answer to one JSON-RPC request, batches included. What a block's transactions take as JSON is below it.
pub const ANSWER: usize = 32 << 20;

/// How old `latest` may be: five slots without a signed block are an outage, or a host that holds blocks back.
pub const LATEST_AGE: Duration = Duration::from_secs(60);

/// How old `finalized` may be. Up to three epochs and a few slots are usual, 20 minutes; this allows for one epoch more.
pub const FINALIZED_AGE: Duration = Duration::from_secs(30 * 60);

/// Age of a checkpoint beyond which former validators could forge a chain from it: weak subjectivity.
pub const CHECKPOINT_AGE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Largest answer of the execution RPC that has one block or its receipts: the gas limit and calldata's price keep a
/// block below 8 MiB, which JSON makes up to three times larger.
pub const BLOCK_ANSWER: usize = 32 << 20;

/// Largest answer that has a block's header: with it come the hashes of its transactions, of which 300 million gas buy
/// 15,000, and its withdrawals.
pub const HEADER_ANSWER: usize = 2 << 20;

/// Answers above this size are read [`HEAVY`] at a time.
pub const LIGHT_ANSWER: usize = 2 << 20;

/// See [`LIGHT_ANSWER`].
pub const HEAVY: usize = 2;

/// Largest answer that has a proof: [`PROOF_SLOTS`] slots of [`PROOF_DEPTH`] nodes.
pub const PROOF_ANSWER: usize = 8 << 20;

/// Largest answer that has a contract's code, of at most [`CODE`] bytes.
pub const CODE_ANSWER: usize = 1 << 20;

/// Largest answer that has one number, hash or short text.
pub const SMALL_ANSWER: usize = 64 << 10;

/// Nodes in one proof: a path has 64 nibbles.
pub const PROOF_DEPTH: usize = 65;

/// Bytes of one node: a branch of 16 hashes has 532, a leaf its value.
pub const PROOF_NODE: usize = 1 << 10;

/// Slots in one `eth_getProof`.
pub const PROOF_SLOTS: usize = 256;

/// Bytes of a contract's code: twice EIP-170's limit, and Amsterdam's proposals.
pub const CODE: usize = 64 << 10;

/// Gas of one `eth_call`.
pub const CALL_GAS: u64 = 50_000_000;

/// Accounts that one `eth_call` may look at, and slots: each may cost a request.
pub const CALL_ACCOUNTS: usize = 256;

/// See [`CALL_ACCOUNTS`].
pub const CALL_SLOTS: usize = 2048;

/// Proofs that one `eth_call` fetches one by one before it asks the execution RPC what it will look at.
pub const HINT_AFTER: usize = 6;

/// How long that question and fetching what it names may take, of [`CALL`]: without it a call is slower, no more.
pub const HINT: Duration = Duration::from_secs(8);

/// Largest answer to it: [`CALL_SLOTS`] slots in hexadecimal digits.
pub const HINT_ANSWER: usize = 256 << 10;

/// Blocks in the range of one `eth_getLogs`: each costs a request for its header, one after the other, within [`CALL`].
pub const LOG_BLOCKS: u64 = 256;

/// Of those, blocks whose receipts are fetched.
pub const LOG_RECEIPTS: usize = 128;

/// Logs in one answer.
pub const LOGS: usize = 10_000;

/// Blocks back from the head that EIP-2935 proves.
pub const HISTORY: u64 = 8191;

/// Blocks in one `eth_feeHistory`.
pub const FEE_BLOCKS: u64 = 128;

/// Headers kept, of about 700 bytes: many times [`LOG_BLOCKS`], so that ranges which move with the head stay.
pub const HEADERS: usize = 4096;

/// Accounts kept for calls, and slots: what a few dozen calls look at.
pub const ACCOUNTS: usize = 4096;

/// See [`ACCOUNTS`].
pub const SLOTS: usize = 16 << 10;

/// Numbers of blocks kept with their hashes: what EIP-2935 proves.
pub const NUMBERS: usize = 8192;

/// Contracts' codes kept, in bytes of code.
pub const CODES: usize = 8 << 20;

/// Largest answer of the consensus RPC for one object: an update has 27 KiB.
pub const BEACON_OBJECT: usize = 128 << 10;

/// Updates asked for at once.
pub const BEACON_UPDATES: u64 = 32;

/// First wait after the consensus RPC failed before there was a head; it doubles up to [`RETRY_MOST`].
pub const RETRY_FIRST: Duration = Duration::from_secs(1);

/// Longest wait between two attempts: five slots.
pub const RETRY_MOST: Duration = Duration::from_secs(60);

/// How often the log repeats that something still is as wrong as before.
pub const REPEAT: Duration = Duration::from_secs(10 * 60);

/// Largest answer that has one transaction, which a block holds at most one of with the most calldata there may be.
pub const TRANSACTION_ANSWER: usize = 4 << 20;

/// Addresses, or topics at one place, that one `eth_getLogs` may name: each is looked up in every bloom of the range.
pub const LOG_ALTERNATIVES: usize = 1000;

/// Blocks in one `eth_feeHistory` that asks for rewards: each costs its transactions and receipts.
pub const FEE_REWARDS: u64 = 32;

/// Percentiles in one `eth_feeHistory`: what geth allows.
pub const FEE_PERCENTILES: usize = 100;

/// The largest tip that is suggested, in wei: 500 Gwei, as geth has it. Whoever builds a block writes its tips.
pub const TIP: u128 = 500_000_000_000;
