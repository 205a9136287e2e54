// ethers against odyn-helios: `ethers_rpc_client.mjs URL TOOLS EXPECTED`, where EXPECTED is JSON of what is true of the chain.

import assert from 'node:assert/strict';

import { load } from './report.mjs';

const [url, tools, expected] = process.argv.slice(2);
const { Contract, JsonRpcProvider } = load(tools, 'ethers');
const is = JSON.parse(expected);
// Batches are ethers' default.
const provider = new JsonRpcProvider(url);
const abi = [
  'function balanceOf(address holder) view returns (uint256)',
  'event Transfer(address indexed from, address indexed to, uint256 value)',
];
const token = new Contract(is.token, abi, provider);

assert.equal((await provider.getNetwork()).chainId, BigInt(is.chainId));
const [number, balance, ether, nonce, code] = await Promise.all([
  provider.getBlockNumber(),
  token.balanceOf(is.holder),
  provider.getBalance(is.holder),
  provider.getTransactionCount(is.holder),
  provider.getCode(is.token),
]);
assert.equal(number, is.number);
assert.equal(balance, BigInt(is.balance));
assert.equal(ether, BigInt(is.ether));
assert.equal(nonce, is.nonce);
assert.ok(code.length > 2);

const block = await provider.getBlock('latest', true);
assert.equal(block.hash, is.hash);
for (const transaction of block.prefetchedTransactions) {
  const receipt = await provider.getTransactionReceipt(transaction.hash);
  assert.equal(receipt.blockHash, block.hash);
  assert.equal(receipt.from, transaction.from);
  assert.equal((await provider.getTransaction(transaction.hash)).hash, transaction.hash);
}
assert.ok((await provider.getBlock('finalized')).number < number);
assert.equal(await provider.getBlock(number + 5), null);
assert.equal((await token.queryFilter(token.filters.Transfer(), number - 20, number)).length, is.transfers);
assert.ok((await provider.getFeeData()).maxFeePerGas > 0n);
assert.equal(await provider.estimateGas({ to: is.holder, from: is.holder, value: 1n }), 21000n);
await assert.rejects(provider.call({ to: is.reverter }), (e) => e.code === 'CALL_EXCEPTION' && e.reason === is.reason);
await assert.rejects(provider.send('eth_mining', []), (e) => e.error?.code === -32601);
assert.equal((await provider.broadcastTransaction(is.raw)).hash, is.rawHash);
provider.destroy();
console.log('ethers: all as expected');
