// ethers against the internal API: it decodes whatever odyn signs, names the signer and encodes it the same way.
//
//     node ethers_client.mjs API_URL TOOLS [SEED]      the seed is printed; the same one makes the same inputs
//
// ethers is loaded from TOOLS/node_modules. Lines and exit status: as in report.py.
import { randomBytes } from 'node:crypto';

import { ask, check, load, run } from './report.mjs';

const [url, tools, seed = randomBytes(8).toString('hex')] = process.argv.slice(2);
if (tools === undefined) {
  console.error('usage: ethers_client.mjs API_URL TOOLS [SEED]');
  process.exit(2);
}
const { Transaction, computeAddress, getAddress, id, keccak256, toQuantity, verifyMessage } = load(tools, 'ethers');
console.log(JSON.stringify({ client: 'ethers', seed }));

const ROUNDS = 15;
const LARGE = 100_000;

// Random bytes that the seed decides: hashes of it and a counter.
let drawn = 0;
function bytes(size) {
  let hex = '';
  while (hex.length < 2 * size) hex += id(`${seed} ${drawn++}`).slice(2);
  return `0x${hex.slice(0, 2 * size)}`;
}
const below = (bound) => Number(BigInt(bytes(8)) % BigInt(bound));
const number = (most) => BigInt(bytes(32)) >> BigInt(256 - below(most + 1));

const { address } = await ask(`${url}/v1/eth/address`);
const signTx = (payload) => ask(`${url}/v1/eth/sign-tx`, { payload });

function transaction() {
  const maxFeePerGas = number(256);
  return {
    // ethers holds a nonce in a JavaScript number.
    type: 2, chainId: number(64), nonce: Number(number(53)), gasLimit: number(64), maxFeePerGas,
    maxPriorityFeePerGas: maxFeePerGas >> BigInt(below(257)), value: number(256),
    to: below(5) ? getAddress(bytes(20)) : null, data: bytes([0, 1, 4, 36, below(3000)][below(5)]),
    accessList: Array.from({ length: [0, 0, 1, 3][below(4)] }, () => ({
      address: getAddress(bytes(20)), storageKeys: Array.from({ length: below(5) }, () => bytes(32)),
    })),
  };
}

const payload = (fields) => ({
  kind: 'structured', chain_id: toQuantity(fields.chainId), nonce: toQuantity(fields.nonce),
  max_priority_fee_per_gas: toQuantity(fields.maxPriorityFeePerGas), max_fee_per_gas: toQuantity(fields.maxFeePerGas),
  gas_limit: toQuantity(fields.gasLimit), value: toQuantity(fields.value), data: fields.data,
  access_list: fields.accessList, ...(fields.to && { to: fields.to }),
});

// The answer is the one signed transaction that these fields can be, and ethers reads all of them out of it.
function verify(fields, answer) {
  const shown = (value) => JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? String(part) : part));
  const decoded = Transaction.from(answer.raw_transaction);
  for (const [name, value] of Object.entries(fields)) {
    check(shown(decoded[name]) === shown(value), `${name}: ${shown(decoded[name])} for ${shown(value).slice(0, 300)}`);
  }
  const { from, serialized } = decoded; // both are computed each time they are read
  check(from === address && answer.address === address, `from ${from}, answered ${answer.address}`);
  check(decoded.hash === answer.transaction_hash, `hash ${answer.transaction_hash}, not ${decoded.hash}`);
  check(keccak256(answer.raw_transaction) === answer.transaction_hash, 'the hash is not that of the bytes');
  check(serialized === answer.raw_transaction, `ethers encodes ${serialized.slice(0, 300)}`);
  const { r, s, yParity } = decoded.signature;
  check(answer.signature === `${r}${s.slice(2)}0${yParity}`, `signature ${answer.signature}`);
}

await run('ethers', {
  address: async () => {
    const answer = await ask(`${url}/v1/eth/address`);
    check(computeAddress(answer.public_key) === answer.address, `${computeAddress(answer.public_key)}`);
    check(getAddress(address.toLowerCase()) === address, `the checksum of ${address}`);
  },
  messages: async () => {
    const messages = ['a', 'grüße', '日本語', '👩‍🔬', '\0', '\n"\\', '0x1234', 'x'.repeat(LARGE), '€'.repeat(LARGE)];
    for (let round = 0; round < ROUNDS; round += 1) messages.push(bytes(1 + below(200)));
    for (const message of messages) {
      const { signature } = await ask(`${url}/v1/eth/sign`, { message });
      const signer = verifyMessage(message, signature);
      check(signer === address, `signed by ${signer}: ${JSON.stringify(message.slice(0, 40))}`);
    }
    return { messages: messages.length };
  },
  structured: async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const fields = transaction();
      verify(fields, await signTx(payload(fields)));
    }
    return { transactions: ROUNDS };
  },
  raw_rlp: async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const fields = transaction();
      verify(fields, await signTx({ kind: 'raw_rlp', raw_payload: Transaction.from(fields).unsignedSerialized }));
    }
    return { transactions: ROUNDS };
  },
  contract_creation: async () => {
    const fields = { ...transaction(), to: null, data: bytes(500) };
    verify(fields, await signTx(payload(fields)));
  },
  data_sizes: async () => {
    for (const size of [0, 1, 55, 56, LARGE]) {
      const fields = { ...transaction(), data: bytes(size) };
      verify(fields, await signTx(payload(fields)));
      verify(fields, await signTx({ kind: 'raw_rlp', raw_payload: Transaction.from(fields).unsignedSerialized }));
    }
  },
});
