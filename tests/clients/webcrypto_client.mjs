// WebCrypto, as browsers have it, exchanges messages with the internal API, in both directions.
//
//     node webcrypto_client.mjs API_URL
//
// Nothing but the standard library. Lines and exit status: as in report.py.
import { webcrypto } from 'node:crypto';

import { ask, check, run } from './report.mjs';

const [url] = process.argv.slice(2);
if (url === undefined) {
  console.error('usage: webcrypto_client.mjs API_URL');
  process.exit(2);
}
const { subtle } = webcrypto;
const CURVE = { name: 'ECDH', namedCurve: 'P-384' };
const TEXTS = ['', 'a', 'grüße', '日本語 👩‍🔬 e\u0301 \u202e', '\0\0', '"\\\n\r\t', 'x'.repeat(16),
  'x'.repeat(4097), '€'.repeat(300_000)];

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const unhex = (digits) => Buffer.from(digits.replace(/^0x/, ''), 'hex');
const utf8 = (text) => new TextEncoder().encode(text);
const enclaveKey = async () => (await ask(`${url}/v1/encryption/public_key`)).public_key_der;

/** A new key pair, and what it shares with the enclave's. */
async function client() {
  const enclave = await subtle.importKey('spki', unhex(await enclaveKey()), CURVE, false, []);
  const own = await subtle.generateKey(CURVE, false, ['deriveBits']);
  const shared = await subtle.deriveBits({ name: 'ECDH', public: enclave }, own.privateKey, 384);
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: utf8('encryption data') };
  const material = await subtle.importKey('raw', shared, 'HKDF', false, ['deriveKey']);
  const key = await subtle.deriveKey(hkdf, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  return { key, publicKey: hex(await subtle.exportKey('spki', own.publicKey)) };
}

await run('webcrypto', {
  to_the_enclave: async () => {
    for (const text of TEXTS) {
      for (const size of [12, 32]) {
        const { key, publicKey } = await client();
        const nonce = webcrypto.getRandomValues(new Uint8Array(size));
        const sealed = await subtle.encrypt({ name: 'AES-GCM', iv: nonce.subarray(0, 12) }, key, utf8(text));
        const { plaintext } = await ask(`${url}/v1/encryption/decrypt`, {
          nonce: hex(nonce), client_public_key: publicKey, encrypted_data: hex(sealed),
        });
        check(plaintext === text, `${JSON.stringify(plaintext.slice(0, 40))} for ${JSON.stringify(text.slice(0, 40))}`);
      }
    }
    return { messages: 2 * TEXTS.length };
  },
  from_the_enclave: async () => {
    for (const text of TEXTS) {
      const { key, publicKey } = await client();
      const answer = await ask(`${url}/v1/encryption/encrypt`, { plaintext: text, client_public_key: publicKey });
      check(`0x${answer.enclave_public_key}` === await enclaveKey(), 'another key than the enclave\'s');
      const iv = unhex(answer.nonce).subarray(0, 12);
      const opened = await subtle.decrypt({ name: 'AES-GCM', iv }, key, unhex(answer.encrypted_data));
      check(new TextDecoder().decode(opened) === text, `other text for ${JSON.stringify(text.slice(0, 40))}`);
    }
    return { messages: TEXTS.length };
  },
});
