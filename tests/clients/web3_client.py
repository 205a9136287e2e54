"""web3.py against odyn-helios: `web3_client.py URL EXPECTED`, where EXPECTED is JSON of what is true of the chain."""

import json
import sys

from web3 import Web3
from web3.exceptions import ContractLogicError, TransactionNotFound

url, true = sys.argv[1], json.loads(sys.argv[2])
w3 = Web3(Web3.HTTPProvider(url))
address = Web3.to_checksum_address
token = w3.eth.contract(
    address(true["token"]),
    abi=[
        {
            "type": "function",
            "name": "balanceOf",
            "stateMutability": "view",
            "inputs": [{"name": "holder", "type": "address"}],
            "outputs": [{"name": "", "type": "uint256"}],
        },
        {
            "type": "event",
            "name": "Transfer",
            "anonymous": False,
            "inputs": [
                {"name": "from", "type": "address", "indexed": True},
                {"name": "to", "type": "address", "indexed": True},
                {"name": "value", "type": "uint256", "indexed": False},
            ],
        },
    ],
)

assert w3.is_connected()
assert w3.eth.chain_id == true["chainId"]
assert w3.client_version.startswith("odyn-helios/")
assert w3.eth.syncing is False
assert w3.eth.block_number == true["number"]
assert token.functions.balanceOf(address(true["holder"])).call() == int(true["balance"])
assert w3.eth.get_balance(address(true["holder"])) == int(true["ether"])
assert w3.eth.get_transaction_count(address(true["holder"])) == true["nonce"]
assert len(w3.eth.get_code(address(true["token"]))) > 0

block = w3.eth.get_block("latest", full_transactions=True)
assert block.number == true["number"] and block.hash.hex() == true["hash"].removeprefix("0x")
for transaction in block.transactions:
    assert w3.eth.get_transaction(transaction.hash) == transaction
    receipt = w3.eth.wait_for_transaction_receipt(transaction.hash, timeout=30)
    assert receipt.blockHash == block.hash and receipt["from"] == transaction["from"]
assert w3.eth.get_block("finalized").number < block.number
assert w3.eth.get_block(block.number - 20).number == block.number - 20

logs = token.events.Transfer().get_logs(from_block=block.number - 20, to_block=block.number)
assert len(logs) == true["transfers"], len(logs)
assert w3.eth.gas_price >= block.baseFeePerGas // 2
assert len(w3.eth.fee_history(4, "latest", [10, 50]).reward) == 4
assert w3.eth.estimate_gas({"to": address(true["holder"]), "from": address(true["holder"]), "value": 1}) == 21000
proof = w3.eth.get_proof(address(true["holder"]), [0])
assert proof.balance == int(true["ether"])

try:
    w3.eth.call({"to": address(true["reverter"])})
    raise SystemExit("a revert was not told")
except ContractLogicError as e:
    assert true["reason"] in str(e), e
try:
    w3.eth.wait_for_transaction_receipt("0x" + "11" * 32, timeout=1, poll_latency=0.3)
    raise SystemExit("a receipt from nowhere")
except Exception as e:
    # It went on asking until its own time was over: the answer is none that ends the wait.
    assert type(e).__name__ == "TimeExhausted", repr(e)
try:
    w3.eth.get_transaction("0x" + "11" * 32)
    raise SystemExit("a transaction from nowhere")
except TransactionNotFound:
    raise SystemExit("absence was taken for proven")
except Exception as e:
    assert "cannot be proven" in str(e), e

assert w3.eth.send_raw_transaction(true["raw"]).hex() == true["rawHash"].removeprefix("0x")
print("web3.py: all as expected")
