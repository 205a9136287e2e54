// AWS's SDK for JavaScript against odyn's KMS proxy, as odyn's application: nothing but AWS_ENDPOINT_URL_KMS says where
// KMS is. Behind the proxy is tests/support/fake_aws.py. Argument: the folder that has node_modules.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const { DecryptCommand, EncryptCommand, GenerateDataKeyCommand, KMSClient } = require("@aws-sdk/client-kms");

const KEY = "1234abcd-12ab-34cd-56ef-1234567890ab";
const kms = new KMSClient({
  maxAttempts: 1,
  region: "us-east-1",
  credentials: { accessKeyId: "unused", secretAccessKey: "unused" },
});
let [passed, failed] = [0, 0];

async function run(name, test) {
  let line = { client: "aws-sdk-js", case: name, scheme: "kms" };
  try {
    await test();
    line = { ...line, ok: true };
    passed += 1;
  } catch (error) {
    line = { ...line, ok: false, error: String(error).slice(0, 500) };
    failed += 1;
  }
  console.log(JSON.stringify(line));
}

function check(condition, what) {
  if (!condition) throw new Error(what);
}

await run("decrypt", async () => {
  const text = Buffer.from("JavaScript's own secret");
  const sealed = await kms.send(new EncryptCommand({ KeyId: KEY, Plaintext: text }));
  const opened = await kms.send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob }));
  check(Buffer.from(opened.Plaintext).equals(text), "another text");
  check(opened.CiphertextForRecipient === undefined, "CiphertextForRecipient is left");
});

async function refused(KeyId) {
  try {
    await kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256" }));
  } catch (error) {
    return `${error.name} ${error.$metadata.httpStatusCode}`;
  }
  throw new Error("no error");
}

await run("errors", async () => {
  for (const [key, expected] of [
    ["alias/missing", "NotFoundException 400"],
    ["alias/plain", "KMSInternalException 500"],
    ["alias/truncate", "ServiceUnavailableException 503"],
  ]) {
    const found = await refused(key);
    check(found === expected, `${key}: ${found}`);
  }
});

console.log(JSON.stringify({ client: "aws-sdk-js", case: "done", ok: failed === 0 && passed > 0, passed, failed }));
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
